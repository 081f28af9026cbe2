/** NumPy archives, and IDX files raw and compressed. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { DatasetConfig } from '../../src/data/index.js';
import type { RandomStream } from '../../src/util/random.js';
import { mutateBytes, mutateText, onceIn, pick } from '../support/mutations.js';
import { type ZipMember, zipArchive } from '../support/zip.js';
import { inputs, openSoundly } from './fuzz-sound.js';
import type { FuzzTarget } from './fuzz-target.js';

interface NpyArray {
  readonly descr: string;
  readonly shape: readonly number[];
  readonly fortran: boolean;
  readonly data: Buffer;
}

/** Numbers that are no features. */
const NOT_FLOAT32 = [Number.NaN, Number.POSITIVE_INFINITY, 1e300];

function numbers(descr: string, shape: readonly number[], random: RandomStream, bound: number): NpyArray {
  const count = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: count }, () => random.integer(bound));
  if (descr.startsWith('<f') && onceIn(random, 12)) values[random.integer(count)] = pick(random, NOT_FLOAT32);
  const arrays: Readonly<Record<string, () => NodeJS.ArrayBufferView>> = {
    '<f4': () => Float32Array.from(values, v => v / 3),
    '<f8': () => Float64Array.from(values, v => v / 3),
    '<i8': () => BigInt64Array.from(values, BigInt),
    '<i4': () => Int32Array.from(values),
    '|u1': () => Uint8Array.from(values),
  };
  const { buffer, byteOffset, byteLength } = arrays[descr]();
  return { descr, shape, fortran: onceIn(random, 5), data: Buffer.from(buffer, byteOffset, byteLength) };
}

