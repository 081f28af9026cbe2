/**
 * Missing values of features: what the model reads instead, against scikit-learn, and that
 * evaluation, predictions of files and of programs, and sessions read the same.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { mediansOf, type Rows } from '../../src/data/core/statistics.js';
import type { Dataset } from '../../src/data/index.js';
import { loadModel, type Prediction } from '../../src/index.js';
import type { RunResult } from '../../src/train/recorder.js';
import { packageRoot } from '../../src/util/root.js';
import { floats, integers, npz } from '../support/cli.js';
import { closeTo, complaints, open, sequence } from '../support/data-files.js';
import { config, crossEntropy, linesOf, unlabelled } from '../support/prediction-cases.js';
import { resume, train as trained, trainUntil } from '../support/runs.js';
import { work } from '../support/work.js';

const FOLDER = join(packageRoot, 'test/fixtures/missing');
const [TRAIN, TEST] = ['train.csv', 'test.csv'].map(name => join(FOLDER, name));

type Fill = 'forward' | 'mean' | 'median' | 'zero' | number;

const {
  columns,
  cases,
}: {
  readonly columns: readonly string[];
  readonly cases: readonly {
    readonly fill: Fill;
    readonly normalize: 'none' | 'standard';
    /** By split and recording, `[T][F]`. */
    readonly features: Readonly<Record<'train' | 'test', Readonly<Record<string, readonly number[][]>>>>;
  }[];
} = JSON.parse(readFileSync(join(FOLDER, 'expected.json'), 'utf8'));

const table = (more: object = {}) => ({
  kind: 'csv' as const,
  path: TRAIN,
  test_path: TEST,
  features: columns,
  target: 'label',
  target_kind: 'class' as const,
  sequence: { group: 'recording', order: 'second' },
  ...more,
});

/** The real steps of each sequence, by its name. */
function stepsOf(data: Dataset, name: 'train' | 'test'): Record<string, number[][]> {
  const split = data[name];
  return Object.fromEntries(
    Array.from({ length: split.count }, (_, i) => [
      split.id?.(i),
      sequence(data, split, i).slice(0, split.lengths?.[i]),
    ]),
  );
}

for (const { fill, normalize, features } of cases) {
  t.test(`fill ${fill}, normalize ${normalize}: the features are those of scikit-learn`, async t => {
    const data = await open(table({ normalize, missing: { fill, indicator: true, elapsed: true } }));
    t.same(data.input, { kind: 'number', size: 8 });
    t.same(
      Array.from({ length: 8 }, (_, i) => data.columnNames?.features(i)),
      [...columns, 'pulse missing', 'oxygen missing', 'pulse elapsed', 'oxygen elapsed'],
    );
    for (const name of ['train', 'test'] as const) {
      const got = stepsOf(data, name);
      t.same(Object.keys(got).sort(), Object.keys(features[name]).sort());
      for (const [id, want] of Object.entries(features[name])) {
        const isClose = got[id].flat().every((value, i) => {
          const wanted = want.flat()[i];
          return closeTo(value, wanted, 1e-6 * (1 + Math.abs(wanted)));
        });
        t.ok(got[id].length === want.length && isClose, id);
      }
    }
  });
}

