/** Validation sequences: set aside from the training part, or given by the data themselves. */

import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import t from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import type { Dataset, DatasetConfig, Split } from '../../src/data/index.js';
import { checkedData } from '../../src/library/validate.js';
import { checkSameData, type RunData } from '../../src/train/changes.js';
import { classes, complaints, idx, idxFolder, npy, open, sequence } from '../support/data-files.js';
import { config, crossEntropy } from '../support/prediction-cases.js';

const folder = t.testdir();

/** Sequences of one step whose feature is the number of their row; labels as given. */
function numbered(
  name: string,
  labels: readonly number[],
  more: Record<string, Uint8Array> = {},
): Extract<DatasetConfig, { kind: 'npz' }> {
  const path = join(folder, `${name}.npz`);
  const count = labels.length;
  writeFileSync(
    path,
    zipSync({ ...splitArrays('', labels), ...splitArrays('_test', [0, 1], count), ...more }),
  );
  return { kind: 'npz', path };
}

function splitArrays(suffix: string, labels: readonly number[], first = 0): Record<string, Uint8Array> {
  const count = labels.length;
  const rows = Float32Array.from(labels, (_, i) => first + i);
  return {
    [`x${suffix}.npy`]: npy('<f4', `(${count}, 1, 1)`, rows),
    [`y${suffix}.npy`]: npy('<i4', `(${count},)`, Int32Array.from(labels)),
  };
}

/** The rows that a split consists of. */
function rowsOf(data: Dataset, split: Split | undefined): number[] {
  if (split === undefined) return [];
  return Array.from({ length: split.count }, (_, i) => sequence(data, split, i)[0][0]);
}

const LABELS = Array.from({ length: 40 }, (_, i) => (i < 24 ? 0 : i < 36 ? 1 : 2));
const ALL = [...LABELS.keys()];

t.test('sequences are set aside from the training part', async t => {
  const config = numbered('forty', LABELS);
  const plain = await open(config);
  t.equal(plain.validation, undefined);
  for (const select of ['random', 'stratified', 'last'] as const) {
    for (const size of [{ fraction: 0.25 }, { count: 10 }]) {
      const data = await open({ ...config, validation: { ...size, select } }, 3);
      const [train, validation] = [rowsOf(data, data.train), rowsOf(data, data.validation)];
      t.equal(validation.length, 10, select);
      t.same(
        [...train, ...validation].sort((a, b) => a - b),
        ALL,
        'each sequence is in one split',
      );
      t.same(
        [train, validation].map(rows => rows.toSorted((a, b) => a - b)),
        [train, validation],
      );
      t.same(
        classes(data.train),
        train.map(row => LABELS[row]),
        'labels go with their sequences',
      );
      t.same(
        data.validation && classes(data.validation),
        validation.map(row => LABELS[row]),
      );
      t.same(rowsOf(data, data.test), [40, 41], 'the test split stays');
    }
  }
  const drawn = async (seed: number): Promise<number[]> => {
    const data = await open({ ...config, validation: { count: 10, select: 'random' } }, seed);
    return rowsOf(data, data.validation);
  };
  t.same(await drawn(3), await drawn(3), 'the seed decides');
  t.notSame(await drawn(3), await drawn(4));
  const last = await open({ ...config, validation: { count: 3, select: 'last' } });
  t.same(rowsOf(last, last.validation), [37, 38, 39]);
});

t.test('a stratified split has each class in proportion', async t => {
  const countsOf = (split: Split | undefined): number[] =>
    [0, 1, 2].map(label => (split ? classes(split).filter(one => one === label).length : 0));
  const config = numbered('strata', LABELS);
  const quarter = await open({ ...config, validation: { fraction: 0.25, select: 'stratified' } });
  // of 24, 12 and 4
  t.same(countsOf(quarter.validation), [6, 3, 1]);
  const seven = await open({ ...config, validation: { count: 7, select: 'stratified' } });
  // exactly 4.2, 2.1 and 0.7: the last has the largest remainder
  t.same(countsOf(seven.validation), [4, 2, 1]);
  const rare = numbered('rare', [0, 0, 0, 0, 0, 1]);
  const half = await open({ ...rare, validation: { fraction: 0.5, select: 'stratified' } });
  t.same(countsOf(half.train), [2, 1, 0], 'the only sequence of a class trains');
});

