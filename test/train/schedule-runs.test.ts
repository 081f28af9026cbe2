/**
 * Learning rate schedules in whole runs: logged rates, resumes, and the effect of longer training.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { UserError } from '../../src/util/errors.js';
import { packageRoot } from '../../src/util/root.js';
import { readLog } from '../support/cli.js';
import { resume, train } from '../support/runs.js';
import { work } from '../support/work.js';

/** 20 updates, 5 per epoch. */
function config(schedule: object | undefined, training: object = {}, optimizer: object = { kind: 'sgd' }) {
  return {
    dataset: { kind: 'synthetic', problem: 'adding', sequence_length: 3, train_size: 40, test_size: 8 },
    model: { cell: 'gru', hidden_size: 3 },
    loss: { kind: 'mse' },
    optimizer: { learning_rate: 0.1, ...optimizer, ...(schedule && { schedule }) },
    training: { num_epochs: 4, batch_size: 8, log_every: 1, ...training },
    checkpoint: { keep: { last: 100 } },
  };
}

const WARM_COSINE = { kind: 'cosine', warmup: { steps: 10, start_factor: 0.1 } };

function ratesOf(directory: string): number[] {
  const steps = readLog(directory).filter(({ event }) => event === 'train.step');
  return steps.map(({ learning_rate }) => Number(learning_rate));
}

function largestError(actual: readonly number[], expected: readonly number[]): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  return Math.max(...actual.map((value, i) => Math.abs(value - expected[i])));
}

t.test("a run logs PyTorch's rates", async t => {
  const file = join(packageRoot, 'test/fixtures/goldens/breadth/schedules.json');
  const { cases } = JSON.parse(readFileSync(file, 'utf8'));
  for (const { schedule, rates } of cases) {
    if (schedule.kind === 'plateau') continue;
    const { summary } = await train(work, config(schedule));
    const error = largestError(ratesOf(summary.directory), rates);
    t.ok(error <= 1e-9, `${JSON.stringify(schedule)}: ${error}`);
  }
});

/**
 * Depends on a metric that is measured after each epoch; with `OFTEN`, after every second step too.
 */
const PLATEAU = { kind: 'plateau', metric: 'test.loss', factor: 0.5, patience: 1 };
const OFTEN = { evaluate_every: { steps: 2 } };

t.test('a plateau schedule follows the logged metric', async t => {
  const { summary } = await train(work, config(PLATEAU, OFTEN));
  const rates: number[] = [];
  let [rate, best, bad] = [0.1, Number.POSITIVE_INFINITY, 0];
  // like torch.optim.lr_scheduler.ReduceLROnPlateau
  for (const { event, split, loss } of readLog(summary.directory)) {
    if (event === 'train.step') rates.push(rate);
    if (event !== 'eval') continue;
    t.equal(split, 'test');
    if (Number(loss) < best) [best, bad] = [Number(loss), 0];
    else bad++;
    if (bad > 1) [rate, bad] = [rate / 2, 0];
  }
  t.ok(rates[19] < 0.1, 'the rate falls');
  t.strictSame(ratesOf(summary.directory), rates);
});

t.test('trains with the logged rate', async t => {
  const constant = await train(
    work,
    config(undefined, { max_steps: 1 }, { kind: 'sgd', learning_rate: 0.01 }),
  );
  const warm = await train(work, config(WARM_COSINE, { max_steps: 11 }));
  t.equal(ratesOf(warm.summary.directory)[0], 0.1 * 0.1);
  const first = (directory: string) => readLog(directory).filter(({ event }) => event === 'train.step')[1];
  t.equal(first(constant.summary.directory), undefined, 'one step');
  const second = await train(work, config(undefined, { max_steps: 2 }, { kind: 'sgd', learning_rate: 0.01 }));
  t.equal(
    first(warm.summary.directory).loss,
    first(second.summary.directory).loss,
    'the first update has the rate 0.01',
  );
});

t.test('a longer training changes results if the rates depend on the planned length', async t => {
  for (const schedule of [
    { kind: 'cosine' },
    { kind: 'linear' },
    { kind: 'one_cycle', warmup_fraction: 0.5 },
  ]) {
    const { summary } = await train(work, config(schedule, { num_epochs: 2 }));
    const longer = { set: ['training.num_epochs=3'] };
    const error = await resume(summary.directory, longer).catch((caught: unknown) => caught);
    if (!(error instanceof UserError)) throw error;
    t.equal(error.exitCode, 2);
    t.match(error.diagnostics, [
      { code: 'resume/changed', message: /optimizer\.schedule.* planned length/, expected: /--allow-change/ },
    ]);
    const allowed = await resume(summary.directory, { ...longer, allowChange: ['training.num_epochs'] });
    t.equal(allowed.summary.steps, 15, schedule.kind);
    const planned = await train(work, config(schedule, { num_epochs: 3 }));
    const rates = ratesOf(allowed.summary.directory);
    t.strictSame(rates.slice(10), ratesOf(planned.summary.directory).slice(10), 'those of the new length');
  }
});

t.test('refuses a warm-up in updates as long as the training, once the data are known', async t => {
  const long = { kind: 'constant', warmup: { steps: 20 } };
  const finished = await work.cellrun('run', work.config(config(long)), '--output', work.folder());
  t.equal(finished.code, 2);
  t.match(finished.stderr, /the warm-up must be shorter than training \(20 updates\)/);
});

t.test('max_steps may end training within the warm-up, with a warning', async t => {
  for (const warmup of [{ steps: 15 }, { epochs: 1 }]) {
    const schedule = { kind: 'cosine', length: { epochs: 1 }, warmup };
    const tried = await work.cellrun(
      ...['run', work.config(config(schedule)), '--output', work.folder()],
      ...['--json', '--set', 'training.max_steps=4'],
    );
    t.equal(tried.code, 0, tried.stderr);
    t.match(tried.stderr, /warning: `max_steps` ends training within the warm-up \(\d+ updates\)/);
    const whole = await train(work, config(schedule));
    t.strictSame(
      ratesOf(JSON.parse(tried.stdout).directory),
      ratesOf(whole.summary.directory).slice(0, 4),
      'the rates of the first steps',
    );
  }
});
