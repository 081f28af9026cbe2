/** Parquet: values as DuckDB reads them, the same data as from CSV, and located errors. */

import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import zlib from 'node:zlib';
import t from 'tap';
import { parse } from 'yaml';
import type { CsvConfig } from '../../src/data/csv/facts.js';
import type { TableHandlers } from '../../src/data/formats/table-records.js';
import { readTable } from '../../src/data/formats/tables.js';
import {
  type DataRecord,
  type Dataset,
  type DatasetConfig,
  newSequences,
  type ReadSequence,
  type Split,
} from '../../src/data/index.js';
import { oneChunk } from '../../src/data/reading/byte-sources.js';
import { UserError } from '../../src/util/errors.js';
import { packageRoot } from '../../src/util/root.js';
import { asInput, open, sequence } from '../support/data-files.js';
import { callInProcess } from '../support/in-process.js';
import { work } from '../support/work.js';

const fixture = (name: string): string => join(packageRoot, 'test/fixtures/parquet', name);
const hasZstandard = 'zstdDecompressSync' in zlib;
const FORMS = [
  'snappy',
  'gzip',
  'brotli',
  'plain',
  'arrow-delta',
  'arrow-dictionary',
  ...(hasZstandard ? ['zstd'] : []),
];

/** Cells by column, of each row. */
async function cellsOf(path: string, wanted?: string[]): Promise<Record<string, string>[]> {
  const rows: Record<string, string>[] = [];
  let names: readonly string[] = [];
  const handlers: TableHandlers = {
    wanted,
    header: ({ fields }) => {
      names = [...fields];
    },
    add: ({ fields }) => void rows.push(Object.fromEntries(names.map((name, i) => [name, fields[i]]))),
    ragged() {},
  };
  for await (const _ of readTable(oneChunk(path, readFileSync(path)), handlers, {}));
  return rows;
}

/** What `attempt` throws, as printed. */
async function refusal(attempt: () => Promise<unknown>): Promise<string> {
  try {
    await attempt();
  } catch (error) {
    if (error instanceof UserError) return `exit ${error.exitCode}: ${error.message}`;
    throw error;
  }
  return 'not refused';
}

const COLUMNS = [
  ...['number', 'large', 'small', 'unsigned64', 'unsigned32', 'double', 'float', 'flag', 'text', 'day'],
  ...['micros', 'millis', 'nanos', 'zoned', 'decimal32', 'decimal64', 'decimal128', 'uuid'],
];

t.test('every type has the value that DuckDB reads', async t => {
  for (const name of ['types', 'types-v2']) {
    const columns = COLUMNS.filter(column => name === 'types' || column !== 'unsigned32');
    const read = await cellsOf(fixture(`${name}.parquet`), columns);
    const expected: Record<string, string | number | null>[] = JSON.parse(
      readFileSync(fixture(`${name}.json`), 'utf8'),
    );
    t.equal(read.length, expected.length);
    read.forEach((row, i) => {
      for (const column of columns) {
        const want = expected[i][column];
        const got = row[column];
        const what = `${name}, row ${i}: ${column}`;
        if (want === null) t.equal(got, '', what);
        else if (column === 'float') t.equal(Math.fround(Number(got)), want, what);
        else if (column === 'double')
          t.ok(Object.is(Number(got), want === 'inf' ? Infinity : Number(want)), what);
        else if (/^\d{4}-\d{2}-\d{2}T/.test(String(want)))
          t.equal(got.replace(/Z$/, ''), String(want).replace(/(\.|000)+$/, ''), what);
        else t.equal(got, String(want), what);
      }
    });
  }
  const [{ micros, zoned }] = await cellsOf(fixture('types.parquet'), ['micros', 'zoned']);
  t.equal(micros, '1969-12-31T23:59:58.999999', 'before 1970');
  t.match(zoned, /Z$/, 'with a time zone');
  // both columns have the same numbers
  for (const { b, half } of await cellsOf(fixture('readings-arrow-delta.parquet')))
    t.ok(Math.abs(Number(half) - Number(b)) <= Number(b) * 2 ** -11, `${half} is ${b} in half precision`);
});

