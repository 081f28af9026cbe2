/** Test and validation sequences by groups, classes, times and given values. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { zipSync } from 'fflate';
import t from 'tap';
import {
  classFolds,
  drawStratified,
  drawStratifiedGroups,
  evenFolds,
  groupFolds,
  stratifiedFolds,
} from '../../src/data/core/drawing.js';
import type { HeldOutConfig } from '../../src/data/core/held-out.js';
import { type Divisible, testSelection } from '../../src/data/core/selection.js';
import type { Dataset, DatasetConfig, Split } from '../../src/data/index.js';
import { RandomStream } from '../../src/util/random.js';
import { packageRoot } from '../../src/util/root.js';
import { classes, complaints, npy, open } from '../support/data-files.js';
import { config, crossEntropy } from '../support/prediction-cases.js';
import { work } from '../support/work.js';

interface Expected {
  readonly stratified: readonly {
    readonly sizes: number[];
    readonly count: number;
    readonly held: number[];
  }[];
  readonly groups: readonly { readonly groups: number; readonly fraction: number; readonly held: number }[];
  readonly folds: readonly {
    readonly counts: number[][];
    readonly folds: number[];
    readonly splits: number;
  }[];
  readonly even: readonly (Folds & { readonly count: number })[];
  readonly of_classes: readonly (Folds & { readonly classes: number[] })[];
  readonly of_groups: readonly (Folds & { readonly sizes: number[] })[];
  readonly of_time: readonly {
    readonly count: number;
    readonly splits: number;
    readonly parts: [number[], number[]][];
  }[];
  readonly left_out: readonly { readonly groups: string[]; readonly folds: number[] }[];
}

interface Folds {
  readonly splits: number;
  readonly folds: number[];
}

const expected: Expected = JSON.parse(
  readFileSync(join(packageRoot, 'test/fixtures/splits/scikit-learn.json'), 'utf8'),
);
const stream = (seed = 0) => RandomStream.of(seed, 'test/splits');

/** Sequences with one class and one group each. */
const sequences = (labels: readonly number[] | undefined, groups: readonly string[]): Divisible => ({
  count: groups.length,
  classes: labels,
  targets: 'values',
  valueIn: (_, index) => groups[index],
  startOf: undefined,
});
const heldOf = (of: Divisible, test: HeldOutConfig, seed = 0) => {
  const division = testSelection({ test }, of, seed, 'a.csv');
  return division ? [[...division.held], [...division.rest]] : [[], []];
};

t.test('sizes are those of scikit-learn', t => {
  for (const { sizes, count, held } of expected.stratified) {
    const labels = sizes.flatMap((size, label) => new Array<number>(size).fill(label));
    const drawn = drawStratified(labels, count, stream());
    t.same(
      sizes.map((_, label) => drawn.reduce((sum, i) => sum + Number(labels[i] === label), 0)),
      held,
    );
  }
  for (const { groups, fraction, held } of expected.groups) {
    const names = Array.from({ length: 3 * groups }, (_, i) => `g${i % groups}`);
    const [test] = heldOf(sequences(undefined, names), { fraction, group: 'g' });
    t.equal(new Set(test.map(i => names[i])).size, held, `${fraction} of ${groups}`);
    t.equal(test.length, 3 * held, 'whole groups');
  }
  t.end();
});

t.test('folds are those of scikit-learn', t => {
  for (const { count, splits, folds } of expected.even) t.same(evenFolds(count, splits), folds);
  for (const { classes, splits, folds } of expected.of_classes) t.same(classFolds(classes, splits), folds);
  for (const { sizes, splits, folds } of expected.of_groups) t.same(groupFolds(sizes, splits), folds);
  for (const { count, splits, parts } of expected.of_time) {
    const of = sequences(undefined, new Array<string>(count).fill(''));
    for (const [i, [train, test]] of parts.entries())
      t.same(heldOf(of, { fold: i + 1, of: splits, select: 'last' }), [test, train]);
  }
  for (const { groups, folds } of expected.left_out)
    for (const number of new Set(folds)) {
      const [held] = heldOf(sequences(undefined, groups), { fold: number + 1, group: 'g' });
      t.same(
        held,
        [...folds.keys()].filter(i => folds[i] === number),
      );
    }
  t.end();
});