t.test('the limit counts what is left to train on', async t => {
  const config = numbered('limited', LABELS);
  const validation = { count: 10, select: 'random' } as const;
  const whole = await open({ ...config, validation });
  const limited = await open({ ...config, validation, limit: 5 });
  t.same(rowsOf(limited, limited.validation), rowsOf(whole, whole.validation));
  t.same(rowsOf(limited, limited.train), rowsOf(whole, whole.train).slice(0, 5));
});

t.test('beside a test split that is drawn, no sequence is in two splits', async t => {
  const path = join(folder, 'held-out.npz');
  writeFileSync(path, zipSync(splitArrays('', LABELS)));
  const plain = await open({ kind: 'npz', path, test_fraction: 0.2 }, 1);
  const data = await open(
    { kind: 'npz', path, test_fraction: 0.2, validation: { fraction: 0.25, select: 'random' } },
    1,
  );
  const parts = [data.train, data.validation, data.test].map(split => rowsOf(data, split));
  t.same(
    parts.map(({ length }) => length),
    [24, 8, 8],
  );
  t.same(
    parts.flat().sort((a, b) => a - b),
    ALL,
  );
  t.same(parts[2], rowsOf(plain, plain.test), 'the validation split does not move the test split');
});

t.test('data may have validation sequences of their own', async t => {
  const config = numbered('own', [0, 1, 0], splitArrays('_validation', [1, 3, 0, 2], 100));
  const left = await open({ ...config, validation_arrays: false });
  t.equal(left.validation, undefined);
  const data = await open({ ...config, validation_arrays: true });
  t.same(rowsOf(data, data.validation), [100, 101, 102, 103]);
  t.match([data.train.targets, data.validation?.targets], [{ numClasses: 4 }, { numClasses: 4 }]);
  t.match(data.labels, { trainClasses: 2, foreign: { name: 'y_validation[1]', value: '3' } });

  const images = idx(8, [1, 2, 3], Buffer.from([1, 2, 3, 4, 5, 6]));
  writeFileSync(join(folder, 'validation_images'), images);
  writeFileSync(join(folder, 'validation_labels'), idx(8, [1], Buffer.from([2])));
  const files = idxFolder(folder, {});
  const own = {
    validation_images: join(folder, 'validation_images'),
    validation_labels: join(folder, 'validation_labels'),
  };
  const shown = await open({ ...files, ...own });
  t.same(shown.validation && [...(shown.validation.image?.(0) ?? [])], [1, 2, 3, 4, 5, 6]);
  t.same(shown.validation && classes(shown.validation), [2]);
  const sources = ({ digests }: Dataset) =>
    digests.map(({ name, split }) => `${split}: ${name.slice(folder.length + 1)}`);
  t.same(
    sources(shown),
    ['train', 'validation', 'test'].flatMap(split =>
      ['images', 'labels'].map(array => `${split}: ${split}_${array}`),
    ),
  );

  const table = (name: string, rows: string): string => {
    writeFileSync(join(folder, name), `id,a,label\n${rows}\n`);
    return join(folder, name);
  };
  const csv = {
    kind: 'csv',
    path: table('train.csv', 'p,1,x\np,2,x\nq,3,y\nr,4,x'),
    validation_path: table('validation.csv', 's,5,y\ns,6,y\ns,7,y'),
    features: ['a'],
    target: 'label',
    target_kind: 'class',
    sequence: { group: 'id' },
  } as const;
  const tables = await open({ ...csv, test_fraction: 0.3 });
  t.same(tables.validation && sequence(tables, tables.validation, 0), [[5], [6], [7]]);
  t.equal(tables.sequenceLength, 3, 'its sequences count in the padding');
  t.same(sources(tables), ['train: train.csv', 'validation: validation.csv']);
  // runs of older versions list the files of splits in another order
  const older = { datasets: tables.digests.toReversed() } as unknown as RunData;
  t.doesNotThrow(() => checkSameData(tables, older));
  const parted = await open({ ...csv, test_path: table('test.csv', 't,8,x') });
  t.same(sources(parted), ['train: train.csv', 'validation: validation.csv', 'test: test.csv']);
});

