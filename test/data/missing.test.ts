/**
 * Missing values of features: what the model reads instead, against scikit-learn, and that
 * evaluation, predictions of files and of programs, and sessions read the same.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Dataset } from '../../src/data/index.js';
import { loadModel, type Prediction } from '../../src/index.js';
import { packageRoot } from '../../src/util/root.js';
import { Workplace } from '../support/cli.js';
import { closeTo, complaints, open, sequence } from '../support/data-files.js';
import { config, crossEntropy, linesOf, unlabelled } from '../support/prediction-cases.js';
import { train } from '../support/runs.js';

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

const work = new Workplace();
t.teardown(() => work.remove());

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
  const { summary } = await train(work, config(dataset, crossEntropy));
  const predict = ['predict', summary.directory, '--format', 'jsonl'];
  const ofSplit = await work.cellrun(...predict, '--split', 'test');
  const ofFile = await work.cellrun(...predict, '--input', TEST);
  t.equal(ofFile.code, 0, ofFile.stderr);
  t.same(unlabelled(linesOf(ofFile.stdout)), unlabelled(linesOf(ofSplit.stdout)));

  const model = await loadModel(summary.directory, { backend: 'webasm', threads: 1 });
  t.teardown(() => model.close());
  t.same(model.input, { kind: 'number', size: columns.length }, 'a step has the columns of the table');
  const given = rawSteps(TEST);
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
    const again = logits(await session.step(Object.fromEntries(columns.map((name, c) => [name, step[c]]))));
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

const SMALL = 'recording,second,a,b,label\nx,0,1,,up\nx,1,,,up\ny,0,2,3,down\ny,1,NA,-999,down\n';

t.test('what is refused', async t => {
  const path = work.file('small.csv', SMALL);
  const small = (more: object) => open(table({ path, test_path: path, features: ['a', 'b'], ...more }));
  t.match(await complaints(5, () => small({})), [/the cell is empty/, /the cell is empty/]);
  t.match(await complaints(5, () => small({ features: ['a'], missing: { markers: ['x'] } })), [/NA/]);
  t.match(await complaints(2, () => small({ missing: { markers: ['NA', -999, 3] } })), [
    /all values of b are missing in the training split/,
  ]);
  const zero = await small({ missing: { markers: ['NA', '-999.0', 3], fill: 'zero', indicator: true } });
  t.same(sequence(zero, zero.train, 1), [
    [2, 0, 0, 1],
    [0, 0, 1, 1],
  ]);
});
