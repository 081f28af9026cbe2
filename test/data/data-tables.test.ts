/** Sequences from NumPy archives and from CSV files. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { zipSync } from 'fflate';
import t from 'tap';
import { type Dataset, inputWidth } from '../../src/data/core/dataset.js';
import { DELIMITERS, type Delimiter, type TableRecord } from '../../src/data/formats/table-records.js';
import { CsvPieces, guessDelimiter } from '../../src/data/formats/tables.js';
import { ZipArchive } from '../../src/data/formats/zip.js';
import type { DatasetConfig } from '../../src/data/index.js';
import { memoryBytes } from '../../src/data/reading/ranged-file.js';
import { tableCrc32 } from '../../src/host/checksums.js';
import { crc32 } from '../../src/host/index.js';
import { UserError } from '../../src/util/errors.js';
import { packageRoot } from '../../src/util/root.js';
import { classes, complaints, fixture, npy, open, sequence } from '../support/data-files.js';

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

t.test('npz: each split may be padded to a length of its own', async t => {
  const archive = (y: Uint8Array, yTest: Uint8Array, isLong: boolean): Uint8Array => {
    const short = npy('<f4', '(2, 2, 1)', Float32Array.of(1, 2, 3, 9));
    const long = npy('<f4', '(1, 3, 1)', Float32Array.of(4, 5, 6));
    return zipSync({
      'x.npy': isLong ? long : short,
      'y.npy': isLong ? yTest : y,
      [isLong ? 'lengths_test.npy' : 'lengths.npy']: npy('<i4', '(2,)', Int32Array.of(2, 1)),
      'x_test.npy': isLong ? short : long,
      'y_test.npy': isLong ? y : yTest,
    });
  };
  for (const isLong of [false, true]) {
    const load = (y: Uint8Array, yTest: Uint8Array): Promise<Dataset> => {
      const path = join(t.testdir(), 'padded.npz');
      writeFileSync(path, archive(y, yTest, isLong));
      return open({ kind: 'npz', path });
    };
    const splits = ({ train, test }: Dataset) => (isLong ? [test, train] : [train, test]);
    const perStep = await load(
      npy('<i4', '(2, 2)', Int32Array.of(0, 1, 1, 0)),
      npy('<i4', '(1, 3)', Int32Array.of(1, 0, 1)),
    );
    const [short, long] = splits(perStep);
    t.equal(perStep.sequenceLength, 3);
    t.same([...(short.lengths ?? []), long.lengths], [2, 1, undefined]);
    t.same(sequence(perStep, short, 1), [[3], [0], [0]], 'padding');
    t.same(sequence(perStep, long, 0), [[4], [5], [6]]);
    t.same(
      [classes(short), classes(long)],
      [
        [0, 1, -100, 1, -100, -100],
        [1, 0, 1],
      ],
    );
    const valued = await load(
      npy('<f4', '(2, 2, 1)', Float32Array.of(0.5, 1, 2, 7)),
      npy('<f4', '(1, 3, 1)', Float32Array.of(3, 4, 5)),
    );
    t.same(
      splits(valued).map(({ targets }) => [...targets.values]),
      [
        [0.5, 1, Number.NaN, 2, Number.NaN, Number.NaN],
        [3, 4, 5],
      ],
    );
  }
});

t.test('npz: files that NumPy wrote give what NumPy reads', async t => {
  const want = expectedOf('classes');
  const data = await open({ kind: 'npz', path: fixture('classes.npz') });
  t.same([inputWidth(data.input), data.sequenceLength, data.train.count, data.test.count], [3, 4, 6, 3]);
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

t.test('npz: Zip64 changes nothing', async t => {
  const zip = (name: string) => join(packageRoot, 'test', 'fixtures', 'zip', `${name}.npz`);
  const plain = await open({ kind: 'npz', path: zip('plain') });
  for (const name of ['zip64', 'zip64-entries']) {
    const data = await open({ kind: 'npz', path: zip(name) });
    t.same(classes(data.train), [0, 1, 1, 0], name);
    for (let i = 0; i < 4; i++) t.same(sequence(data, data.train, i), sequence(plain, plain.train, i), name);
    t.same(sequence(data, data.test, 1), sequence(plain, plain.test, 1), name);
  }
});

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
      /^data\/not-finite \| x\[0, 1, 0\] is not a finite float32 number \| expected a value, or `dataset.missing.* \| got NaN/,
    ],
    [
      'overflow',
      array('x', npy('<f8', '(2, 2, 1)', Float64Array.of(1, 2, 3, 1e39))),
      /x\[1, 1, 0\] .*got 1e\+39/,
    ],
    [
      'rank',
      array('x', npy('<f4', '(2, 2)', Float32Array.of(1, 2, 3, 4))),
      /array x .*wrong shape.*got <f4 \[2, 2\]/,
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
      /array y contains only ignored labels/,
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
      'test features',
      array('x_test', npy('<f4', '(2, 1, 2)', Float32Array.of(1, 2, 3, 4))),
      /x_test does not fit .*expected \[N, T, 1\] \| got \[N, T, 2\]/,
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
      /y\[1\] is not a class label.*got 9007199254740993/,
    ],
    [
      'short',
      array('x', npy('<f4', '(2, 2, 1)', Float32Array.of(1, 2, 3))),
      /wrong length.*16 bytes.*12 bytes/,
    ],
    [
      'huge',
      array('x', npy('<f4', '(99999999, 99999999, 9)', Float32Array.of(1))),
      /the data have the wrong length/,
    ],
    ['code', array('x', npy('<f4', '(2, 2, 1*exit())', Float32Array.of(1))), /header is damaged/],
    ['not npy', array('y', Buffer.from('hello, world')), /this is not .npy data/],
    ['no y', opened({ 'x.npy': x, 'Y.npy': y }, 0.5), /^data\/npz-missing \| .*no array y.*got x, Y/],
    ['no y_test', opened({ 'x.npy': x, 'y.npy': y, 'x_test.npy': x }), /no array y_test/],
  ];
  for (const [name, attempt, expected] of cases) t.match(await complaints(5, attempt), [expected], name);
  const two = opened({ ...good, 'x.npy': padded, 'y.npy': npy('|i1', '(2,)', Int8Array.of(0, -1)) });
  t.match(await complaints(5, two), [/y\[1\]/, /x\[0, 1, 0\]/], 'all arrays are reported at once');
  t.match(await complaints(2, opened({ 'x.npy': x, 'y.npy': y })), [/the test split is not defined/]);
  t.match(await complaints(2, opened(good, 0.5)), [/remove dataset.test_fraction/]);

  writeFileSync(path, 'PK, but no archive');
  t.match(await complaints(5, () => open({ kind: 'npz', path })), [/not a complete zip archive/]);
  const stored = Buffer.from(zipSync(good, { level: 0 }));
  stored[stored.indexOf('NUMPY') + 80] ^= 1;
  const member = (bytes: Buffer, limit?: number) =>
    complaints(5, () => new ZipArchive(memoryBytes('a.npz', bytes), limit).open('x.npy'));
  t.match(await member(stored), [/^data\/zip-checksum \| .*x\.npy/]);
  const bomb = Buffer.from(zipSync({ 'x.npy': new Uint8Array(1e6) }));
  t.match(await member(bomb, 1e6 - 1), [/^data\/too-large .*expands to too much data/]);
  for (const checksum of [crc32, tableCrc32])
    t.equal(checksum(Buffer.from('123456789')), 0xcbf43926, 'the check value of CRC-32/ISO-HDLC');
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
  t.match(await complaints(5, () => open({ ...config, test_fraction: 0.5 })), [
    /^data\/encoding 2:8\+.* \| the file is not UTF-8 text \| expected UTF-8; `iconv.* \| got byte 0xe9 at offset 13$/,
  ]);
});

t.test("csv: the cells that Python's csv module reads", async t => {
  type Row = readonly [group: string, reading: number, b: number, label: string];
  const tables: Record<string, { delimiter: Delimiter; header: string[]; rows: Row[] }> = JSON.parse(
    readFileSync(fixture('tables.json'), 'utf8'),
  );
  for (const [name, { delimiter, header, rows }] of Object.entries(tables)) {
    const path = fixture(`table-${name}.csv`);
    const [group, reading, b, label] = header;
    const data = await open({
      ...{ kind: 'csv', path, test_path: path, delimiter, features: [reading, b] },
      ...{ target: label, target_kind: 'class', sequence: { group } },
    });
    const groups = [...new Set(rows.map(([group]) => group))];
    t.ok(groups.length > 10, name);
    const got = groups.map((_, i) => ({
      group: data.train.id!(i),
      label: data.classLabels![classes(data.train)[i]],
      readings: sequence(data, data.train, i).slice(0, data.train.lengths![i]),
    }));
    const want = groups.map(group => {
      const own = rows.filter(row => row[0] === group);
      return { group, label: own[0][3], readings: own.map(([, reading, b]) => [reading, b]) };
    });
    t.same(got, want, name);
  }
});

t.test('csv: the records that csv-parse reads, in pieces of any size', t => {
  const parts = ['a', 'é', '😀', ',', '"', '""', '\n', '\r\n', '\r', ' ', '"q,"', '"l\nm"', '\ufeff'];
  const options = { bom: true, relax_column_count: true, skip_empty_lines: true };
  const table = fc.array(fc.constantFrom(...parts), { maxLength: 20 });
  fc.assert(
    fc.property(table, fc.integer({ min: 1, max: 9 }), (texts, size) => {
      const bytes = Buffer.from(texts.join(''));
      let expected: readonly string[][] | undefined;
      try {
        expected = parse(bytes, { ...options, record_delimiter: ['\r\n', '\n', '\r'] });
      } catch {
        // a quote in the wrong place
      }
      const read: string[][] = [];
      const keep = ({ fields }: TableRecord) => void read.push([...fields]);
      const pieces = new CsvPieces('a.csv', { header: keep, add: keep, ragged: keep });
      try {
        for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
        pieces.end();
        return JSON.stringify(read) === JSON.stringify(expected);
      } catch (error) {
        return error instanceof UserError && (expected === undefined || expected.length === 0);
      }
    }),
    { numRuns: 2000 },
  );
  t.end();
});

t.test('csv: the dataset does not depend on the delimiter', async t => {
  const folder = t.testdir();
  const rows = [
    ['who', 'a|;b', 'y'],
    ['p,1', '-.5', 'yes\tno'],
    ['p,1', '2', 'yes\tno'],
    ['q;"2"', '3', 'no'],
    ['r', '4e0', 'no'],
  ];
  const cell = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  const datasets: unknown[] = [];
  for (const [i, delimiter] of DELIMITERS.entries()) {
    const path = join(folder, `${i}.csv`);
    const text = rows.map(row => row.map(cell).join(delimiter)).join('\r\n');
    const test_path = join(folder, `${i}-test.csv`);
    for (const file of [path, test_path]) writeFileSync(file, `\uFEFF${text}`);
    t.equal(guessDelimiter(readFileSync(path)), delimiter);
    const columns = { features: ['a|;b'], target: 'y', sequence: { group: 'who' } } as const;
    const config = { kind: 'csv', path, delimiter, target_kind: 'class', test_path, ...columns } as const;
    const data = await open(config);
    const sequences = [0, 1, 2].map(index => sequence(data, data.train, index));
    datasets.push([sequences, classes(data.train), data.classLabels, data.train.id?.(1)]);

    const places: unknown[] = [];
    const pieces = new CsvPieces(
      path,
      {
        header: () => {},
        add: record => places.push([record.fields, record.place(2)]),
        ragged: () => t.fail(),
      },
      delimiter,
    );
    for (const byte of readFileSync(path)) pieces.push(Buffer.of(byte));
    pieces.end();
    t.same(
      places,
      rows.slice(1).map((row, index) => {
        const source = row.map(cell).join(delimiter);
        const [column, length] = [cell(row[0]).length + cell(row[1]).length + 3, cell(row[2]).length];
        return [row, { file: path, line: index + 2, column, length, source }];
      }),
    );
  }
  const expected = [
    [
      [[-0.5], [2]],
      [[3], [0]],
      [[4], [0]],
    ],
    [1, 0, 0],
    ['no', 'yes\tno'],
    'q;"2"',
  ];
  t.same(
    datasets,
    DELIMITERS.map(() => expected),
  );
  for (const header of ['a;b,c', 'a', '"a;b', 'a,b,c;d\n1,2,3'])
    t.equal(guessDelimiter(Buffer.from(header)), ',', header);
  t.equal(guessDelimiter(Buffer.from('a;b, with c;d')), ';');
});

t.test('csv: files without a line of names', async t => {
  const path = join(t.testdir(), 'rows.csv');
  const config = {
    kind: 'csv',
    path,
    features: ['b', 'a'],
    target: 'y',
    target_kind: 'class',
    test_fraction: 0.5,
    column_names: ['a', 'b', 'y'],
  } as const;
  const rows = '1,2,u\n3,4,v\n5,6,u\n7,8,v\n';
  const readFrom = async (text: string) => {
    writeFileSync(path, text);
    const data = await open(config);
    return [data.train, data.test].flatMap(split =>
      Array.from({ length: split.count }, (_, i) => sequence(data, split, i).flat()),
    );
  };
  const found = await readFrom(rows);
  t.same(found.toSorted(), [
    [2, 1],
    [4, 3],
    [6, 5],
    [8, 7],
  ]);
  // a file may have its names all the same
  t.same(await readFrom(`a,b,y\n${rows}`), found);
  writeFileSync(path, rows.replaceAll(',', ';'));
  t.match(await complaints(5, () => open(config)), [
    /data\/csv-column-names 1:1.*another number of fields.*expected 3, as in `dataset.column_names`, or a first line with the names of the columns of this file.*got 1/,
  ]);
  const bank = join(t.testdir(), 'x.conllu');
  writeFileSync(bank, '');
  t.match(await complaints(5, () => open({ ...config, path: bank })), [
    /data\/column-names .*the columns of this file have names/,
  ]);
});

t.test('csv: the files of a folder or pattern are one table', async t => {
  const rows = Array.from({ length: 12 }, (_, i) => [
    `g${Math.floor(i / 3)}`,
    i * i,
    i / 8,
    'xyz'[i % 3 === 0 ? 0 : 2],
  ]);
  const lines = (some: typeof rows) => some.map(row => `${row.join(',')}\n`).join('');
  const swapped = rows.slice(4, 8).map(([group, a, b, label]) => `${label},${b},${a},${group}\n`);
  const folder = t.testdir({
    'whole.csv': `group,a,b,label\n${lines(rows.map(row => [...row.slice(0, 3), 'x']))}`,
    parts: {
      '1.csv': `group,a,b,label\n${lines(rows.slice(0, 4)).replaceAll(/[yz]$/gm, 'x')}`,
      '2.csv': `label,b,a,group\n${swapped.join('').replaceAll(/^[yz]/gm, 'x')}`,
      '3.csv': `group,a,b,label\n${lines(rows.slice(8)).replaceAll(/[yz]$/gm, 'x')}`,
    },
    bad: { '1.csv': 'group,a,b,label\ng,1,2,x\n', '2.csv': 'group,a,b,label\ng,1,#,x\n' },
    twice: { '1.csv': 'group,a,b,label\ng,1,2,x\n', '2.csv': 'group,a,b,label\nh,1,2,x\ng,1,2,z\n' },
    texts: { '1.csv': 't,y\nab,0\nc,1\n', '2.csv': 't,y\ncb,1\nd,0\n' },
  });
  const config = (path: string, more: object = {}): DatasetConfig => ({
    ...{ kind: 'csv', path: join(folder, path), features: ['a', 'b'], sequence: { group: 'group' } },
    ...{ target: 'label', target_kind: 'class', test_fraction: 0.25 },
    ...more,
  });
  const whole = await open(config('whole.csv'));
  for (const path of ['parts', 'parts/?.csv']) {
    const parts = await open(config(path));
    for (const split of ['train', 'test'] as const) {
      t.same(
        Array.from({ length: parts[split].count }, (_, i) => parts[split].id!(i)),
        Array.from({ length: whole[split].count }, (_, i) => whole[split].id!(i)),
      );
      for (let i = 0; i < whole[split].count; i++)
        t.same(sequence(parts, parts[split], i), sequence(whole, whole[split], i), `${path}, ${split} ${i}`);
    }
    t.equal(parts.digests.length, 3);
  }
  t.match(await complaints(5, () => open(config('bad'))), [
    /^data\/csv-number 2:5\+1 .*the cell is not a number/,
  ]);
  t.match(await complaints(5, () => open(config('twice', { sequence: { group: 'group', order: 'a' } }))), [
    /^data\/csv-order 3 .*two rows of group "g" .*got 1, as in line 2 of \S+twice\/1\.csv$/,
  ]);
  t.match(await complaints(5, () => open(config('twice'))), [
    /^data\/csv-target 3 .*expected x, as in line 2 of \S+twice\/1\.csv \| got z/,
  ]);
  const texts = await open(
    config('texts', {
      ...{ features: ['t'], input_kind: 'text', level: 'character', target: 'y' },
      ...{ sequence: undefined, test_fraction: undefined, test_path: join(folder, 'texts/2.csv') },
    }),
  );
  t.same(
    [0, 1, 2, 3].map(i => texts.train.id!(i)),
    ['1.csv:2', '1.csv:3', '2.csv:2', '2.csv:3'],
  );
  const read = [0, 1, 2, 3].map(i =>
    sequence(texts, texts.train, i)
      .flat()
      .slice(0, texts.train.lengths![i])
      .map(symbol => texts.vocabulary!.symbols[symbol])
      .join(''),
  );
  t.same(read, ['ab', 'c', 'cb', 'd']);
});

t.test('csv: groups become sequences, ordered and padded', async t => {
  const folder = t.testdir();
  const path = join(folder, 'train.csv');
  const test_path = join(folder, 'test.csv');
  const head = '\ufefftime, who ,"x,1",y,class\r\n';
  writeFileSync(
    path,
    `${head}10,b,1,2,dog\n9,"a",3,4,cat\r\n\r\n2,b,5,6,dog\r\n1e1,a,-.5,8e0,cat\r\n1,b,9,10,dog`,
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
  t.same([inputWidth(data.input), data.sequenceLength, data.train.count, data.test.count], [2, 3, 2, 1]);
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

t.test('csv: order to the microsecond, days that the calendar has', async t => {
  const path = join(t.testdir(), 'data.csv');
  const base = { kind: 'csv', path, test_fraction: 0.5, target_kind: 'class' } as const;
  const ordered = { ...base, features: ['v'], target: 'y', sequence: { group: 'g', order: 'at' } } as const;
  const rows = (...times: string[]) =>
    `at,g,v,y\n${times.map((at, i) => `${at},1,${i},a\n`).join('')}2020-01-01,2,9,b\n`;
  const at = (digits: string) => `2024-05-01T12:00:00.${digits}Z`;
  writeFileSync(path, rows(at('123458'), at('123456'), at('1234565'), at('123')));
  const data = await open(ordered);
  const long = [data.train, data.test].find(split => split.lengths === undefined || split.lengths[0] === 4);
  t.same(long && sequence(data, long, 0), [[3], [1], [2], [0]]);
  writeFileSync(path, rows(at('123456'), at('123456')));
  t.match(await complaints(5, () => open(ordered)), [/have the same value in column/]);
  const nanoseconds = ['1735689600000000300', '1735689600000000050', '1735689600000000100'];
  t.equal(Number(nanoseconds[1]), Number(nanoseconds[2]), 'float64 has only one of them');
  writeFileSync(path, rows(...nanoseconds).replace('2020-01-01', '0'));
  const exact = await open(ordered);
  const three = [exact.train, exact.test].find(
    split => split.lengths === undefined || split.lengths[0] === 3,
  );
  t.same(three && sequence(exact, three, 0), [[1], [2], [0]]);
  writeFileSync(path, rows(nanoseconds[1], nanoseconds[1]).replace('2020-01-01', '0'));
  t.match(await complaints(5, () => open(ordered)), [/have the same value in column/]);
  for (const day of ['2023-02-30', '2023-02-29', '2024-04-31', '2024-02-30T10:00'])
    await (async () => {
      writeFileSync(path, rows(day));
      t.match(await complaints(5, () => open(ordered)), [/this date does not exist .*got/], day);
    })();
  writeFileSync(path, rows('2024-02-28', '20240229T000000Z'));
  t.match(await complaints(5, () => open(ordered)), [
    /only numbers or only dates \| .* such as 2025-03, .*got "20240229T000000Z"/,
  ]);
  writeFileSync(path, rows('2024-02-29', '2024-02-28'));
  await open(ordered);
  writeFileSync(path, rows('2024-03', '2024-01', '2024-02-01', '2023-12-31'));
  const months = await open(ordered);
  const four = [months.train, months.test].find(
    split => split.lengths === undefined || split.lengths[0] === 4,
  );
  t.same(four && sequence(months, four, 0), [[3], [1], [2], [0]], 'a month is its first day');
});
