/** Losses and metrics through the command line, from config to results. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { RandomStream } from '../../src/util/random.js';
import { floats, integers, jsonLines, npz, type TrainedRun } from '../support/cli.js';
import { work } from '../support/work.js';

const N = 24;
const random = RandomStream.of(3, 'test/loss-configs');
const numbers = (length: number) => Array.from({ length }, () => random.uniform() - 0.5);
const x = floats([N, 3, 2], numbers(6 * N));
const labels = Array.from({ length: N }, (_, i) => (i % 5 === 0 ? -100 : i % 3));

/** A dataset with the same sequences in both splits. */
function data(y: Parameters<typeof npz>[0][string]): string {
  return work.file('data.npz', npz({ x, y, x_test: x, y_test: y }));
}

const config = (path: string, loss: object, training: object = {}) => ({
  dataset: { kind: 'npz', path },
  model: { cell: 'gru', hidden_size: 3, head: { from: 'last' } },
  loss,
  optimizer: { kind: 'adam', learning_rate: 0.1 },
  training: { num_epochs: 2, batch_size: 8, ...training },
});

const train = (path: string, loss: object, training?: object) =>
  work.train(config(path, loss, training), '--backend', 'webasm');

const weights = (run: TrainedRun) =>
  [...run.checkpoint().tensors].map(([name, { data }]) => [name, [...(data as Float32Array)]]);
const parsed = (run: TrainedRun, file: string) => JSON.parse(readFileSync(join(run.directory, file), 'utf8'));

t.test('loss.ignored_index is ignored like -100', async t => {
  const usual = await train(data(integers([N], labels)), { kind: 'cross_entropy' });
  t.equal(usual.code, 0, usual.finished.stderr);
  for (const ignored of [-1, 7, 0]) {
    const own = labels.map(label => (label === -100 ? ignored : ignored === 0 ? label + 1 : label));
    const path = data(integers([N], own));
    const loss = { kind: 'cross_entropy', ignored_index: ignored };
    const run = await train(path, loss);
    t.equal(run.code, 0, run.finished.stderr);
    t.notMatch(run.finished.stderr, /label/);
    if (ignored === 0) continue; // one class more
    t.same(weights(run), weights(usual), `${ignored}: the same weights`);
    t.same(run.summary.metrics, usual.summary.metrics);
    t.same(parsed(run, 'evaluation.json'), parsed(usual, 'evaluation.json'));
  }
  const unknown = await train(
    data(
      integers(
        [N],
        labels.map(label => (label === 1 ? -1 : label)),
      ),
    ),
    {
      kind: 'cross_entropy',
    },
  );
  t.match(unknown.finished.stderr, /y\[1\] is not a class label/);
});

t.test('balanced weights are those of the training labels', async t => {
  const path = data(integers([N], labels));
  const counts = [0, 1, 2].map(k => labels.filter(label => label === k).length);
  const total = counts.reduce((a, b) => a + b);
  const explicit = counts.map(count => total / (3 * count));
  const balanced = await train(path, { kind: 'cross_entropy', class_weights: 'balanced' });
  t.equal(balanced.code, 0, balanced.finished.stderr);
  t.same(weights(balanced), weights(await train(path, { kind: 'cross_entropy', class_weights: explicit })));
  t.notSame(weights(balanced), weights(await train(path, { kind: 'cross_entropy' })));
  const few = await train(path, { kind: 'cross_entropy', class_weights: [1, 2] });
  t.equal(few.code, 2);
  t.match(few.finished.stderr, /2 weights for 3 classes\n[\s\S]*expected: 3 positive numbers/);
  const validated = await work.cellrun(
    'validate',
    work.config(config(path, { kind: 'cross_entropy', class_weights: [1, 2] })),
  );
  t.equal(validated.code, 2, 'validate says so too');
});

t.test('multi-label targets', async t => {
  const y = numbers(2 * N).map(value => (value > 0 ? 1 : 0));
  const loss = { kind: 'binary_cross_entropy', positive_weights: [1, 3] };
  const run = await train(data(floats([N, 2], y)), loss, { metrics: ['auroc', 'accuracy'] });
  t.equal(run.code, 0, run.finished.stderr);
  t.same(Object.keys(run.summary.metrics.test), ['loss', 'auroc', 'accuracy']);
  t.same(Object.keys(run.summary.metrics.train), ['loss', 'accuracy']);
  const predicted = await work.cellrun('predict', run.directory);
  const lines = jsonLines(predicted.stdout);
  t.ok(
    lines.every(({ predicted: p }) => p.length === 2 && p.every((one: number) => one > 0 && one < 1)),
    'probabilities are predicted',
  );
  t.same(
    lines.flatMap(({ target }) => target),
    y,
  );
  const right = lines.flatMap(({ predicted: p }) => p).filter((p, i) => p >= 0.5 === (y[i] === 1)).length;
  t.equal(run.summary.metrics.test.accuracy, right / y.length);
  const outside = await train(
    data(
      floats(
        [N, 2],
        y.map((one, i) => (i === 7 ? 1.5 : one)),
      ),
    ),
    loss,
  );
  t.equal(outside.code, 2);
  t.match(
    outside.finished.stderr,
    /needs targets from 0 to 1, but a target of training sequence ".*\[3\]" is 1.5/,
  );
  const rows = ['a,1,0', 'a,2,1', 'b,1,0', 'b,2,0', 'b,3,2', 'c,1,1'].map(row => `${row}\n`).join('');
  const steps = {
    ...{ kind: 'csv', path: work.file('steps.csv', `id,x,y\n${rows}`), features: ['x'], test_fraction: 0.3 },
    ...{ target: 'y', target_kind: 'value', sequence: { group: 'id', per_step: true } },
  };
  const head = { from: 'every' };
  const file = work.config({
    ...config('', { kind: 'binary_cross_entropy' }),
    dataset: steps,
    model: { cell: 'gru', hidden_size: 2, head },
  });
  t.match(await work.cellrun('validate', file), {
    code: 2,
    stderr: /a target of \w+ sequence "b" is 2\n/,
  });
});