t.test('what cannot be set aside is told', async t => {
  const config = numbered('wrong', LABELS);
  const values = join(folder, 'values.npz');
  const x = npy('<f4', '(4, 1, 1)', Float32Array.of(1, 2, 3, 4));
  writeFileSync(values, zipSync({ 'x.npy': x, 'y.npy': npy('<f4', '(4, 1)', Float32Array.of(1, 2, 3, 4)) }));
  const lone = numbered('lone', [1]);
  const own = numbered('both', [0, 1, 0], splitArrays('_validation', [1]));
  const half = numbered('half', [0, 1], { 'x_validation.npy': x });
  const cases: [string, number, DatasetConfig, RegExp][] = [
    [
      'all of it',
      2,
      { ...config, validation: { count: 40, select: 'random' } },
      /leaves no training sequences.*at most 39 of the 40.*got 40/,
    ],
    [
      'one sequence',
      2,
      { ...lone, validation: { fraction: 0.5, select: 'random' } },
      /validation needs at least two sequences.*got 1 sequence for training/,
    ],
    ['data of their own', 2, own, /has x_validation.*validation_arrays: true, or false/],
    ['no data of their own', 2, { ...config, validation_arrays: true }, /has no x_validation/],
    [
      'strata of values',
      2,
      { kind: 'npz', path: values, test_fraction: 0.3, validation: { count: 1, select: 'stratified' } },
      /needs one class per sequence.*got targets that are values/,
    ],
    ['half of a split', 5, half, /data\/npz-missing \| the file has no array y_validation/],
  ];
  for (const [name, code, wrong, message] of cases) {
    t.match((await complaints(code, () => open(wrong))).join('\n'), message, name);
  }
});

t.test('files and groups that two splits have in common', async t => {
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  let value = 0;
  const table = (name: string, ...groups: string[]): string =>
    write(
      name,
      `g,a,y\n${groups.map((group, i) => `${group},${value++ / 10},${i % 2 ? 'x' : 'y'}`).join('\n')}\n`,
    );
  const path = table('one.csv', 'rec1', 'rec2', 'rec3', 'rec4');
  const copy = write('copy.csv', readFileSync(path, 'utf8'));
  const other = table('other.csv', 'rec4', 'rec5', 'rec6', 'rec7');
  const apart = table('apart.csv', 'rec8', 'rec9');
  const judge = async (dataset: object): Promise<string[]> => {
    const all = config(dataset, crossEntropy, {}, { batch_size: 1 });
    const loaded = loadExperiment(write('overlap.json', JSON.stringify(all, null, 1)));
    const { warnings } = await checkedData(loaded);
    return warnings
      .filter(({ code }) => code.startsWith('data/'))
      .map(d => `${/"(\w+)"/.exec(d.source ?? '')?.[1]}: ${d.message.replaceAll(`${folder}/`, '')}`);
  };
  const csv = {
    kind: 'csv',
    features: ['a'],
    target: 'y',
    target_kind: 'class',
    sequence: { group: 'g' },
    path,
  };
  t.same(await judge({ ...csv, test_path: apart }), []);
  t.same(await judge({ ...csv, test_fraction: 0.25, validation: { count: 1, select: 'random' } }), []);
  t.same(await judge({ ...csv, test_path: copy }), [
    'test_path: a file of the test split is identical to one of the train split: copy.csv and one.csv',
  ]);
  t.match(await judge({ ...csv, validation_path: copy, test_fraction: 0.5 }), [
    'validation_path: a file of the validation split is identical to one of the train split: copy.csv and one.csv',
  ]);
  const shared = ['group: 1 group is in both the training and the validation split: "rec4"'];
  t.same(await judge({ ...csv, validation_path: other, test_path: apart }), shared);
  t.same(await judge({ ...csv, path: other, validation_path: apart, test_path: copy }), [
    'group: 1 group is in both the training and the test split: "rec4"',
  ]);
  const twice = (dataset: object) => complaints(2, () => judge({ ...csv, ...dataset }));
  t.match(await twice({ test_path: `${folder}/./one.csv` }), [
    /^config\/same-file \d+:\d+\+\d+ \| `test_path` is the same file as `path`/,
  ]);
  t.match(await twice({ validation_path: other, test_path: other }), [
    /`test_path` is the same file as `validation_path`/,
  ]);

  const labels = idx(8, [2], Buffer.from([0, 1]));
  const files = idxFolder(folder, { train_labels: labels, test_labels: labels });
  t.same(
    await judge(files),
    [
      'test_images: a file of the test split is identical to one of the train split: test_images and train_images',
    ],
    'equal labels are no sign of equal sequences',
  );
});