t.test('every sequence is in one fold, and whole groups are', t => {
  const cases = fc.record({
    labels: fc.array(fc.nat(2), { minLength: 12, maxLength: 60 }),
    groups: fc.integer({ min: 6, max: 9 }),
    of: fc.integer({ min: 2, max: 5 }),
    isGrouped: fc.boolean(),
    select: fc.constantFrom('random' as const, 'stratified' as const),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(cases, ({ labels, groups, of, isGrouped, select, seed }) => {
      const names = labels.map((_, i) => `g${i % groups}`);
      const data = sequences(labels, names);
      const group = isGrouped ? { group: 'g' } : {};
      const folds = Array.from({ length: of }, (_, i) =>
        heldOf(data, { fold: i + 1, of, select, ...group }, seed),
      );
      const held = folds.flatMap(([test]) => test);
      const areApart = folds.every(([test, rest]) => {
        const own = new Set(test.map(i => names[i]));
        return (
          test.length + rest.length === labels.length && !(isGrouped && rest.some(i => own.has(names[i])))
        );
      });
      return areApart && held.toSorted((a, b) => a - b).every((index, i) => index === i);
    }),
  );
  const two = sequences(undefined, ['a', 'b', 'b']);
  t.throws(() => heldOf(two, { fold: 1, of: 3, group: 'g' }), /fewer groups than folds/);
  t.throws(() => heldOf(two, { fold: 4, select: 'random' }), /fewer sequences than folds/);
  t.end();
});

t.test('folds of stratified groups are those of scikit-learn', t => {
  for (const { counts, folds, splits } of expected.folds)
    t.same(stratifiedFolds(counts, new Array<number>(splits).fill(1)), folds);
  // a fifth of the sequences of each class, as far as whole groups allow
  const counts = Array.from({ length: 50 }, (_, i) => [i % 4, 3 - (i % 3), 1]);
  const held = drawStratifiedGroups(counts, 0.2, stream());
  for (const c of [0, 1, 2]) {
    const all = counts.reduce((sum, own) => sum + own[c], 0);
    t.ok(Math.abs(held.reduce((sum, i) => sum + counts[i][c], 0) - all / 5) <= 2, `class ${c}`);
  }
  t.end();
});

t.test('any split is a division of whole groups that the seed decides', t => {
  const arbitrary = fc.record({
    items: fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 3 })), {
      minLength: 2,
      maxLength: 40,
    }),
    fraction: fc.double({ min: 0.01, max: 0.99, noNaN: true }),
    select: fc.constantFrom('random', 'stratified', 'last', undefined),
    isGrouped: fc.boolean(),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(arbitrary, ({ items, fraction, select, isGrouped, seed }) => {
      const names = items.map(([group]) => String(group));
      fc.pre(!isGrouped || new Set(names).size > 1);
      const of = sequences(
        items.map(([, label]) => label),
        names,
      );
      const test = { fraction, ...(select && { select }), ...(isGrouped && { group: 'g' }) } as const;
      const [held, rest] = heldOf(of, test, seed);
      const isDivision = [...held, ...rest].sort((a, b) => a - b).every((index, i) => index === i);
      const groups = new Set(held.map(i => names[i]));
      return (
        isDivision &&
        held.length + rest.length === items.length &&
        held.length > 0 &&
        rest.length > 0 &&
        (!isGrouped || rest.every(i => !groups.has(names[i]))) &&
        JSON.stringify(heldOf(of, test, seed)) === JSON.stringify([held, rest])
      );
    }),
  );
  t.end();
});