function npy(array: NpyArray, random: RandomStream): Buffer {
  const { descr, shape, fortran, data } = array;
  const dict = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`;
  const text = onceIn(random, 6) ? mutateText(dict, random) : dict;
  const version = onceIn(random, 20) ? random.integer(5) : 1;
  const padded = Buffer.from(`${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`, 'latin1');
  const head = Buffer.from(
    version === 1 ? '\x93NUMPY\x01\0\0\0' : `\x93NUMPY${String.fromCharCode(version)}\0\0\0\0\0`,
    'latin1',
  );
  if (version === 1) head.writeUInt16LE(padded.length & 0xffff, 8);
  else head.writeUInt32LE(padded.length, 8);
  const whole = Buffer.concat([head, padded, data]);
  return onceIn(random, 6) ? mutateBytes(whole, random) : whole;
}

function lengths(count: number, steps: number, random: RandomStream): NpyArray {
  const values = Int32Array.from({ length: count }, () => 1 + random.integer(steps));
  return { descr: '<i4', shape: [count], fortran: false, data: Buffer.from(values.buffer) };
}

/** Arrays that mostly fit each other. */
function arrays(random: RandomStream): Map<string, NpyArray> {
  const steps = 1 + random.integer(4);
  const kind = random.integer(3);
  const found = new Map<string, NpyArray>();
  const add = (suffix: string, count: number) => {
    found.set(`x${suffix}`, numbers(pick(random, ['<f4', '<f8', '|u1']), [count, steps, 2], random, 9));
    if (kind === 0) found.set(`y${suffix}`, numbers('<i8', [count], random, 3));
    if (kind === 1) found.set(`y${suffix}`, numbers('<i4', [count, steps], random, 3));
    if (kind === 2) found.set(`y${suffix}`, numbers('<f8', [count, 2], random, 3));
    if (onceIn(random, 2)) found.set(`lengths${suffix}`, lengths(count, steps, random));
  };
  add('', 2 + random.integer(6));
  if (onceIn(random, 2)) add('_test', 1 + random.integer(3));
  return found;
}

const HOSTILE_MEMBERS = [
  ...'../../x.npy /etc/passwd C:\\x.npy __proto__ x.npy/ x x.npy'.split(' '),
  ...['\0x.npy', 'x'.repeat(1000)],
];

function claims(random: RandomStream): NonNullable<ZipMember['central']> {
  const size = pick(random, [0, 1, 1000, 2 ** 20, 2 ** 30, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1]);
  return pick(random, [
    { size },
    { originalSize: size },
    { offset: size },
    { method: pick(random, [0, 1, 8, 9, 12, 99]) },
    { crc: size },
    { flags: pick(random, [1, 8, 0x800, 0xffff]) },
    { nameLength: random.integer(70_000) },
    { extra: Buffer.from([1, 0, 24, 0, ...Array.from({ length: 24 }, () => random.integer(256))]) },
  ]);
}

export const npzFiles: FuzzTarget = {
  name: 'npz',
  open: folder => {
    const path = join(folder, 'data.npz');
    return random => {
      const members = [...arrays(random)].map(([name, array]): ZipMember => {
        const hostile = onceIn(random, 12);
        return {
          name: onceIn(random, 20) ? pick(random, HOSTILE_MEMBERS) : `${name}.npy`,
          content: npy(array, random),
          method: pick(random, [0, 8]),
          ...(hostile && { central: claims(random) }),
          ...(onceIn(random, 16) && { local: claims(random) }),
        };
      });
      const zip = zipArchive(onceIn(random, 16) ? [...members, ...members] : members, {
        ...(onceIn(random, 20) && { count: random.integer(70_000) }),
        ...(onceIn(random, 20) && { offset: random.integer(3000) }),
        ...(onceIn(random, 12) && { comment: Buffer.from('PK\x05\x06'.repeat(random.integer(9)), 'latin1') }),
      });
      writeFileSync(path, onceIn(random, 3) ? mutateBytes(zip, random) : zip);
      const hasTest = members.some(({ name }) => name === 'x_test.npy');
      const config: DatasetConfig = {
        kind: 'npz',
        path,
        ...(hasTest === onceIn(random, 16) && { test_fraction: 0.4 }),
        ...(onceIn(random, 4) && { limit: 2 }),
      };
      return () => openSoundly(config);
    };
  },
};

/** The arrays of an archive, each in a file of its own, which may be cut off or compressed. */
export const npyFiles: FuzzTarget = {
  name: 'npy',
  open: folder => random => {
    const all = arrays(random);
    const damaged = pick(random, [...all.keys()]);
    const paths = [...all].map(([name, array]) => {
      const path = join(folder, `${name}.npy`);
      const whole = npy(array, random);
      const cut = onceIn(random, 3) ? whole.subarray(0, random.integer(whole.length + 1)) : whole;
      const bytes = name === damaged ? cut : whole;
      writeFileSync(path, onceIn(random, 20) ? gzipSync(bytes) : bytes);
      return [name, path] as const;
    });
    const { x = '', y = '', ...others } = Object.fromEntries(paths);
    const config: DatasetConfig = {
      kind: 'npy',
      x,
      y,
      ...others,
      ...(!all.has('x_test') && { test_fraction: 0.4 }),
      ...(onceIn(random, 4) && { limit: 2 }),
      normalize: pick(random, ['none', 'standard'] as const),
    };
    return () => openSoundly(config);
  },
};

function idx(type: number, dims: readonly number[], random: RandomStream): Buffer {
  const size = { 8: 1, 9: 1, 11: 2, 12: 4, 13: 4, 14: 8 }[type] ?? 1;
  const head = Buffer.alloc(4 + 4 * dims.length);
  head.set([0, 0, type, dims.length]);
  dims.forEach((dim, i) => {
    head.writeUInt32BE(dim, 4 + 4 * i);
  });
  const count = dims.reduce((a, b) => a * b, 1);
  const data = Buffer.alloc(count * size);
  for (let i = 0; i < count; i++) {
    const value = random.integer(4);
    if (type === 13) data.writeFloatBE(value / 3, 4 * i);
    else if (type === 14) data.writeDoubleBE(value / 3, 8 * i);
    else data[i * size + size - 1] = value;
  }
  return Buffer.concat([head, data]);
}

function idxTarget(name: string, pack: (bytes: Buffer, random: RandomStream) => Buffer): FuzzTarget {
  const open: FuzzTarget['open'] = folder => random => {
    const parts = { train_images: 5, train_labels: 5, test_images: 3, test_labels: 3 };
    const damaged = pick(random, Object.keys(parts));
    const paths = Object.entries(parts).map(([part, count]) => {
      const isImages = part.endsWith('images');
      const type = onceIn(random, 10) ? pick(random, [8, 9, 11, 12, 13, 14, 7, 255]) : 8;
      const dims = isImages ? [count, 3, 2] : [count];
      const bytes = idx(type, onceIn(random, 16) ? dims.map(dim => dim + random.integer(2)) : dims, random);
      const path = join(folder, part);
      writeFileSync(path, part === damaged ? pack(bytes, random) : bytes);
      return [part, path] as const;
    });
    const files = Object.fromEntries(paths) as Record<keyof typeof parts, string>;
    const config: DatasetConfig = { kind: 'idx', ...files, sequence: pick(random, ['rows', 'pixels']) };
    return () => openSoundly(config);
  };
  return { name, open };
}

export const npzInputs = inputs(npzFiles, 'data.npz', path => [
  { kind: 'npz', path },
  { input: { kind: 'number', size: 2 } },
]);

export const idxFiles = idxTarget('idx', mutateBytes);

export const idxInputs = inputs(idxFiles, 'train_images', (path, random) => {
  const sequence = onceIn(random, 2) ? 'rows' : 'pixels';
  const files = { train_images: path, train_labels: path, test_images: path, test_labels: path };
  const size = sequence === 'rows' ? 2 : 1;
  return [
    { kind: 'idx', ...files, sequence },
    { input: { kind: 'number', size }, image: { height: 3, width: 2 } },
  ];
});

/** Damage to what is compressed, or to what is in it. */
export const idxGzipFiles = idxTarget('idx.gz', (bytes, random) => {
  const inner = onceIn(random, 3) ? mutateBytes(bytes, random) : bytes;
  // a few bytes that expand to a megabyte
  const long = onceIn(random, 20) ? Buffer.concat([inner, Buffer.alloc(2 ** 20)]) : inner;
  const zipped = gzipSync(long, { level: pick(random, [1, 9]) });
  return onceIn(random, 3) ? zipped : mutateBytes(zipped, random);
});