t.test('evaluation, predictions of files and of programs, and sessions agree to the bit', async t => {
  const missing = { fill: 'forward', indicator: true, elapsed: true };
  const features = ['pulse', { column: 'oxygen', missing: { fill: 'median' } }, 'weight', 'height'];
  const dataset = table({ normalize: 'standard', missing, features });
  const { summary } = await trained(work, config(dataset, crossEntropy));
  const predict = ['predict', summary.directory, '--format', 'jsonl'];
  const ofSplit = await work.cellrun(...predict, '--split', 'test');
  const ofFile = await work.cellrun(...predict, '--input', TEST);
  t.equal(ofFile.code, 0, ofFile.stderr);
  t.same(unlabelled(linesOf(ofFile.stdout)), unlabelled(linesOf(ofSplit.stdout)));

  const model = await loadModel(summary.directory, { backend: 'webasm', threads: 1 });
  t.teardown(() => model.close());
  const named = [...columns, 'second'];
  t.same(model.input, { kind: 'number', size: named.length }, 'a step has the columns of the table');
  const given = rawSteps(TEST).map(({ id, steps }) => ({ id, steps: steps.map((step, i) => [...step, i]) }));
  const want = new Map<string | undefined, number[]>();
  for await (const { id, predictions } of model.predictFile(TEST)) want.set(id, logits(predictions[0]));
  t.equal(want.size, given.length);
  for await (const { id, predictions } of model.predict(given))
    t.same(logits(predictions[0]), want.get(id), `${id}, given by a program`);
  // side by side: each session has last values of its own
  const sessions = given.map(({ id, steps }) => ({ id, steps, session: model.session() }));
  const last = new Map<string, number[]>();
  for (let step = 0; step < 8; step++)
    for (const { id, steps, session } of sessions)
      if (step < steps.length) last.set(id, logits(await session.step(steps[step])));
  for (const { id } of given) t.same(last.get(id), want.get(id), `${id}, step by step`);
  const [{ steps, id, session }] = sessions;
  session.reset();
  for (const [i, step] of steps.entries()) {
    const again = logits(await session.step(Object.fromEntries(named.map((name, c) => [name, step[c]]))));
    if (i === steps.length - 1) t.same(again, want.get(id), 'a session begins anew');
  }
});

function logits(prediction: Prediction | undefined): number[] {
  if (prediction?.kind !== 'class') throw new Error('a class is predicted');
  return [...prediction.logits];
}

/** The numbers of each recording, NaN for cells that are none. */
function rawSteps(file: string): { readonly id: string; readonly steps: number[][] }[] {
  const [, ...lines] = readFileSync(file, 'utf8').trimEnd().split('\n');
  const rows = lines.map(line => line.split(','));
  const order = rows.toSorted(([, a], [, b]) => Number(a) - Number(b));
  return [...new Set(rows.map(([id]) => id))].map(id => ({
    id,
    steps: order.filter(([of]) => of === id).map(row => row.slice(2, 6).map(Number.parseFloat)),
  }));
}

/** The recordings of a split as records of JSON Lines, with null for missing values. */
function records(file: string): string {
  const lines = rawSteps(file).map(({ id, steps }) =>
    JSON.stringify({ id, x: steps, y: Number(id.slice(-1)) % 2 }),
  );
  return `${lines.join('\n')}\n`;
}

/** The recordings of a split as arrays, padded with zeros. */
function arrays(file: string) {
  const given = rawSteps(file);
  const at = (i: number) => given[Math.floor(i / 32)].steps[Math.floor(i / 4) % 8]?.[i % 4] ?? 0;
  return {
    x: floats([given.length, 8, 4], at),
    y: integers([given.length], i => Number(given[i].id.slice(-1)) % 2),
    lengths: integers([given.length], i => given[i].steps.length),
  };
}

t.test('records and arrays, in memory and on disk, have the features of the table', async t => {
  const missing = { fill: 'forward', indicator: true, elapsed: true } as const;
  const csv = await open(table({ normalize: 'standard', missing }));
  const [train, test] = [arrays(TRAIN), arrays(TEST)];
  const numpy = npz({ ...train, x_test: test.x, y_test: test.y, lengths_test: test.lengths });
  const common = { normalize: 'standard', missing } as const;
  const formats = {
    jsonl: {
      kind: 'jsonl',
      path: work.file('train.jsonl', records(TRAIN)),
      test_path: work.file('test.jsonl', records(TEST)),
      input: 'x',
      input_kind: 'number',
      target: 'y',
      target_kind: 'class',
      ...common,
    },
    npz: { kind: 'npz', path: work.file('holes.npz', numpy), ...common },
  } as const;
  const all = (data: Dataset, name: 'train' | 'test') =>
    Array.from({ length: data[name].count }, (_, i) => sequence(data, data[name], i));
  for (const [name, format] of Object.entries(formats)) {
    for (const more of [{}, { memory: 0 }]) {
      const data = await open({ ...format, ...more });
      t.equal(data.train.load !== undefined, more.memory === 0);
      for (const split of ['train', 'test'] as const) t.same(all(data, split), all(csv, split), name);
      const loaded = await data.test.load?.(Uint32Array.of(2, 0));
      if (loaded)
        t.same(
          [0, 1].map(i => sequence(data, loaded, i)),
          [2, 0].map(i => all(data, 'test')[i]),
        );
    }
    const { missing: _, ...strict } = format;
    t.match(await complaints(5, () => open(strict)), [/finite|null/], 'an error without the key');

    const { summary } = await trained(work, config(format, crossEntropy));
    const predict = ['predict', summary.directory, '--format', 'jsonl'];
    const ofSplit = await work.cellrun(...predict, '--split', 'test');
    const input = name === 'npz' ? work.file('x.npz', npz({ x: test.x, lengths: test.lengths })) : format;
    const file = typeof input === 'string' ? input : 'test_path' in input ? input.test_path : '';
    const ofFile = await work.cellrun(...predict, '--input', file);
    t.equal(ofFile.code, 0, ofFile.stderr);
    t.same(unlabelled(linesOf(ofFile.stdout)), unlabelled(linesOf(ofSplit.stdout)));
  }
});