t.test('quantiles: one output each, in the units of the data; the median is the prediction', async t => {
  const scales = [100, 0.1];
  const y = numbers(2 * N).map((value, i) => scales[i % 2] * (value + 3));
  const quantiles = [0.7, 0.5, 0.2];
  const measured = { metrics: ['mean_absolute_error'] };
  const base = config(data(floats([N, 2], y)), { kind: 'quantile', quantiles }, measured);
  const run = await work.train(
    { ...base, dataset: { ...base.dataset, normalize: 'standard' } },
    '--backend',
    'webasm',
  );
  t.equal(run.code, 0, run.finished.stderr);
  t.same(run.checkpoint().tensors.get('fc.bias')?.shape, [6]);
  const { stdout } = await work.cellrun('predict', run.directory);
  const lines = jsonLines(stdout);
  for (const line of lines) {
    t.same(Object.keys(line), ['index', 'id', 'predicted', 'quantiles', 'target']);
    t.same(Object.keys(line.quantiles), ['0.7', '0.5', '0.2']);
    t.same(line.predicted, line.quantiles['0.5']);
  }
  const errors = lines.flatMap(({ predicted, target }) =>
    [0, 1].map(i => Math.abs(predicted[i] - target[i])),
  );
  const meanError = errors.reduce((sum, one) => sum + one, 0) / errors.length;
  const { loss: expected, mean_absolute_error } = run.summary.metrics.test;
  t.ok(Math.abs(mean_absolute_error - meanError) < 1e-5 * meanError);
  // by definition, the loss is the pinball loss of scaled targets
  const deviations = [0, 1].map(column => {
    const values = lines.map(({ target }) => target[column]);
    const mean = values.reduce((sum, value) => sum + value, 0) / N;
    return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / N);
  });
  const losses = lines.flatMap(({ quantiles: predicted, target }) =>
    quantiles.flatMap(q =>
      deviations.map((deviation, column) => {
        const above = (target[column] - predicted[q][column]) / deviation;
        return Math.max(q * above, (q - 1) * above);
      }),
    ),
  );
  const loss = losses.reduce((sum, one) => sum + one, 0) / losses.length;
  t.ok(Math.abs(loss - expected) < 1e-5 * expected, `${loss} ${expected}`);

  const csv = await work.cellrun('predict', run.directory, '--format', 'csv', '--limit', '1');
  const [header, first] = csv.stdout.trim().split('\n');
  t.equal(
    header,
    'index,id,predicted_0,predicted_1,quantile_0.7_0,quantile_0.7_1,quantile_0.5_0,quantile_0.5_1,' +
      'quantile_0.2_0,quantile_0.2_1,target_0,target_1',
  );
  const { predicted, quantiles: told, target } = lines[0];
  t.equal(first, [0, 'x_test[0]', predicted, told['0.7'], told['0.5'], told['0.2'], target].flat().join());
});

t.test('metrics of training.metrics, gates and checkpoints are measured', async t => {
  const path = data(integers([N], labels));
  const asked = {
    ...config(path, { kind: 'cross_entropy' }, { metrics: ['top_3_accuracy'] }),
    checkpoint: { metric: 'test.auroc' },
    gates: [
      { metric: 'test.recall', min: 0 },
      { metric: 'train.accuracy', min: 0 },
    ],
  };
  const run = await work.train(asked, '--backend', 'webasm');
  t.equal(run.code, 0, run.finished.stderr);
  t.same(Object.keys(run.summary.metrics.test), ['loss', 'top_3_accuracy', 'accuracy', 'recall', 'auroc']);
  t.same(
    run.summary.gates.map(({ verdict }) => verdict),
    ['passed', 'passed'],
  );
  t.equal(run.summary.best?.metric, 'test.auroc');
  const wrong = await train(path, { kind: 'cross_entropy' }, { metrics: ['rmse'] });
  t.equal(wrong.code, 2);
  t.match(wrong.finished.stderr, /rmse is not measured with loss cross_entropy\n[\s\S]*expected: accuracy/);
});
