/** `repeat`: one config with several seeds, as one experiment; the final metrics of a sweep. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { run } from '../../src/library/train.js';
import { readJournal } from '../../src/sweep/journal.js';
import { outcomesOf } from '../../src/sweep/schedule/records.js';
import type { Task } from '../../src/sweep/segment.js';
import { preloadFor } from '../soak/moments.js';
import { Workplace } from '../support/cli.js';
import { train } from '../support/runs.js';
import { resumeInProcess, sweepInProcess } from '../support/sweeps.js';

const work = new Workplace();
t.teardown(() => work.remove());

const config = {
  version: 1,
  name: 'repeated',
  dataset: {
    kind: 'synthetic',
    problem: 'adding',
    sequence_length: 4,
    train_size: 40,
    test_size: 12,
    validation: { count: 8 },
  },
  model: { cell: 'gru', hidden_size: 3 },
  loss: { kind: 'mse' },
  optimizer: { kind: 'adam', learning_rate: 0.05 },
  training: { num_epochs: 2, batch_size: 8 },
};

interface Metric {
  readonly metric: string;
  readonly mean: number;
  readonly spread: number;
  readonly interval: unknown;
  readonly by_seed: Readonly<Record<string, number>>;
}

const only = (folder: string) => join(folder, readdirSync(folder)[0]);

/** A sweep of three rates, whose best trial is trained with two more seeds. */
const sweep = (more: object) =>
  work.file(
    'sweep.yaml',
    JSON.stringify({
      version: 1,
      name: 'rates',
      base: work.config(config),
      method: 'grid',
      parameters: { 'optimizer.learning_rate': [0.001, 0.05, 0.04] },
      repeat_best: 2,
      ...more,
    }),
  );

t.test('run --repeat trains as many seeds, each like a run of its own', async t => {
  const output = work.folder();
  const file = work.config({ ...config, seed: 3 });
  const { code, stdout } = await work.cellrun('run', file, '--repeat', '3', '--output', output);
  t.equal(code, 0);
  t.match(
    stdout,
    /^\nmetric +mean of 3 seeds +spread\ntest\.loss [\s\S]*\nA 95 % interval needs at least 5 seeds\.\n/,
  );
  const directory = only(join(output, 'sweeps', 'repeated'));
  t.same(readdirSync(join(directory, 'trials')), ['t0000-s3', 't0000-s4', 't0000-s5']);
  const { metrics }: { metrics: Metric[] } = JSON.parse(
    readFileSync(join(directory, 'summary.json'), 'utf8'),
  );
  const runs: Awaited<ReturnType<typeof train>>['summary']['metrics'][] = [];
  for (const seed of [3, 4, 5]) runs.push((await train(work, { ...config, seed })).summary.metrics);
  const names = (split: 'test' | 'validation') =>
    Object.keys(runs[0][split] ?? {}).map(name => `${split}.${name}`);
  t.same(
    metrics.map(({ metric }) => metric),
    [...names('test'), ...names('validation')],
  );
  for (const { metric, mean, spread, interval, by_seed } of metrics) {
    const [split, name] = metric.split('.') as ['test', string];
    const [a, b, c] = runs.map(of => of[split][name]);
    t.same(by_seed, { 3: a, 4: b, 5: c }, metric);
    const center = (a + b + c) / 3;
    t.ok(Math.abs(mean - center) < 1e-12, 'mean');
    const variance = ((a - center) ** 2 + (b - center) ** 2 + (c - center) ** 2) / 2;
    t.ok(Math.abs(spread - Math.sqrt(variance)) < 1e-12, 'standard deviation of a sample');
    t.equal(interval, null, 'of five seeds or more');
  }
  const compared = await work.cellrun('compare', join(directory, 'trials'));
  t.match(compared, { code: 0, stdout: /mean of 3 seeds/ });
  t.match(await work.cellrun('sweep', 'resume', directory), { code: 0, stdout: /mean of 3 seeds/ });
});

t.test('the key `repeat` does the same, and the gates of all seeds count', async t => {
  const output = work.folder();
  const gates = [
    { metric: 'test.loss', over: 'seeds', max: 100 },
    { metric: 'test.loss', max: 1e-9 },
  ];
  const file = work.config({ ...config, repeat: 2, gates });
  const { code, stdout } = await work.cellrun('run', file, '--output', output);
  t.equal(code, 3);
  t.match(
    stdout,
    /Gate test\.loss over seeds passed: .* <= 100\.\nSeed 0: Gate test\.loss failed: .*\nSeed 1: Gate/,
  );
  const single = await work.cellrun('run', file, '--repeat', '1', '--output', output);
  t.match(single, { code: 3, stdout: /^Test mean absolute error/ });
});