/** 24 recordings of two rows, of 6 people in two classes; those of later people are earlier. */
const ROWS = Array.from({ length: 48 }, (_, row) => {
  const recording = Math.floor(row / 2);
  const day = String(28 - recording).padStart(2, '0');
  const part = recording % 5 === 0 ? 'test' : recording % 5 === 1 ? 'dev' : 'train';
  return `r${recording},p${recording % 6},${part},2024-01-${day}T0${row % 2}:00,${row / 10},${recording % 3 ? 'x' : 'y'}`;
});
const table = (rows = ROWS) => work.file('people.csv', `rec,person,part,time,a,label\n${rows.join('\n')}\n`);
const CSV = {
  kind: 'csv',
  path: table(),
  features: ['a'],
  target: 'label',
  target_kind: 'class',
  sequence: { group: 'rec', order: 'time' },
} as const;
const RECORDS = {
  kind: 'jsonl',
  input: 'x',
  input_kind: 'number',
  target: 'y',
  target_kind: 'class',
} as const;
const ids = (split: Split | undefined) =>
  Array.from({ length: split?.count ?? 0 }, (_, i) => Number(split?.id?.(i).replace(/\D/g, '')));
const splitsOf = ({ train, validation, test }: Dataset) => [train, validation, test].map(ids);
const peopleOf = (recordings: readonly number[]) => new Set(recordings.map(recording => recording % 6));

t.test('people of a table are in one split', async t => {
  for (const select of ['random', 'stratified', 'last', undefined] as const) {
    const how = { fraction: 0.3, group: 'person', ...(select && { select }) };
    const [train, validation, test] = splitsOf(await open({ ...CSV, test: how, validation: how }));
    const people = [train, validation, test].map(peopleOf);
    t.same(
      people.flatMap(one => [...one]).sort(),
      [0, 1, 2, 3, 4, 5],
      `${select}: each person is in one split`,
    );
    t.same(
      [...train, ...validation, ...test].sort((a, b) => a - b),
      [...Array(24).keys()],
    );
  }
});

t.test('names that start again in each value of another column', async t => {
  // two clinics number their patients alike, and the visits of each patient
  const rows = Array.from({ length: 48 }, (_, row) => {
    const [clinic, patient, visit] = [
      row >= 24 ? 's' : 'n',
      Math.floor(row / 4) % 6,
      Math.floor(row / 2) % 2,
    ];
    return `${clinic},${patient},${visit},${row % 2},${row},${patient % 2}`;
  });
  const path = work.file('clinics.csv', `clinic,patient,visit,time,a,label\n${rows.join('\n')}\n`);
  const group = ['clinic', 'patient'];
  const sequence = { group: [...group, 'visit'], order: 'time' };
  const { train, test } = await open({ ...CSV, path, sequence, test: { fraction: 0.25, group } });
  const [trained, tested] = [train, test].map(({ count, id }) =>
    Array.from({ length: count }, (_, i) => id?.(i) ?? ''),
  );
  const all = ['n', 's'].flatMap(clinic =>
    [0, 1, 2, 3, 4, 5].flatMap(patient => [0, 1].map(visit => `${clinic}/${patient}/${visit}`)),
  );
  t.same([...trained, ...tested].sort(), all, 'two steps each');
  const patients = (ids: readonly string[]) => [...new Set(ids.map(id => id.slice(0, 3)))];
  t.equal(patients(tested).length, 3, 'a quarter of twelve patients');
  t.equal(tested.length, 6, 'with both visits of each');
  t.notOk(patients(tested).some(one => patients(trained).includes(one)));
  const held = await open({ ...CSV, path, sequence, test: { group, is: 's/3' } });
  t.same([held.test.id?.(0), held.test.id?.(1)], ['s/3/0', 's/3/1']);
});

t.test('the latest sequences by their first time, and the latest people', async t => {
  const latest = await open({ ...CSV, test: { count: 4, select: 'last' } });
  t.same(ids(latest.test), [0, 1, 2, 3], 'the file has them first');
  // of the recordings that are left, that of the first day of each person: 18 to 23
  const people = await open({ ...CSV, test: { count: 2, select: 'last', group: 'person' } });
  t.same([...peopleOf(ids(people.test))].sort(), [0, 1], 'their first recordings are latest');
  const untimed = await open({ ...CSV, sequence: { group: 'rec' }, test: { count: 4, select: 'last' } });
  t.same(ids(untimed.test), [20, 21, 22, 23], 'without dates, the last of the file');
});

