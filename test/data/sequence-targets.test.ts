/** Targets that are sequences of symbols: from JSON Lines, tables and arrays. */

import t from 'tap';
import {
  type Dataset,
  type DatasetConfig,
  openDataset,
  type SequenceTargets,
  type Split,
  summarize,
  symbolsOfTarget,
} from '../../src/data/index.js';
import { floats, integers, npz } from '../support/cli.js';
import { complaints, open } from '../support/data-files.js';
import { work } from '../support/work.js';

const lines = (name: string, records: readonly object[]) =>
  work.file(name, records.map(record => `${JSON.stringify(record)}\n`).join(''));

/** The targets of a split as the data write them. */
function targetsOf({ classLabels }: Dataset, { targets, count }: Split): (string | number)[][] {
  return Array.from({ length: count }, (_, index) =>
    Array.from(symbolsOfTarget(targets as SequenceTargets, index), k => classLabels?.[k] ?? k),
  );
}

const jsonl = (records: readonly object[], more: object = {}): DatasetConfig =>
  ({
    kind: 'jsonl',
    path: lines('train.jsonl', records),
    test_path: lines('test.jsonl', records),
    input: 'x',
    input_kind: 'text',
    level: 'character',
    target: 'y',
    target_kind: 'sequence',
    ...more,
  }) as DatasetConfig;

t.test('jsonl: texts by character or word, and lists; empty targets', async t => {
  for (const [level, ys, expected] of [
    ['character', ['ab\u{1f642}', '', ' a'], [['a', 'b', '\u{1f642}'], [], [' ', 'a']]],
    ['word', ['K AE1\tT', '', ' AE1 '], [['K', 'AE1', 'T'], [], ['AE1']]],
    [undefined, [['01', '1', 1], [], [true, '-100']], [['01', '1', '1'], [], ['true', '-100']]],
  ] as const) {
    const records = ys.map((y, i) => ({ x: 'word'.slice(i), y }));
    const data = await open(jsonl(records, level && { target_level: level }));
    t.same(targetsOf(data, data.train), expected);
    const symbols = new Set(expected.flat());
    t.same(data.classLabels, [...symbols].sort(), 'in sorted order, as written');
    const { targets } = data.train as { targets: SequenceTargets };
    t.same([targets.numClasses, targets.size], [symbols.size, Math.max(...expected.map(y => y.length))]);
    t.same([...targets.values].filter(k => k < 0).length, 3 * targets.size - expected.flat().length);
  }
});

t.test('one table of symbols and one longest target for all splits', async t => {
  const path = lines('a.jsonl', [
    { x: 'ab', y: 'b' },
    { x: 'b', y: null },
  ]);
  const test_path = lines('b.jsonl', [{ x: 'ba', y: 'cba' }]);
  const data = await open(jsonl([], { path, test_path, target_level: 'character' }));
  t.same(data.classLabels, ['a', 'b', 'c']);
  t.same([targetsOf(data, data.train), targetsOf(data, data.test)], [[['b']], [['c', 'b', 'a']]]);
  t.equal((data.train.targets as SequenceTargets).size, 3);
  t.equal(data.unlabelled, 1);
});

t.test('on the disk as in memory', async t => {
  const records = ['abc', 'ca', '', 'b'].map((y, i) => ({ x: 'abcd'.slice(i), y }));
  const [inMemory, onDisk] = await Promise.all(
    [1000, 0].map(memory => open(jsonl(records, { memory, target_level: 'character' }))),
  );
  t.same(targetsOf(onDisk, onDisk.train), targetsOf(inMemory, inMemory.train));
  const loaded = await onDisk.train.load?.(Uint32Array.of(2, 0));
  t.same(targetsOf(onDisk, loaded as Split), [[], ['a', 'b', 'c']]);
});

t.test('csv: one row for each example', async t => {
  const table = 'word,sound\nphew,F Y UW1\nnan,N AE1 N\nnone,\nan,nan\n';
  const path = work.file('words.csv', table);
  const data = await open({
    ...{ kind: 'csv', path, test_path: path, features: ['word'], input_kind: 'text', level: 'character' },
    ...{ target: 'sound', target_kind: 'sequence', target_level: 'word' },
  } as DatasetConfig);
  t.same(targetsOf(data, data.train), [['F', 'Y', 'UW1'], ['N', 'AE1', 'N'], ['nan']]);
  t.equal(data.unlabelled, 2, 'an empty cell is a missing target, in both files');
});

const N = 3;
const archive = (y: Parameters<typeof npz>[0][string], name = 'data.npz') =>
  work.file(name, npz({ x: floats([N, 4, 2], i => i), y, x_test: floats([N, 4, 2], i => i), y_test: y }));
const numpy = (path: string, more: object = { target_kind: 'sequence' }) =>
  ({ kind: 'npz', path, ...more }) as DatasetConfig;

t.test('npz: integers, -100 after the end', async t => {
  const path = archive(integers([N, 4], [5, 0, 0, -100, -100, -100, -100, -100, 1, 2, 3, 4]));
  const data = await open(numpy(path));
  t.same(targetsOf(data, data.train), [[5, 0, 0], [], [1, 2, 3, 4]]);
  t.match(data.train.targets, { kind: 'sequence', numClasses: 6, size: 4 });
  const perStep = await open(numpy(path, {}));
  t.match(perStep.train.targets, { kind: 'class', perStep: true }, 'without `target_kind` by their shape');
});

t.test('targets that are no sequences of symbols', async t => {
  const refused = (config: DatasetConfig) => complaints(5, () => openDataset(config, { seed: 0 }));
  t.match(await refused(jsonl([{ x: 'a', y: 3 }], { target_level: 'word' })), [
    /data\/jsonl-value.*"y".*a text, or a list without `target_level`/,
  ]);
  t.match(await refused(jsonl([{ x: 'a', y: 'b' }])), [/a list of symbols, or a text with `target_level`/]);
  t.match(await refused(jsonl([{ x: 'a', y: [['b']] }])), [/a list of strings, numbers or booleans/]);
  t.match(await refused(jsonl([{ x: 'a', y: '' }], { target_level: 'word' })), [/all targets are empty/]);
  t.match(await refused(numpy(archive(integers([N, 3], [1, -100, 2, 0, 0, -100, 0, -100, -100])))), [
    /data\/label-range.*y\[0, 1\] is not a symbol, but symbols follow it.*-100 after the end of the target/s,
    /y_test/,
  ]);
  t.match(await refused(numpy(archive(integers([N, 2], [0, -1, 0, 0, 0, 0])))), [/y\[0, 1\]/, /y_test/]);
  t.match(await refused(numpy(archive(integers([N], [0, 1, 0])))), [/integers \[3, S\]/]);
  t.match(await refused(numpy(archive(integers([N, 1], [-100, -100, -100])))), [/only empty targets/]);
});

t.test('data shows both lengths and both vocabularies', async t => {
  const records = ['abb', 'b', '', 'ba'].map((y, i) => ({ x: 'wxyz'.slice(i), y }));
  const data = await open(jsonl(records, { target_level: 'character' }));
  const { splits, examples } = summarize(data);
  t.match(splits.train, {
    lengths: { min: 1, max: 4, mean: 2.5 },
    targets: {
      kind: 'sequence',
      lengths: { min: 0, max: 3, mean: 1.5 },
      classes: [
        { label: 'a', count: 2 },
        { label: 'b', count: 4 },
      ],
    },
  });
  t.same(examples[0].target, ['a', 'b', 'b']);
});