t.test('the directory of several seeds is no run, and without gates its review says so once', async t => {
  const output = work.folder();
  await work.cellrun('run', work.config({ ...config, repeat: 2 }), '--output', output, '--quiet');
  const directory = only(join(output, 'sweeps', 'repeated'));
  for (const verb of ['predict', 'evaluate', 'resume'])
    t.match(
      await work.cellrun(verb, directory),
      { code: 2, stderr: /this is a sweep, not a run\n.*expected: .*\n.*did you mean .*trials\/t0000-s1\?/ },
      verb,
    );
  const { stdout } = await work.cellrun('review', directory);
  t.same(stdout.match(/no gates?\b.*/g), ['no gate and no baseline.']);
  const wrong = await work.cellrun('run', work.config(config), '--repeat', '0');
  t.match(wrong, { code: 2, stderr: /expected: a whole number from 1 to 1000/ });
  const listed = await work.cellrun('sweep', sweep({}), '--repeat-best', '3', '--dry-run');
  t.match(listed, { code: 0, stdout: /^Then the best trial is trained with 3 new seeds\.$/m });
  const zero = await work.cellrun('sweep', sweep({}), '--repeat-best', '0', '--dry-run');
  t.match(zero, { code: 2, stderr: /^--repeat-best:1:1: / });
});

t.test('options of a single run, and programs, refuse several', async t => {
  const file = work.config({ ...config, repeat: 2 });
  const refused = await work.cellrun('run', file, '--directory', join(work.folder(), 'run'));
  t.match(refused, {
    code: 2,
    stderr: /--directory: cannot be used with `repeat` \(.*config\.yaml:\d+:\d+\)/,
  });
  await t.rejects(run(file), { exitCode: 2, message: /`run` trains a single run/ });
});

t.test('a sweep shows validation for all trials, and the test split for the best', async t => {
  const output = work.folder();
  const file = work.config({ ...config, repeat: 9 });
  const swept = await work.cellrun('sweep', file, 'optimizer.learning_rate=0.01,0.05', '--output', output);
  t.equal(swept.code, 0, swept.stderr);
  const [table, metrics] = swept.stdout.split('\n\n');
  t.match(table, /validation\.loss/);
  t.notMatch(table, /test\./);
  t.match(metrics, /^metric +value\ntest\.loss /);
  const directory = only(join(output, 'sweeps', 'repeated'));
  const summary = JSON.parse(readFileSync(join(directory, 'summary.json'), 'utf8'));
  const [best] = summary.best.runs;
  const { metrics: reached } = JSON.parse(readFileSync(join(best, 'summary.json'), 'utf8'));
  t.equal(summary.best.runs.length, 1, 'a sweep trains its own seeds');
  t.match(summary.metrics[0], { metric: 'test.loss', mean: reached.test.loss, spread: null });
  const trials = ['t0000-s0', 't0001-s0'].map(name => join(directory, 'trials', name));
  const compared = await work.cellrun('compare', ...trials, '--no-curves');
  t.match(
    compared.stdout,
    /A .*\[optimizer\.learning_rate=0\.01\][\s\S]*B .*\[optimizer\.learning_rate=0\.05\]/,
  );
});

const journalOf = (directory: string) => readJournal(join(directory, 'journal.jsonl')).records;

t.test('repeat_best trains the best trial with new seeds, over which its metrics are', async t => {
  const output = work.folder();
  const { code, stdout, stderr } = await work.cellrun('sweep', sweep({}), '--output', output);
  t.equal(code, 0, stderr);
  const directory = only(join(output, 'sweeps', 'rates'));
  const summary = JSON.parse(readFileSync(join(directory, 'summary.json'), 'utf8'));
  const { trial, runs } = summary.best;
  const names = [0, 1, 2].map(seed => `t000${trial}-s${seed}`);
  t.same(
    readdirSync(join(directory, 'trials')),
    [...['t0000-s0', 't0001-s0', 't0002-s0'].filter(name => name !== names[0]), ...names].sort(),
  );
  t.same(runs, [join(directory, 'trials', names[0])]);
  t.same(
    summary.repeats,
    names.slice(1).map(name => join(directory, 'trials', name)),
  );
  const learning_rate = [0.001, 0.05, 0.04][trial];
  const values: number[] = [];
  for (const seed of [1, 2]) {
    const alone = await train(work, { ...config, seed, optimizer: { kind: 'adam', learning_rate } });
    values.push(alone.summary.metrics.test?.loss as number);
  }
  t.match(summary.metrics[0], { metric: 'test.loss', by_seed: { 1: values[0], 2: values[1] } });
  t.match(stdout, /\nThe best trial with 2 new seeds:\nmetric +mean of 2 seeds +spread\ntest\.loss /);
  t.match(
    stderr,
    new RegExp(`trial ${trial} is the best; training it with 2 new seeds\nbest trial, seed 1: `),
  );
  for (const verb of [['status'], ['replay'], ['resume']])
    t.match(await work.cellrun('sweep', ...verb, directory), { code: 0 }, verb[0]);
  t.match(await work.cellrun('review', directory), { code: 0 });
  const compared = await work.cellrun('compare', directory);
  t.match(compared.stdout, /The best trial with 2 new seeds/);
});