t.test('given splits', async t => {
  const data = await open({
    ...CSV,
    test: { column: 'part', is: 'test' },
    validation: { column: 'part', is: 'dev' },
  });
  const [train, validation, test] = splitsOf(data);
  t.same(test, [0, 5, 10, 15, 20]);
  t.same(validation, [1, 6, 11, 16, 21]);
  t.equal(train.length, 14);
  const named = await open({ ...CSV, test: { group: 'person', is: ['p2', 'p4'] } });
  t.same(ids(named.test), [2, 4, 8, 10, 14, 16, 20, 22]);
});

t.test('one class per sequence is stratified unless told otherwise', async t => {
  const path = work.file(
    'rare.csv',
    `a,label\n${ROWS.map((_, i) => `${i},${i % 8 ? 'x' : 'y'}`).join('\n')}\n`,
  );
  const rows = { ...CSV, path, sequence: undefined };
  for (const test of [{ test_fraction: 0.5 }, { test: { fraction: 0.5 } }, { test: { count: 24 } }])
    for (const seed of [0, 1, 2]) {
      const { test: held } = await open({ ...rows, ...test }, seed);
      t.equal(classes(held).filter(label => label === 1).length, 3, 'half of the 6');
    }
  const values = await open({
    ...rows,
    target: 'a',
    target_kind: 'value',
    features: ['a'],
    test: { count: 24 },
  });
  t.equal(values.test.count, 24, 'values are drawn at random');
});

t.test('records and arrays have groups, too', async t => {
  const records = Array.from({ length: 12 }, (_, i) =>
    JSON.stringify({ x: [i], y: i % 2, who: i % 4, late: i > 8 }),
  );
  const jsonl = { ...RECORDS, path: work.file('who.jsonl', records.join('\n')) };
  const given = await open({
    ...jsonl,
    test: { group: 'who', is: 3 },
    validation: { column: 'late', is: true },
  });
  t.same(
    splitsOf(given).map(lines => lines.map(line => line - 1)),
    [
      [0, 1, 2, 4, 5, 6, 8],
      [9, 10],
      [3, 7, 11],
    ],
  );
  const names = ['ann', 'bob', 'cat'];
  const who = (count: number) => {
    const bytes = Buffer.alloc(12 * count);
    for (let i = 0; i < count; i++) bytes.write(names[i % 3], 12 * i, 'latin1');
    return npy('|S12', `(${count},)`, bytes);
  };
  const x = npy(
    '<f4',
    '(9, 1, 1)',
    Float32Array.from({ length: 9 }, (_, i) => i),
  );
  const y = npy(
    '<i4',
    '(9,)',
    Int32Array.from({ length: 9 }, (_, i) => i % 2),
  );
  const archive = work.file('who.npz', zipSync({ 'x.npy': x, 'y.npy': y, 'groups.npy': who(9) }));
  const test = { group: 'groups', is: 'bob' } as const;
  const placesOf = ({ test }: Dataset) => ids(test);
  t.same(placesOf(await open({ kind: 'npz', path: archive, test })), [1, 4, 7]);
  const files = { x: work.file('x.npy', x), y: work.file('y.npy', y), groups: work.file('who.npy', who(9)) };
  t.same(placesOf(await open({ kind: 'npy', ...files, test, memory: 0 })), [1, 4, 7]);
});