t.test('a missing target is not counted, and a sequence without one is left out', async t => {
  // by recording: a class in some rows, in none, in all
  const rows =
    'a,0,1,,5\na,1,2,up,6\nb,0,3,,7\nb,1,4,NaN,\nc,0,5,down,\nc,1,6,down,9\nd,0,7,-,1\nd,1,8,-,1\n';
  const path = work.file('targets.csv', `recording,second,x,y,v\n${rows}`);
  // the test split is the same file: both are counted
  const base = { path, test_path: path, features: ['x'] };
  const of = (more: object) => open(table({ ...base, ...more }));
  const every = { sequence: { group: 'recording', order: 'second', per_step: true } };
  const ids = ({ train }: Dataset) => Array.from({ length: train.count }, (_, i) => train.id?.(i));
  const targets = ({ train }: Dataset) => [...train.targets.values];

  const classes = await of({ target: 'y' });
  t.same([ids(classes), targets(classes), classes.unlabelled], [['a', 'c', 'd'], [2, 1, 0], 2 * 1]);
  t.same(classes.classLabels, ['-', 'down', 'up'], 'a word that the config does not list is a class');
  const other = await of({ target: 'y', missing: { markers: ['x'] } });
  t.same(other.classLabels, ['-', 'down', 'up'], 'nor do other markers change that');
  const listed = await of({ target: 'y', missing: { markers: ['-'] } });
  t.same([ids(listed), targets(listed), listed.unlabelled], [['a', 'c'], [1, 0], 2 * 2]);
  const steps = await of({ target: 'y', ...every });
  t.same(
    [ids(steps), targets(steps)],
    [
      ['a', 'c', 'd'],
      [-100, 2, 1, 1, 0, 0],
    ],
  );
  const values = await of({ target: 'v', target_kind: 'value', ...every });
  t.same(targets(values), [5, 6, 7, Number.NaN, Number.NaN, 9, 1, 1]);
  const both = await of({ target: ['v', 'x'], features: ['second'], target_kind: 'value', ...every });
  const nan = Number.NaN;
  t.same(targets(both), [5, 1, 6, 2, 7, 3, nan, nan, nan, nan, 9, 6, 1, 7, 1, 8], 'all values or none');

  const lines = (per: boolean) =>
    [
      [1, 0],
      [null, null],
      [null, 1],
    ]
      .map((y, i) => JSON.stringify({ id: `r${i}`, x: [i, i + 1], y: per ? y : y[0] }))
      .join('\n');
  for (const per_step of [true, false]) {
    for (const target_kind of ['class', 'value'] as const) {
      for (const memory of [0, 100]) {
        const jsonl = work.file('targets.jsonl', lines(per_step));
        const data = await open({
          ...{ kind: 'jsonl', path: jsonl, test_path: jsonl, id: 'id', memory },
          ...{ input: 'x', input_kind: 'number', target: 'y', target_kind, per_step },
        });
        const none = target_kind === 'class' ? -100 : Number.NaN;
        t.same(ids(data), per_step ? ['r0', 'r2'] : ['r0']);
        t.same(targets(data), per_step ? [1, 0, none, 1] : target_kind === 'class' ? [0] : [1]);
        t.equal(data.unlabelled, 2 * (per_step ? 1 : 2));
      }
    }
  }
  const empty = work.file('empty.csv', 'recording,second,x,y\na,0,1,\n');
  const refused = await complaints(5, () => of({ path: empty, test_path: empty, target: 'y' }));
  t.match(refused, ['data/no-targets | no sequence has a target']);
});