t.test('the gates of the best trial count for its new seeds, as for those of `--repeat`', async t => {
  const gates = [
    { metric: 'test.loss', over: 'seeds', max: 100 },
    { metric: 'test.loss', over: 'seeds', max: 1e-9 },
    { metric: 'test.loss', max: 1e-8 },
  ];
  const file = sweep({
    base: work.config({ ...config, gates }),
    parameters: { 'model.hidden_size': [3] },
  });
  const { code, stdout } = await work.cellrun('sweep', file, '--output', work.folder());
  t.equal(code, 3);
  t.match(
    stdout,
    /Gate test\.loss over seeds passed: .*\nGate test\.loss over seeds failed: .*\nSeed 1: Gate test\.loss failed: .*\nSeed 2: Gate test/,
  );
});

t.test('a sweep that stops while its best trial is repeated goes on from there', async t => {
  const output = work.folder();
  const stopping = async ({ seed, args }: Task) => {
    if (seed !== 2) return;
    await work.cellrun(...args.with(args.indexOf('--pause-after-epoch') + 1, '1'));
    throw new Error('stopped');
  };
  await t.rejects(sweepInProcess(work, sweep({}), output, stopping), { message: 'stopped' });
  const directory = only(join(output, 'sweeps', 'rates'));
  const before = journalOf(directory).filter(({ event }) => event === 'sweep.decided');
  t.equal(before.length, 1);
  const status = await work.cellrun('sweep', 'status', directory, '--json');
  t.match(JSON.parse(status.stdout), { status: 'killed', metrics: undefined });
  await resumeInProcess(work, directory);
  const straight = await sweepInProcess(work, sweep({}), work.folder());
  const metrics = (path: string) => JSON.parse(readFileSync(join(path, 'summary.json'), 'utf8')).metrics;
  t.same(metrics(directory), metrics(straight));
  t.same(
    journalOf(directory).filter(({ event }) => event === 'sweep.decided'),
    before,
    'nothing is decided again',
  );
});

t.test('a trial stopped during its final evaluation is no result', async t => {
  const output = work.folder();
  const dataset = { ...config.dataset, test_size: 800 };
  const training = { ...config.training, eval_batch_size: 1 };
  const file = sweep({ base: work.config({ ...config, dataset, training }) });
  // after the evaluation of the last epoch, whose steps are all done
  const after = '"event":"eval","split":"validation","epoch":2,';
  const env = { NODE_OPTIONS: `--import=${preloadFor({ at: 0, after }, 'SIGINT')}` };
  const stopping = async ({ seed, args }: Task) => {
    if (seed !== 2) return;
    const { code, stderr } = await work.startWith([], args, env).finished;
    t.equal(code, 130, stderr);
    throw new Error('stopped');
  };
  await t.rejects(sweepInProcess(work, file, output, stopping), { message: 'stopped' });
  const directory = only(join(output, 'sweeps', 'rates'));
  const [stopped] = readdirSync(join(directory, 'trials')).filter(name => name.endsWith('-s2'));
  const read = (path: string, name: string) => readFileSync(join(path, 'trials', stopped, name), 'utf8');
  t.match(JSON.parse(read(directory, 'summary.json')), { status: 'interrupted', epochs: 2, evaluated: true });
  await resumeInProcess(work, directory);
  const straight = await sweepInProcess(work, file, work.folder());
  const results = (path: string) => {
    const { metrics } = JSON.parse(readFileSync(join(path, 'summary.json'), 'utf8'));
    const outcomes = outcomesOf(journalOf(path));
    return { metrics, outcomes, evaluation: read(path, 'evaluation.json') };
  };
  t.ok(results(straight).metrics);
  t.same(results(directory), results(straight));
});

t.test('a target ends the other trials before the best is repeated', async t => {
  const output = work.folder();
  const file = sweep({ parallel: 2, budget: { target: 100 } });
  const directory = await sweepInProcess(work, file, output);
  const summary = JSON.parse(readFileSync(join(directory, 'summary.json'), 'utf8'));
  t.match(summary, { reason: 'target', best: { trial: 0 }, metrics: [{ metric: 'test.loss' }] });
  const records = journalOf(directory);
  const decided = records.findIndex(({ event }) => event === 'sweep.decided');
  const later = records.slice(decided).filter(({ event }) => event === 'segment.start');
  t.match(later, [
    { trial: 0, seed: 1, from: 0, to: 2 },
    { trial: 0, seed: 2, from: 0, to: 2 },
  ]);
});
