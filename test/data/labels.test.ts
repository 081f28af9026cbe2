/** Class labels: the same classes from csv, Parquet, JSON Lines and npz. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Dataset, DatasetConfig } from '../../src/data/index.js';
import { openDataset, summarize } from '../../src/data/index.js';
import { packageRoot } from '../../src/util/root.js';
import { floats, integers, npz } from '../support/cli.js';
import { classes, complaints } from '../support/data-files.js';
import { work } from '../support/work.js';

// the frame of labels.parquet, as its generator describes it
const ROWS = [...Array(12).keys()];
const IGNORED = -100;
const wanted = ROWS.map(n => (n % 5 === 4 ? IGNORED : n % 3));
const number = (n: number) => wanted[n];
const zeros = ['0', '00', '0.0', '-0'];
const ones = ['1', '01', '1.0', '1e0'];
const mixed = (n: number) =>
  n % 5 === 4 ? '-100.0' : n % 3 === 0 ? zeros[n % 5] : n % 3 === 1 ? ones[n % 5] : '2';
/** Of each column: what a cell of csv and a field of JSON Lines has. */
const COLUMNS: Record<string, { csv(n: number): string; json(n: number): unknown }> = {
  integers: { csv: n => String(number(n)), json: number },
  floats: { csv: n => number(n).toFixed(1), json: number },
  booleans: { csv: n => (n % 3 === 1 ? 'True' : 'False'), json: n => n % 3 === 1 },
  padded: {
    csv: n => (n % 5 === 4 ? ' -100 ' : ` 00${n % 3}`),
    json: n => (n % 5 === 4 ? ' -100 ' : ` 00${n % 3}`),
  },
  mixed: { csv: mixed, json: mixed },
};
const names = Object.keys(COLUMNS);

const csvPath = join(work.path, 'labels.csv');
writeFileSync(
  csvPath,
  [['x', ...names], ...ROWS.map(n => [n / 4, ...names.map(name => COLUMNS[name].csv(n))])]
    .map(row => `${row.join()}\n`)
    .join(''),
);
const jsonlPath = join(work.path, 'labels.jsonl');
writeFileSync(
  jsonlPath,
  ROWS.map(n => {
    const fields = names.map(name => [name, COLUMNS[name].json(n)]);
    return `${JSON.stringify({ x: [[n / 4]], ...Object.fromEntries(fields) })}\n`;
  }).join(''),
);
const parquetPath = join(packageRoot, 'test/fixtures/parquet/labels.parquet');

function table(path: string, target: string, more = {}): DatasetConfig {
  return { kind: 'csv', path, test_path: path, features: ['x'], target, target_kind: 'class', ...more };
}

function records(target: string, more = {}): DatasetConfig {
  const fields = { input: 'x', input_kind: 'number', target, target_kind: 'class' } as const;
  return { kind: 'jsonl', path: jsonlPath, test_path: jsonlPath, ...fields, ...more };
}

/** Features and classes, as bytes. */
function bytesOf({ train, sequenceLength }: Dataset): string {
  const row = new Float32Array(sequenceLength);
  const features = [...Array(train.count).keys()].flatMap(i => {
    train.read(i, row, 0, 1);
    return [...row];
  });
  return Buffer.concat([
    Buffer.from(Float32Array.from(features).buffer),
    Buffer.from(Int32Array.from(train.targets.values).buffer),
  ]).toString('hex');
}

t.test('one frame has the same classes in every kind', async t => {
  for (const name of names) {
    const kinds = { csv: table(csvPath, name), parquet: table(parquetPath, name), jsonl: records(name) };
    const opened = await Promise.all(Object.values(kinds).map(config => openDataset(config, { seed: 0 })));
    const labels = name === 'booleans' ? ROWS.map(n => Number(n % 3 === 1)) : wanted;
    const path = join(work.path, `${name}.npz`);
    const y = integers([ROWS.length], labels);
    writeFileSync(
      path,
      npz({
        x: floats(
          [ROWS.length, 1, 1],
          ROWS.map(n => n / 4),
        ),
        y: y,
        x_test: floats(
          [ROWS.length, 1, 1],
          ROWS.map(n => n / 4),
        ),
        y_test: y,
      }),
    );
    const array = await openDataset({ kind: 'npz', path }, { seed: 0 });
    const [csv, parquet, jsonl] = opened;
    t.same(classes(csv.train), labels, `${name}: csv`);
    t.equal(bytesOf(parquet), bytesOf(csv), `${name}: Parquet`);
    t.equal(bytesOf(jsonl), bytesOf(csv), `${name}: JSON Lines`);
    t.equal(bytesOf(array), bytesOf(csv), `${name}: npz`);
    const classNames = name === 'booleans' ? ['false', 'true'] : ['0', '1', '2'];
    for (const data of opened) t.same(data.classLabels, classNames, `${name}: names`);
  }
});

t.test('an ignored label is compared as a number, too', async t => {
  for (const config of [table(csvPath, 'floats'), table(parquetPath, 'floats'), records('floats')]) {
    const data = await openDataset(config, { seed: 0, ignoredLabel: 2 });
    t.same(data.classLabels, ['0', '1']);
    t.same(
      classes(data.train),
      wanted.map(label => (label === 2 ? IGNORED : label)),
    );
  }
});

t.test('spellings of one number are named', async t => {
  const data = await openDataset(table(csvPath, 'mixed'), { seed: 0 });
  t.same(summarize(data).label_spellings, [
    { label: '0', as: ['0', '-0', '00'] },
    { label: '1', as: ['01', '1.0', '1'] },
  ]);
  const plain = await openDataset(table(csvPath, 'floats'), { seed: 0 });
  t.equal(summarize(plain).label_spellings, undefined);
});

t.test('labels as texts are compared as they are written', async t => {
  for (const config of [
    table(csvPath, 'mixed', { labels_as_text: true }),
    records('mixed', { labels_as_text: true }),
  ]) {
    const data = await openDataset(config, { seed: 0 });
    t.same(data.classLabels, [...new Set(ROWS.map(mixed))].sort());
  }
});

t.test('numbers that float64 cannot tell apart are different classes', async t => {
  const path = join(work.path, 'long.csv');
  const long = [
    '9007199254740992',
    '9007199254740993.0',
    '009007199254740993',
    '1e16',
    '-0.50',
    '.00000001',
    '1.50e-7',
  ];
  writeFileSync(path, `x,y\n${long.map((label, i) => `${i},${label}\n`).join('')}`);
  const data = await openDataset(table(path, 'y'), { seed: 0 });
  t.same(data.classLabels, [
    '-0.5',
    '1e-8',
    '1.5e-7',
    '9007199254740992',
    '9007199254740993',
    '10000000000000000',
  ]);
});

t.test('rows of a group may spell their label differently', async t => {
  const path = join(work.path, 'groups.csv');
  writeFileSync(path, 'g,x,y\na,1,1\na,2,1.0\nb,3,2\nb,4,02\n');
  const sequence = { group: 'g' };
  t.same(classes((await openDataset(table(path, 'y', { sequence }), { seed: 0 })).train), [0, 1]);
  const texts = table(path, 'y', { sequence, labels_as_text: true });
  t.match(await complaints(5, () => openDataset(texts, { seed: 0 })), [
    /the rows of group "a" have different targets \(as have those of 1 other sequence\)/,
  ]);
});