t.test('a date and a time of day of their own types are one time', async t => {
  for (const { clock } of await cellsOf(fixture('types.parquet'), ['clock'])) t.equal(clock, '12:00:00');
  const sequenceOf = (order: string[]) =>
    refusal(() =>
      open(
        readings('types.parquet', {
          ...{ features: ['number'], target: 'large', target_kind: 'value', normalize: 'none' },
          sequence: { group: 'number', order },
        }),
      ),
    );
  t.match(await sequenceOf(['day', 'clock']), /parquet: row 6: column "day": the cell is empty$/);
  t.match(await sequenceOf(['clock', 'day']), /7 cells of column "clock day" are invalid/);
});

t.test('timestamps of 96 bits, as Spark writes them', async t => {
  const expected: { number: number; time: string | null }[] = JSON.parse(
    readFileSync(fixture('int96.json'), 'utf8'),
  );
  const read = await cellsOf(fixture('int96.parquet'));
  t.equal(read.length, expected.length);
  for (const { number, time } of expected) {
    // DuckDB reads microseconds, the file has nanoseconds; zeros at the end are left out
    const [seconds, fraction = ''] = read[number].time.split('.');
    const shown = `${seconds}.${fraction.slice(0, 6).padEnd(6, '0')}`;
    t.equal(read[number].time === '' ? null : shown, time, `row ${number}`);
  }
  t.match(read[2].time, /\.123456789$/, 'with the nanoseconds');
});

const readings = (path: string, more: Partial<CsvConfig> = {}): CsvConfig => ({
  kind: 'parquet',
  path: fixture(path),
  test_fraction: 0.25,
  features: ['a', 'b', 'c'],
  target: 'label',
  target_kind: 'class',
  sequence: { group: 'recording', order: 'time' },
  normalize: 'standard',
  ...more,
});

/** A time as DuckDB writes it to CSV. */
const asInCsv = (time: string): string => time.replace('T', ' ').replace(/(\.\d*?)0+$/, '$1');

/** All that training and evaluation read of a dataset, but names of lines and rows. */
function contentOf(data: Dataset) {
  const split = (one: Split) => ({
    targets: { ...one.targets, scaling: undefined },
    sequences: Array.from({ length: one.count }, (_, i) => [
      one.idIsPlace ? '' : asInCsv(one.id?.(i) ?? ''),
      sequence(data, one, i),
    ]),
  });
  const { input, sequenceLength, classLabels, scaling, symbolTexts } = data;
  return {
    input,
    sequenceLength,
    classLabels,
    scaling,
    symbolTexts,
    train: split(data.train),
    test: split(data.test),
  };
}

t.test('the same table as CSV and as Parquet is the same dataset', async t => {
  const variants: Record<string, (path: string) => DatasetConfig> = {
    'a class of each group': path => readings(path),
    'values of single rows': path =>
      readings(path, { target: ['score', 'c'], target_kind: 'value', features: ['b'], sequence: undefined }),
    symbols: path => readings(path, { features: ['label'], input_kind: 'symbol', normalize: undefined }),
    forecast: path => ({
      kind: 'forecast',
      delimiter: ',',
      per_step: false,
      path: fixture(path),
      target: 'a',
      series: 'recording',
      time: 'time',
      known: ['b'],
      calendar: ['hour'],
      input_steps: 3,
      horizon: 2,
      stride: 1,
      normalize: 'standard',
      test_fraction: 0.3,
    }),
  };
  for (const [variant, config] of Object.entries(variants)) {
    const expected = contentOf(await open(config('readings.csv')));
    for (const form of FORMS)
      t.same(contentOf(await open(config(`readings-${form}.parquet`))), expected, `${variant}: ${form}`);
  }
  const single = await open(
    readings('readings-snappy.parquet', { target: 'score', target_kind: 'value', sequence: undefined }),
  );
  t.match(single.train.id?.(0), /^row \d+$/);
});

