/**
 * Metrics of the training split: over an epoch's batches before their updates, and across a resume.
 */
import t from 'tap';
import type { BatchOrder } from '../../src/data/index.js';
import { type EpochReport, type EpochTotals, TrainingState, trainingLoop } from '../../src/train/loop.js';
import type { StepResult, Trainer } from '../../src/train/trainer.js';
import { RandomStream } from '../../src/util/random.js';
import { floats, integers, npz } from '../support/cli.js';
import { work } from '../support/work.js';

const [N, T] = [30, 4];
const random = RandomStream.of(5, 'test/training-metrics');
const numbers = (length: number) => Float32Array.from({ length }, () => random.uniform() - 0.5);

function dataOf(y: Parameters<typeof npz>[0][string], more: Parameters<typeof npz>[0] = {}): string {
  const x = floats([N, T, 2], numbers(N * T * 2));
  const all = { x, y, ...more };
  const test = Object.entries(all).map(([name, content]) => [`${name}_test`, content]);
  return work.file('data.npz', npz({ ...all, ...Object.fromEntries(test) }));
}

const label = () => (random.uniform() < 0.2 ? -100 : random.integer(6));

/**
 * Weights that no step changes, so that an epoch has the metrics of an evaluation of the training
 * split.
 */
const config = (path: string, loss: object, from = 'last') => ({
  dataset: { kind: 'npz', path },
  model: { cell: 'gru', hidden_size: 3, head: { from } },
  loss,
  optimizer: { kind: 'sgd', learning_rate: 1e-30 },
  training: {
    num_epochs: 1,
    batch_size: 8,
    metrics: loss === CLASSES ? ['top_3_accuracy', 'f1', 'accuracy'] : ['r2', 'mean_absolute_error'],
  },
});
const CLASSES = { kind: 'cross_entropy' };

for (const [what, path, loss, from] of [
  ['classes', dataOf(integers([N], Array.from({ length: N }, label))), CLASSES, 'last'],
  [
    'classes of steps, to different lengths',
    dataOf(integers([N, T], Array.from({ length: N * T }, label)), {
      lengths: integers([N], i => 1 + (i % T)),
    }),
    CLASSES,
    'every',
  ],
  ['values', dataOf(floats([N, 2], numbers(2 * N))), { kind: 'mse' }, 'last'],
  ['medians', dataOf(floats([N, 2], numbers(2 * N))), { kind: 'quantile' }, 'last'],
] as const) {
  t.test(`${what}: an epoch has the metrics of an evaluation of its split`, async t => {
    const run = await work.train(config(path, loss, from), '--backend', 'webasm');
    t.equal(run.code, 0, run.finished.stderr);
    const evaluated = await work.cellrun('evaluate', run.directory, '--split', 'train', '--json');
    t.equal(evaluated.code, 0, evaluated.stderr);
    const expected = JSON.parse(evaluated.stdout).metrics.train;
    const { loss: _, ...train } = run.summary.metrics.train;
    const means = loss === CLASSES ? ['top_3_accuracy', 'accuracy'] : ['mean_absolute_error'];
    t.same(Object.keys(train), means, 'those that are means over predictions');
    const [epoch] = run.events.filter(({ event }) => event === 'train.epoch');
    for (const name of means) {
      // summed in batch order here, in data order there
      t.ok(Math.abs(train[name] / expected[name] - 1) < 1e-6, `${name}: ${train[name]}, ${expected[name]}`);
      t.equal(epoch[name], train[name], 'in the log as well');
    }
  });
}

/**
 * The loop's report after an epoch of four batches, two of which were trained before the resume.
 */
async function afterResume(totals: EpochTotals): Promise<EpochReport> {
  let step = 2;
  const state = { epoch: 0, position: 0, generator: [0, 0, 0, 0], count: 8 } as const;
  const order = {
    epoch: 0,
    get position() {
      return step % 4;
    },
    next: () => {
      step++;
      return new Uint32Array(2);
    },
    state,
  } as unknown as BatchOrder;
  const result: StepResult = {
    loss: 1,
    gradientNorm: 1,
    updated: true,
    metrics: { sums: { accuracy: 1.5, top_3_accuracy: 2 }, predictions: 2 },
    notFinite: [],
  };
  const trainer = { prepare: () => ({}), step: async () => result } as unknown as Trainer;
  const from = new TrainingState();
  from.position = { step: 2, skipped: 0, epoch: 1, epochsDone: 0, epochEnded: false, order: state, totals };
  const epochs: EpochReport[] = [];
  const observer = { epoch: (report: EpochReport) => void epochs.push(report) };
  await trainingLoop({ trainer, order, totalSteps: 4, learningRate: () => 1, state: from, observer });
  return epochs[0];
}

t.test('a resumed epoch has the metrics of all its batches', async t => {
  const metrics = { sums: { accuracy: 1, top_3_accuracy: 4 }, predictions: 4 };
  const whole = await afterResume({ loss: 4, samples: 4, metrics });
  t.same(whole.metrics, { accuracy: 4 / 8, top_3_accuracy: 8 / 8 });
  t.same(whole.totals.metrics, { sums: { accuracy: 4, top_3_accuracy: 8 }, predictions: 8 });
  const other = await afterResume({
    loss: 4,
    samples: 4,
    metrics: { sums: { accuracy: 1 }, predictions: 4 },
  });
  t.same(other.metrics, { accuracy: 4 / 8 }, 'nor one that the first batches lack');
});
