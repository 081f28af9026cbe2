/** Averaged weights: checkpoints, evaluation, and byte-identical resumes. */
import { join } from 'node:path';
import t from 'tap';
import { loadCheckpoint, resolveCheckpoint } from '../../src/run/checkpoints.js';
import { readSafetensors, type Tensors } from '../../src/run/safetensors.js';
import { readLog } from '../support/cli.js';
import { resume, train } from '../support/runs.js';
import { work } from '../support/work.js';

const DECAY = 0.7;

/** 10 updates, 5 per epoch; `average: null` disables averaging. */
function config(
  average: object | null = { kind: 'ema', decay: DECAY },
  training: object = {},
  final = 'last',
) {
  return {
    dataset: {
      kind: 'synthetic',
      problem: 'adding',
      sequence_length: 4,
      train_size: 50,
      test_size: 20,
      validation: { count: 10 },
    },
    model: { cell: 'gru', hidden_size: 4 },
    loss: { kind: 'mse' },
    optimizer: { kind: 'adam', learning_rate: 0.05 },
    training: { num_epochs: 2, batch_size: 8, log_every: 1, ...training, ...(average && { average }) },
    checkpoint: { every: { steps: 1 }, keep: { last: 100, best: 100 }, final },
  };
}

function tensorsAt(directory: string, step: number): Tensors {
  return loadCheckpoint(resolveCheckpoint(join(directory, 'checkpoints'), step)).tensors;
}

const floats = (tensors: Tensors, name: string) => tensors.get(name)?.data as Float32Array;
const weightNames = (tensors: Tensors) =>
  [...tensors.keys()].filter(name => !/^(optimizer|average|carried)\./.test(name));

t.test('averages the weights after each update', async t => {
  const { summary } = await train(work, config());
  const expected = new Map<string, number[]>();
  for (let step = 1; step <= 10; step++) {
    const tensors = tensorsAt(summary.directory, step);
    const names = weightNames(tensors);
    t.ok(names.length > 3);
    for (const name of names) {
      const weights = [...floats(tensors, name)];
      const before = expected.get(name);
      const now = weights.map((weight, i) => (before ? DECAY * before[i] + (1 - DECAY) * weight : weight));
      expected.set(name, now);
      const average = floats(tensors, `average.${name}`);
      const worst = Math.max(...now.map((value, i) => Math.abs(value - average[i])));
      t.ok(worst < 1e-6, `step ${step}, ${name}: ${worst}`);
    }
  }
});

t.test('averaging does not change the weights', async t => {
  const [plain, averaged] = [await train(work, config(null)), await train(work, config())];
  const [a, b] = [plain, averaged].map(({ summary }) => tensorsAt(summary.directory, 10));
  for (const name of a.keys()) t.strictSame(floats(b, name), floats(a, name), name);
  const extra = [...b.keys()].filter(name => !a.has(name));
  t.strictSame(
    extra,
    weightNames(a).map(name => `average.${name}`),
  );
});