t.test('splits that share a file are refused, however the file is named', async t => {
  const root = t.testdir({
    'whole.txt': 'a b c d e f g h a b c d e f g h',
    train: {
      'a.csv': 'v,y\n1,0\n2,1\n3,0\n4,1\n5,0\n6,1\n',
      'b.csv': 'v,y\n7,1\n8,0\n9,1\n10,0\n11,1\n12,0\n',
    },
    lines: {
      'a.jsonl': '{"v":[1,2],"y":0}\n{"v":[3],"y":1}\n',
      'b.jsonl': '{"v":[4,5],"y":1}\n{"v":[6],"y":0}\n',
    },
    single: { 'x.npy': '', 'y.npy': '' },
    'test.csv': 'v,y\n20,0\n21,1\n',
    'test.jsonl': '{"v":[7,8],"y":0}\n{"v":[9],"y":1}\n',
  });
  const at = (name: string): string => join(root, name);
  const link = (name: string, target: string): string => {
    symlinkSync(at(target), at(name));
    return at(name);
  };
  const check = (dataset: Readonly<Record<string, unknown>>): Promise<string[]> => {
    const isText = dataset.kind === 'text';
    const model = isText ? { embedding: { size: 2 }, head: { from: 'every' } } : {};
    const all = config(dataset, crossEntropy, model, { batch_size: 1 });
    writeFileSync(at('shared.json'), JSON.stringify(all, null, 1));
    return complaints(2, () => checkedData(loadExperiment(at('shared.json'))));
  };
  const keyOf = (complaint: string): string | undefined => {
    const line = Number(/^config\/same-file (\d+):/.exec(complaint)?.[1]);
    return readFileSync(at('shared.json'), 'utf8').split('\n')[line - 1].trim();
  };

  const table = { features: ['v'], target: 'y', target_kind: 'class' };
  const kinds = {
    csv: { kind: 'csv', ...table },
    parquet: { kind: 'parquet', ...table },
    jsonl: { kind: 'jsonl', input: 'v', input_kind: 'number', target: 'y', target_kind: 'class' },
    text: { kind: 'text', level: 'character', sequence_length: 2 },
  };
  for (const [name, kind] of Object.entries(kinds)) {
    const [folder, ending] = name === 'jsonl' ? ['lines', 'jsonl'] : ['train', 'csv'];
    const b = at(`${folder}/b.${ending}`);
    const alias = link(`${name}-alias`, `${folder}/b.${ending}`);
    const other = { test_path: at(`test.${ending}`) };
    const path = at(folder);
    t.same(await check({ ...kind, path, ...other }), ['no error'], name);
    const shared = `\`test_path\` and \`path\` share a file: ${b}`;
    for (const [given, message] of [
      [{ path: `${path}/*`, test_path: `${path}/b*` }, shared],
      [{ path, test_path: b }, shared],
      [
        { path, test_path: alias },
        `\`test_path\` and \`path\` share a file: ${alias}, the same file as ${b}`,
      ],
      [{ path, validation_path: b, ...other }, shared.replace('test_path', 'validation_path')],
    ] as const) {
      const [complaint, ...more] = await check({ ...kind, ...given });
      t.same(more, [], message);
      t.match(complaint, `| ${message} | expected a separate file for each split`, name);
      const key = message.startsWith('`test') ? 'test_path' : 'validation_path';
      t.match(keyOf(complaint), `"${key}": `, 'it points to the later key');
    }
  }

  const array = at('array.npy');
  t.match(await check({ kind: 'npy', x: array, y: array, test_fraction: 0.5 }), [
    '| `y` is the same file as `x` | expected a separate file for each key',
  ]);
  t.match(await check({ kind: 'npy', x: array, y: at('y.npy'), x_test: array, y_test: at('z.npy') }), [
    '| `x_test` is the same file as `x` | expected a separate file for each split',
  ]);

  const files = idxFolder(root, {});
  const images = link('linked-images', 'train_images');
  t.match(await check({ ...files, test_images: images }), [
    `| \`test_images\` and \`train_images\` share a file: ${images}, the same file as ${at('train_images')}`,
  ]);
  const arrays = { x: at('single/x.npy'), y: at('single/y.npy'), y_test: at('test.csv') };
  const x_test = link('linked-x', 'single/x.npy');
  t.match(await check({ kind: 'npy', ...arrays, x_test }), [
    `| \`x_test\` and \`x\` share a file: ${x_test}, the same file as ${arrays.x}`,
  ]);
});
