/** Data files: NumPy archives, IDX files raw and compressed, tables. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type Dataset, type DatasetConfig, openDataset, type Split } from '../../src/data/index.js';
import type { RandomStream } from '../../src/random.js';
import { mutateBytes, mutateText, onceIn, pick } from '../support/mutations.js';
import { type ZipMember, zipArchive } from '../support/zip.js';
import { ensure, type FuzzTarget } from './fuzz-target.js';

const SEED = 7;

/** What was opened keeps what its types promise. */
async function openSoundly(config: DatasetConfig): Promise<void> {
  const data = await openDataset(config, { seed: SEED });
  ensure(data.inputSize >= 1 && data.sequenceLength >= 1, 'sizes are positive');
  checkSplit(data, data.train);
  checkSplit(data, data.test);
}

function checkSplit(data: Dataset, { count, lengths, targets, read }: Split): void {
  const { inputSize, sequenceLength } = data;
  ensure(Number.isSafeInteger(count) && count >= 1, 'a split has sequences');
  ensure(lengths?.length === undefined || lengths.length === count, 'each sequence has a length');
  ensure(lengths?.every(length => length >= 1 && length <= sequenceLength) ?? true, 'lengths are in range');
  if (targets.kind === 'class') {
    ensure(targets.values.length === count * (targets.perStep ? sequenceLength : 1), 'each has its class');
    const isClass = (value: number) => value === -100 || (value >= 0 && value < targets.numClasses);
    ensure(targets.values.every(isClass), 'classes are in range');
  } else {
    ensure(targets.values.length === count * targets.size, 'each has its targets');
    ensure(targets.values.every(Number.isFinite), 'targets are finite');
  }
  const out = new Float32Array(sequenceLength * inputSize);
  for (let i = 0; i < Math.min(count, 50); i++) {
    read(i, out, 0, inputSize);
    ensure(out.every(Number.isFinite), 'features are finite');
  }
}

interface NpyArray {
  readonly descr: string;
  readonly shape: readonly number[];
  readonly fortran: boolean;
  readonly data: Buffer;
}

function numbers(descr: string, shape: readonly number[], random: RandomStream, bound: number): NpyArray {
  const count = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: count }, () => random.integer(bound));
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

const NPY_TOKENS = [
  "'",
  '"',
  '{',
  '}',
  '(',
  ')',
  ',',
  ', ',
  ':',
  ' ',
  '\n',
  'True',
  'None',
  "'descr'",
  '<f4',
  '|O',
  '>i8',
  '<U9999',
  '9'.repeat(20),
  '-1',
  '0',
  '1L',
  '\0',
];

function npy(array: NpyArray, random: RandomStream): Buffer {
  const { descr, shape, fortran, data } = array;
  const dict = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`;
  const text = onceIn(random, 6) ? mutateText(dict, random, NPY_TOKENS) : dict;
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
  '../../x.npy',
  '/etc/passwd',
  'C:\\x.npy',
  '__proto__',
  'x.npy/',
  'x',
  '\0x.npy',
  'x.npy',
  'x'.repeat(1000),
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

export const idxFiles = idxTarget('idx', mutateBytes);

/** Damage to what is compressed, or to what is in it. */
export const idxGzipFiles = idxTarget('idx.gz', (bytes, random) => {
  const inner = onceIn(random, 3) ? mutateBytes(bytes, random) : bytes;
  // a few bytes that expand to a megabyte
  const long = onceIn(random, 20) ? Buffer.concat([inner, Buffer.alloc(2 ** 20)]) : inner;
  const zipped = gzipSync(long, { level: pick(random, [1, 9]) });
  return onceIn(random, 3) ? zipped : mutateBytes(zipped, random);
});

const CSV_TOKENS = [
  ',',
  ',,',
  '"',
  '""',
  '\n',
  '\r\n',
  '\r',
  '\uFEFF',
  ';',
  '\t',
  ' ',
  '0',
  '-1',
  '1e999',
  'nan',
  'inf',
  '0x1',
  '1_0',
  '٣',
  '\0',
  '\u2028',
  'a',
  'g',
  '2024-01-01',
  '2024-02-31',
  '2024-01-01T25:00',
  '-100',
];

/** One that can be read whatever the config asks, mostly. */
function table(random: RandomStream): string {
  const isDated = onceIn(random, 2);
  const labels = pick(random, [
    ['up', 'down', '"a, b"'],
    ['1', '2', '-100'],
    ['0.5', '1.5', '2.5'],
  ]);
  const isSteady = !onceIn(random, 4);
  const rows = Array.from({ length: 4 + random.integer(12) }, (_, i) => [
    `s${i % 3}`,
    isDated ? `2024-01-${String(1 + i).padStart(2, '0')}` : i,
    random.integer(100) / 7,
    random.integer(100) - 50,
    isSteady ? labels[i % 3] : pick(random, labels),
  ]);
  return ['g,t,a,b,y', ...rows.map(row => row.join(','))].join(pick(random, ['\n', '\n', '\r\n', '\r']));
}

export const csvFiles: FuzzTarget = {
  name: 'csv',
  open: folder => {
    const [path, test] = [join(folder, 'data.csv'), join(folder, 'test.csv')];
    const text = (random: RandomStream): string | Buffer => {
      const mutated = onceIn(random, 3) ? table(random) : mutateText(table(random), random, CSV_TOKENS);
      return onceIn(random, 6) ? mutateBytes(Buffer.from(mutated), random) : mutated;
    };
    return random => {
      writeFileSync(path, text(random));
      const hasTest = onceIn(random, 2);
      if (hasTest) writeFileSync(test, text(random));
      const order = onceIn(random, 2) && { order: 't' };
      const perStep = onceIn(random, 2) && { per_step: true };
      const isGrouped = !onceIn(random, 3);
      const config: DatasetConfig = {
        kind: 'csv',
        path,
        ...(hasTest ? { test_path: test } : { test_fraction: 0.3 }),
        features: onceIn(random, 10) ? ['a', 'y'] : ['a', 'b'],
        target: onceIn(random, 10) ? 'b' : 'y',
        target_kind: pick(random, ['class', 'class', 'class', 'value']),
        ...(isGrouped && { sequence: { group: 'g', ...order, ...perStep } }),
      };
      return () => openSoundly(config);
    };
  },
};