const record: DataRecord = {
  input: { kind: 'number', size: 3 },
  sequence_length: 12,
  variable_length: false,
  output_size: 3,
};

/** The sequences to predict in a file that arrives in pieces of `size` bytes. */
async function inputs(name: string, size: number, isStream = false): Promise<ReadSequence[]> {
  const bytes = readFileSync(fixture(name));
  const chunks = async function* () {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  };
  const source = { name, isFile: !isStream, chunks: chunks() };
  const found: ReadSequence[] = [];
  for await (const some of newSequences(readings(name), record).read(asInput(source))) found.push(...some);
  return found;
}

t.test('sequences to predict are those of the CSV file, from files and streams', async t => {
  const simple = (all: ReadSequence[]) =>
    all.map(one => 'values' in one && [one.id, [...one.values], one.times?.map(asInCsv)]);
  const expected = simple(await inputs('readings.csv', 2 ** 16));
  t.equal(expected.length, 30);
  for (const form of FORMS) t.same(simple(await inputs(`readings-${form}.parquet`, 2 ** 16)), expected, form);
  t.same(simple(await inputs('readings-gzip.parquet', 3)), expected, 'small pieces');
  t.same(simple(await inputs('readings-gzip.parquet', 100, true)), expected, 'a stream');
});

t.test('errors name the row and the column', async t => {
  const typed = (features: string[], more: Partial<CsvConfig> = {}, name = 'types.parquet') =>
    refusal(() =>
      open(
        readings(name, { features, target: 'number', target_kind: 'value', sequence: undefined, ...more }),
      ),
    );
  const file = fixture('types.parquet');
  t.match(await typed(['small']), `exit 5: ${file}: row 4: column "small": the cell is empty`);
  t.match(await typed(['double']), `${file}: row 2: column "double": the cell is NaN`);
  t.match(await typed(['text']), `${file}: row 1: column "text": the cell is not a number`);
  t.match(await typed(['none']), /^exit 2: .*has no column "none"/);
  t.match(await typed(['list']), `exit 5: ${file}: column "list": the column has a list, map or struct`);
  t.match(
    await typed(['unsigned32'], {}, 'types-v2.parquet'),
    /column "unsigned32": the column has encoding/,
  );
  t.match(
    await refusal(() => cellsOf(fixture('unread.parquet'), ['a'])),
    /column "a": the column is compressed with LZ4_RAW/,
  );
  t.match(
    await refusal(() => cellsOf(fixture('unread.parquet'), ['label'])),
    /column "label": the column has encoding DELTA_BYTE_ARRAY/,
  );
  if (!hasZstandard)
    t.match(await refusal(() => cellsOf(fixture('readings-zstd.parquet'))), 'compressed with ZSTD');
  t.match(
    await refusal(() =>
      open(readings('readings-snappy.parquet', { sequence: { group: 'label', order: 'time' } })),
    ),
    /row \d+: two rows of group "up" have the same value in column "time"/,
  );
});

t.test('damaged files', async t => {
  const bytes = readFileSync(fixture('readings-snappy.parquet'));
  const read = (content: Buffer) => {
    const path = work.file('damaged.parquet', content);
    return refusal(() => cellsOf(path));
  };
  t.match(await read(bytes.subarray(0, 1000)), /^exit 5: .*: offset 1000: the file ends too early$/);
  t.match(await read(bytes.subarray(0, 4)), /offset 4: the file ends too early/);
  const encrypted = Buffer.concat([bytes.subarray(0, -4), Buffer.from('PARE')]);
  t.match(await read(encrypted), /exit 5: .*the file is encrypted/);
  const footer = Buffer.from(bytes);
  footer.writeUInt32LE(2 ** 31, footer.length - 8);
  t.match(await read(footer), 'the metadata are larger than the file');
  const page = Buffer.from(bytes);
  page.fill(0xff, 4, 40);
  t.match(await read(page), /exit 5: .*: column "recording": the column is damaged: /);
});