t.test('a sequence without steps is in no split, and predictions refuse it', async t => {
  const texts = ['a b', '', 'b', 'a b b', ' ', 'b a', 'b b'];
  const labelled = texts.map((text, i) => ({ text, label: i % 2 }));
  const jsonl = [...labelled, { text: null, label: 1 }].map(one => JSON.stringify(one)).join('\n');
  const lists = [[[1], [2]], [], [[3]], null]
    .map((x, label) => JSON.stringify({ text: x, label }))
    .join('\n');
  const csv = `text,label\n${labelled.map(({ text, label }) => `${text},${label}`).join('\n')}\n`;
  const target = { target: 'label', target_kind: 'class' } as const;
  const words = { input_kind: 'text', level: 'word', ...target } as const;
  for (const [format, content, dataset, lines, empty] of [
    ['csv', csv, { kind: 'csv', features: ['text'], ...words }, [2, 4, 5, 7, 8], 2],
    ['jsonl', jsonl, { kind: 'jsonl', input: 'text', memory: 0, ...words }, [1, 3, 4, 6, 7], 3],
    ['jsonl', jsonl, { kind: 'jsonl', input: 'text', ...words }, [1, 3, 4, 6, 7], 3],
    ['jsonl', lists, { kind: 'jsonl', input: 'text', input_kind: 'number', ...target }, [1, 3], 2],
  ] as const) {
    const [path, test_path] = ['train', 'test'].map(name => work.file(`${name}.${format}`, content));
    const data = await open({ ...dataset, path, test_path });
    const named = Array.from({ length: data.train.count }, (_, i) =>
      Number(/\d+$/.exec(data.train.id?.(i) ?? '')),
    );
    t.same([named, data.empty], [lines, 2 * empty]);
    if (dataset.input_kind === 'number') continue;
    const model = { embedding: { size: 3 } };
    const { summary } = await trained(work, config({ ...dataset, path, test_path }, crossEntropy, model));
    const evaluated = await work.cellrun('evaluate', summary.directory, '--input', test_path, '--json');
    t.same(JSON.parse(evaluated.stdout).metrics.input, summary.metrics.test, format);
    const predicted = await work.cellrun('predict', summary.directory, '--input', test_path);
    t.match(predicted, { code: 5, stderr: /is empty/ });
  }
});

t.test('data shows where values are missing', async t => {
  const dataset = table({ missing: { fill: 'mean' } });
  const { stdout } = await work.cellrun('data', work.config(config(dataset, crossEntropy)), '--json');
  const { missing, examples } = JSON.parse(stdout);
  const holes = (file: string, column: number) =>
    rawSteps(file).flatMap(({ steps }) => steps.filter(step => Number.isNaN(step[column]))).length;
  t.same(
    missing,
    columns
      .slice(0, 3)
      .map((name, c) => ({ name, counts: { train: holes(TRAIN, c), test: holes(TEST, c) } })),
  );
  const [{ id, steps }] = rawSteps(TRAIN);
  t.equal(examples[0].id, id);
  const pulse = steps.map(([value]) => (Number.isNaN(value) ? null : Math.fround(value)));
  t.same(examples[0].values[0].values, pulse, 'gaps, not what fills them');
});

t.test('a resumed run ends with the same weights, filled as it began', async t => {
  const missing = { fill: 'median', indicator: true, elapsed: true };
  const of = config(table({ normalize: 'standard', missing }), crossEntropy, {}, { num_epochs: 4 });
  const weights = ({ summary }: RunResult) =>
    readFileSync(join(summary.directory, summary.checkpoints.last ?? ''), 'latin1');
  const whole = await trained(work, of);
  const { summary } = await trainUntil(work, of, 3);
  const resumed = await resume(summary.directory, { threads: 2 });
  t.ok(resumed.summary.steps > 3);
  t.equal(weights(resumed) === weights(whole), true);
});