t.test('what cannot be divided is told at its key', async t => {
  const mixed = table([...ROWS, `r1,p5,dev,2024-02-01T00:00,1,x`]);
  const values = { ...CSV, target: 'a', target_kind: 'value', sequence: undefined } as const;
  const records = work.file('none.jsonl', '{"x":[1],"y":0}\n{"x":[2],"y":1}\n');
  const jsonl = { ...RECORDS, path: records };
  const cases: readonly (readonly [dataset: object, exit: number, message: RegExp])[] = [
    [{ ...CSV, test: { fraction: 0.2, group: 'persn' } }, 2, /missing-column.*no column "persn"/],
    [
      { ...CSV, path: mixed, test: { fraction: 0.2, group: 'person' } },
      5,
      /rows of group "r1" have different values.*expected p1, as in line 4.*got p5/,
    ],
    [
      {
        ...CSV,
        path: table([...ROWS, ...[1, 2, 3].map(i => `r${i},p5,dev,2024-02-0${i}T00:00,1,x`)]),
        test: { fraction: 0.2, group: 'person' },
      },
      5,
      /rows of group "r1" .* in one split \(as have those of 2 other sequences\)/,
    ],
    [
      { ...CSV, test: { column: 'part', is: 'tset' } },
      2,
      /no sequence .* has "tset" in "part".*one of "test", "dev"/,
    ],
    [{ ...CSV, test: { column: 'part', is: ['test', 'dev', 'train'] } }, 2, /none are left for training/],
    [
      { ...CSV, test: { count: 6, group: 'person' } },
      2,
      /leaves no training.*at most 5 of the 6 groups.*got 6/,
    ],
    [
      { ...CSV, test: { count: 2, group: 'person', select: 'stratified' } },
      2,
      /stratified split of groups needs a fraction.*got count: 2/,
    ],
    [{ ...values, test: { fraction: 0.2, select: 'stratified' } }, 2, /needs one class per sequence.*values/],
    [{ ...jsonl, test: { fraction: 0.5, group: 'who' } }, 2, /jsonl-missing-field.*no field "who"/],
  ];
  for (const [dataset, exit, message] of cases)
    t.match((await complaints(exit, () => open(dataset as DatasetConfig))).join(), message);
});

t.test('no group is in two splits, which is checked and stated', async t => {
  const test = { fraction: 0.3, select: 'random', group: 'person' };
  const dataset = { ...CSV, test, normalize: 'standard' };
  const judge = async (more: object, verb = 'validate') =>
    work.cellrun(verb, work.config(config({ ...dataset, ...more }, crossEntropy)));
  const grouped = await judge({ validation: { count: 1, group: 'person' } }, 'data');
  t.match(grouped.stdout, '\ngroups of person: 3 in train, 1 in validation, 2 in test; none in two splits\n');
  t.notMatch(grouped.stderr, 'shared-groups');
  const doubtful = await judge({ validation: { fraction: 0.3 } });
  t.equal(doubtful.code, 0);
  t.match(
    doubtful.stderr,
    /values of "person" are in both the training and the validation split: .*expected: `validation: \{ group: person \}`/s,
  );
  const own = work.file(
    'own.csv',
    `rec,person,part,time,a,label\nz1,p9,test,2024-02-01,1,x\nz2,p3,test,2024-02-01,2,y\n`,
  );
  const files = await judge({ test_path: own, test: { group: 'person' } });
  t.match(files, {
    code: 2,
    stderr: /\d+:\d+: 1 value of "person" is in both the training and the test split: "p3"/,
  });
  const apart = await judge({
    test_path: table(ROWS.slice(0, 1)),
    test: undefined,
    validation: { count: 1, group: 'person' },
  });
  t.match(apart, { code: 0, stderr: /1 value of "person" is in both the \w+ and the test split: "p0"/ });
});

t.test('a run on people is evaluated, predicted and resumed with its split', async t => {
  const dataset = {
    ...CSV,
    test: { fraction: 0.3, group: 'person' },
    validation: { count: 1, group: 'person' },
  };
  const { summary } = await work.train({
    ...config({ ...dataset, normalize: 'standard' }, crossEntropy),
    training: { num_epochs: 2, batch_size: 4 },
  });
  const { directory } = summary;
  const lines = (await work.cellrun('predict', directory, '--split', 'test')).stdout.trim().split('\n');
  const found = lines.map(line => JSON.parse(line));
  const data = await open(dataset);
  t.same(
    found.map(({ id }) => Number(id.slice(1))),
    ids(data.test),
  );
  const evaluated = JSON.parse((await work.cellrun('evaluate', directory, '--json')).stdout);
  t.equal(evaluated.metrics.test.accuracy, summary.metrics.test.accuracy);
  const resumed = await work.cellrun('resume', directory, '--set', 'training.num_epochs=3');
  t.equal(resumed.code, 0, resumed.stderr);
  const moved = await work.cellrun('resume', directory, '--set', 'dataset.test.group=rec');
  t.match(moved, { code: 2, stderr: /dataset\.test\.group/ });
});