t.test('init guesses the columns of a Parquet file', async t => {
  const cwd = dirname(work.file('readings.parquet', readFileSync(fixture('readings-snappy.parquet'))));
  const init = (...args: string[]) => callInProcess(['init', ...args], { ...work.place, cwd });
  const written = await init('--from', 'readings.parquet', '--target', 'label');
  t.equal(written.code, 0, written.stderr);
  t.match(written.stdout, /^static +score$/m);
  t.match(parse(readFileSync(join(cwd, 'readings.cellrun.yaml'), 'utf8')).dataset, {
    kind: 'parquet',
    path: 'readings.parquet',
    sequence: { group: 'recording', order: 'time' },
    features: ['a', 'b', 'c'],
    target: 'label',
    target_kind: 'class',
  });
  t.match(await callInProcess(['validate', 'readings.cellrun.yaml'], { ...work.place, cwd }), { code: 0 });
  writeFileSync(join(cwd, 'indexed.parquet'), readFileSync(fixture('indexed.parquet')));
  const indexed = await init('--from', 'indexed.parquet');
  t.match(indexed.stdout, /^not used +__index_level_0__: it numbers the rows$/m, indexed.stderr);
  t.match(indexed.stdout, /^features +value$/m);
  writeFileSync(join(cwd, 'types.parquet'), readFileSync(fixture('types.parquet')));
  const typed = await init('--from', 'types.parquet', '--target', 'flag', '--force');
  t.match(typed.stdout + typed.stderr, /list: a list, map or struct|flag has invalid cells/);
});

t.test('without the package, or with another version, the error says what to install', async t => {
  const folder = work.folder();
  cpSync(join(packageRoot, 'dist/src/data'), join(folder, 'data'), { recursive: true });
  for (const name of ['host', 'util'])
    cpSync(join(packageRoot, 'dist/src', name), join(folder, name), { recursive: true });
  for (const name of ['fastest-levenshtein', 'tinyglobby', 'fdir', 'picomatch']) {
    const near = join('node_modules', name);
    cpSync(join(packageRoot, near), join(folder, near), { recursive: true });
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  const { ParquetFile } = await import(pathToFileURL(join(folder, 'data/formats/parquet.js')).href);
  const before = process.cwd();
  t.teardown(() => process.chdir(before));
  process.chdir(folder);
  const error: unknown = await ParquetFile.open(readFileSync(fixture('types.parquet')), 'x.parquet').catch(
    (e: unknown) => e,
  );
  t.match(error, {
    exitCode: 2,
    diagnostics: [
      { code: 'data/parquet-missing', message: /run: npm install hyparquet$/, file: 'x.parquet' },
    ],
  });
  const { devDependencies } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
  const message = new RegExp(`npm install hyparquet@${devDependencies.hyparquet}$`);
  const library = join('node_modules', 'hyparquet');
  const change: Record<string, (text: string) => string> = {
    'package.json': text => text.replace('./src/*.js', './lib/*.js'),
    'src/column.js': text => text.replaceAll('parquetHeader', 'pageHeader'),
    'src/thrift.js': text => text.replace('export function readVarInt', 'function readVarInt'),
    'src/constants.js': text => text.replaceAll('DATA_PAGE', 'PAGE'),
    'src/plan.js': () => '',
  };
  for (const [name, changed] of Object.entries(change)) {
    // modules that were loaded stay loaded
    const other = join(folder, name.replace(/\W/g, '-'));
    cpSync(join(packageRoot, library), join(other, library), { recursive: true });
    const text = readFileSync(join(packageRoot, library, name), 'utf8');
    t.not(changed(text), text, name);
    writeFileSync(join(other, library, name), changed(text));
    process.chdir(other);
    const refused: unknown = await ParquetFile.open(
      readFileSync(fixture('types.parquet')),
      'x.parquet',
    ).catch((e: unknown) => e);
    t.match(refused, { diagnostics: [{ code: 'data/parquet-version', message, file: 'x.parquet' }] }, name);
  }
});
