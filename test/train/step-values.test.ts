/**
 * Numbers and labels per step: training, metrics and predictions; steps without a target do not
 * count.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../src/util/root.js';
import { floats, integers, jsonLines, npz, readLog } from '../support/cli.js';
import { complaints, open } from '../support/data-files.js';
import { relativeError } from '../support/goldens.js';
import { train } from '../support/runs.js';
import { work } from '../support/work.js';

const folder = join(packageRoot, 'test/fixtures/steps');
const dataset = {
  kind: 'jsonl',
  path: join(folder, 'train.jsonl'),
  test_path: join(folder, 'test.jsonl'),
  input: 'x',
  input_kind: 'number',
  target: 'y',
  target_kind: 'value',
  per_step: true,
  id: 'name',
} as const;

const config = {
  dataset,
  model: {
    cell: 'gru',
    hidden_size: 5,
    head: { from: 'every' },
    init_from: join(folder, 'weights.safetensors'),
  },
  loss: { kind: 'binary_cross_entropy' },
  optimizer: { kind: 'adam', learning_rate: 0.05 },
  training: {
    num_epochs: 4,
    batch_size: 6,
    shuffle: false,
    log_every: 1,
    metrics: ['accuracy', 'auroc', 'average_precision'],
  },
};

t.test('labels per step: training matches PyTorch, metrics match scikit-learn', async t => {
  const golden = JSON.parse(readFileSync(join(folder, 'steps.json'), 'utf8'));
  const { summary } = await train(work, config);
  const losses = readLog(summary.directory).filter(({ event }) => event === 'train.step');
  t.equal(losses.length, golden.steps.length);
  losses.forEach(({ loss }, i) => {
    t.ok(relativeError([Number(loss)], [golden.steps[i]]) < 1e-4, `step ${i + 1}`);
  });
  for (const name of ['loss', 'accuracy', 'auroc', 'average_precision'] as const) {
    const value = summary.metrics.test?.[name] ?? Number.NaN;
    t.ok(relativeError([value], [golden.test[name]]) < 1e-4, `${name}: ${value}`);
  }
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const q = golden.share;
  const trivial = mean(golden.truth.map((y: number) => -Math.log(y === 1 ? q : 1 - q)));
  t.ok(
    relativeError([summary.baselines?.test.majority?.loss ?? 0], [trivial]) < 1e-5,
    'the prior is that of steps that count',
  );

  const { stdout, code } = await work.cellrun('predict', summary.directory, '--backend', 'webasm');
  t.equal(code, 0);
  const told = jsonLines(stdout);
  const records = jsonLines(readFileSync(dataset.test_path, 'utf8'));
  t.same(
    told.map(({ id, predicted }) => [id, predicted.length]),
    records.map(({ name, x }) => [name, x.length]),
  );
  told.forEach(({ target }, i) => {
    t.same(
      target,
      records[i].y.map((y: number | null) => [y]),
      'the truth of each step',
    );
  });
});

t.test('numbers per step are read from csv and npz, without padding', async t => {
  const path = work.file('steps.csv', 's,a,y\nu,1,10\nu,2,20\nv,3,30\nw,4,40\nw,5,50\nw,6,60');
  const base = {
    kind: 'csv',
    path,
    features: ['a'],
    target: 'y',
    target_kind: 'value',
    test_fraction: 0.3,
  } as const;
  const data = await open({ ...base, sequence: { group: 's', per_step: true } }, 1);
  for (const { targets, lengths, count, id } of [data.train, data.test]) {
    if (targets.kind !== 'value') throw new Error('values are read');
    t.equal(targets.perStep, true);
    t.equal(targets.values.length, count * data.sequenceLength);
    for (let i = 0; i < count; i++) {
      const row = [...targets.values.subarray(i * data.sequenceLength, (i + 1) * data.sequenceLength)];
      const want = { u: [10, 20], v: [30], w: [40, 50, 60] }[id!(i)] ?? [];
      t.same(row, [...want, Number.NaN, Number.NaN, Number.NaN].slice(0, data.sequenceLength));
      t.equal(lengths?.[i] ?? data.sequenceLength, want.length);
    }
  }

  const archive = (y: number[]) =>
    work.file(
      'steps.npz',
      npz({ x: floats([2, 2, 1], [1, 2, 3, 4]), y: floats([2, 2, 2], y), lengths: integers([2], [2, 1]) }),
    );
  const read = () =>
    open({
      kind: 'npz',
      path: archive([1, 2, Number.NaN, Number.NaN, 5, 6, 7, Number.NaN]),
      test_fraction: 0.5,
    });
  const { train: one, test: other } = await read();
  const rows = [one, other].map(({ targets }) => [...targets.values]);
  t.same(rows.map(String).sort(), ['1,2,NaN,NaN', '5,6,NaN,NaN']);
  t.match(
    await complaints(5, () =>
      open({ kind: 'npz', path: archive([1, 2, 3, Number.NaN, 5, 6, 7, 8]), test_fraction: 0.5 }),
    ),
    [/^data\/not-finite \| y\[0, 1, 1\] is not a finite float32 number/],
  );
});