t.test('a missing value in a column without a fill skips its sequence alone', async t => {
  // no weight is missing in the training split
  const features = ['weight', { column: 'pulse', missing: { fill: 'zero' } }];
  const dataset = table({ features, test_path: undefined, test_fraction: 0.3 });
  const { summary } = await trained(work, config(dataset, crossEntropy));
  const input = work.file(
    'new.csv',
    'recording,second,weight,pulse\np,0,60,\nq,0,-,70\nq,1,61,70\nr,0,62,NA\n',
  );
  const { code, stdout, stderr } = await work.cellrun(
    ...['predict', summary.directory, '--input', input, '--on-error', 'skip'],
  );
  t.equal(code, 0);
  t.match(stderr, 'new.csv:3:5: warning: the value is missing');
  t.same(
    linesOf(stdout).map(({ id }) => id),
    ['p', 'r'],
  );
});

t.test('medians are those of the sorted values', t => {
  const float = fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(0, -0, 1, -1));
  const rows = fc.array(fc.tuple(float, fc.option(float, { nil: Number.NaN })), { minLength: 1 });
  fc.assert(
    fc.property(rows, all => {
      const columns = [0, 1].filter(c => all.some(row => !Number.isNaN(row[c])));
      const values = columns.map(c => all.map(row => row[c]).filter(value => !Number.isNaN(value)));
      const visitAll: Rows = visit => all.forEach(row => visit(Float32Array.from(row), 0));
      const got = mediansOf(visitAll, columns, 2);
      const want = values.map(list => {
        const sorted = list.toSorted((a, b) => a - b);
        return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
      });
      return got.every((value, i) => value === want[i]);
    }),
  );
  t.end();
});

const SMALL = 'recording,second,a,b,label\nx,0,1,,up\nx,1,,,up\ny,0,2,3,down\ny,1,NA,-999,down\n';

t.test('what is refused', async t => {
  const path = work.file('small.csv', SMALL);
  const small = (more: object) => open(table({ path, test_path: path, features: ['a', 'b'], ...more }));
  t.match(await complaints(5, () => small({})), [
    /4 cells in 2 columns/,
    /the cell is empty/,
    /the cell is empty/,
  ]);
  const none = work.file('none.csv', SMALL.replace(',2,3,', ',2,,').replace('-999', ''));
  t.match(await complaints(5, () => small({ path: none })), [
    /2 cells of column "a" are missing/,
    /3:5\+1 \| the cell is empty/,
    / 2:7\+1 \| the column has no value in any row \| expected a column with values/,
  ]);
  const added = await small({ features: ['a'], missing: { markers: ['x'], fill: 'zero' } });
  t.same(sequence(added, added.train, 1), [[2], [0]], 'markers are added to the usual ones');
  t.match(await complaints(2, () => small({ missing: { markers: ['NA', -999, 3] } })), [
    /all values of b are missing in the training split/,
  ]);
  const many = Array.from(
    { length: 200 },
    (_, i) => `x,${i},${i % 2 ? '' : 1},${i % 4 ? 'NA' : 1},${i < 77 ? '-' : 1},up`,
  );
  const file = work.file('many.csv', ['recording,second,a,b,c,label', ...many].join('\n'));
  t.match(await complaints(5, () => small({ path: file, features: ['a', 'b', 'c'] })), [
    /327 cells in 3 columns are missing; the first of each: \| expected a value .*dataset.missing/,
    / 2:9\+1 \| the value is missing/,
    / 3:5\+1 \| the cell is empty/,
    / 3:6\+2 \| the value is missing .* got "NA"/,
  ]);
  t.match(await complaints(5, () => small({ path: file, features: ['a'] })), [
    /100 cells of column "a" are missing; the first:/,
    / 3:5\+1 /,
  ]);
  const zero = await small({ missing: { markers: ['NA', '-999.0', 3], fill: 'zero', indicator: true } });
  t.same(sequence(zero, zero.train, 1), [
    [2, 0, 0, 1],
    [0, 0, 1, 1],
  ]);
});