t.test('evaluates with the average, and logs the metrics of the weights', async t => {
  const [plain, averaged] = [await train(work, config(null)), await train(work, config())];
  const eventsOf = (directory: string, name: string) =>
    readLog(directory)
      .filter(({ event }) => event === name)
      .map(({ split, step, loss, mean_absolute_error }) => ({ split, step, loss, mean_absolute_error }));
  const own = eventsOf(plain.summary.directory, 'eval');
  t.equal(own.length, 3, 'validation after each epoch, test at the end');
  t.strictSame(eventsOf(averaged.summary.directory, 'eval.trained'), own, 'as in a run without an average');
  t.strictSame(eventsOf(plain.summary.directory, 'eval.trained'), []);
  const evaluated = eventsOf(averaged.summary.directory, 'eval');
  t.equal(evaluated.length, own.length);
  for (const [i, { loss }] of evaluated.entries()) t.not(loss, own[i].loss);
  t.equal(averaged.summary.metrics.test.loss, evaluated.at(-1)?.loss, 'the summary has the average');

  const { directory } = averaged.summary;
  const evaluate = async (...flags: string[]) => {
    const finished = await work.cellrun('evaluate', directory, '--json', '--backend', 'webasm', ...flags);
    t.equal(finished.code, 0, finished.stderr);
    return JSON.parse(finished.stdout).metrics.test.loss;
  };
  t.equal(await evaluate(), evaluated.at(-1)?.loss);
  t.equal(await evaluate('--weights', 'average'), evaluated.at(-1)?.loss);
  t.equal(await evaluate('--weights', 'trained'), own.at(-1)?.loss);
  const predict = (...flags: string[]) =>
    work.cellrun('predict', directory, '--backend', 'webasm', '--limit', '2', ...flags);
  const [byDefault, average, trained] = [
    await predict(),
    await predict('--weights', 'average'),
    await predict('--weights', 'trained'),
  ];
  t.equal(byDefault.stdout, average.stdout);
  t.not(byDefault.stdout, trained.stdout);

  const exported = async (run: string, ...flags: string[]) => {
    const options = ['--format', 'safetensors', '--json', ...flags];
    const { code, stdout, stderr } = await work.cellrun('export', run, ...options);
    t.equal(code, 0, stderr);
    const [{ file, weights }] = JSON.parse(stdout).exports;
    return { file, weights, ...readSafetensors(file) };
  };
  const checkpoint = readSafetensors(resolveCheckpoint(join(directory, 'checkpoints'), 'last')).tensors;
  const alone = await exported(directory, '--weights', 'trained', '-o', work.folder());
  t.same(
    [...alone.tensors],
    [...checkpoint].filter(([name]) => !/^(optimizer|average|carried)\./.test(name)),
  );
  t.same([alone.weights, alone.metadata], ['trained', { format: 'pt' }]);
  const byWeights = await exported(directory);
  t.equal(byWeights.file, join(directory, 'weights.safetensors'));
  t.equal(byWeights.weights, 'average');
  t.same([...byWeights.tensors.keys()], [...alone.tensors.keys()]);
  for (const [name, tensor] of byWeights.tensors) t.same(tensor, checkpoint.get(`average.${name}`));
  const asEvents = ['--format', 'tensorboard', '--weights', 'average'];
  t.match(await work.cellrun('export', directory, ...asEvents), { code: 2, stderr: /contain no weights/ });
  const asWeights = ['--format', 'safetensors', '--weights', 'average'];
  t.match(await work.cellrun('export', plain.summary.directory, ...asWeights), { code: 2 });

  const refused = await work.cellrun('evaluate', plain.summary.directory, '--weights', 'average');
  t.equal(refused.code, 2);
  t.match(refused.stderr, /has no averaged weights/);
});

// kills.test.ts covers resumes
t.test('an average cannot start in the middle of a run', async t => {
  const { summary } = await train(work, config(null, { num_epochs: 1 }));
  const set = ['training.average={kind: ema}', 'training.num_epochs=2'];
  const refused = resume(summary.directory, { set, allowChange: ['training.average'] });
  const error = await refused.catch((caught: unknown) => caught);
  t.match(error, { diagnostics: [{ code: 'resume/impossible', message: /no averaged weights/ }] });
});

t.test('restores the best average with the best weights', async t => {
  const stopping = { early_stopping: { metric: 'validation.loss', patience: 2 }, num_epochs: 40 };
  const { summary } = await train(work, config({ kind: 'ema', decay: 0.5 }, stopping, 'best'));
  t.ok(summary.stopped_early, 'stopped early');
  const best = summary.restored?.step as number;
  const evaluated = readLog(summary.directory).filter(({ event }) => event === 'eval');
  const values = evaluated.filter(({ split }) => split === 'validation');
  const smallest = Math.min(...values.map(({ loss }) => Number(loss)));
  t.equal(values.find(({ step }) => step === best)?.loss, smallest);
  const args = ['--checkpoint', String(best), '--backend', 'webasm', '--json'];
  const finished = await work.cellrun('evaluate', summary.directory, ...args);
  t.equal(JSON.parse(finished.stdout).metrics.test.loss, summary.metrics.test.loss);
});
