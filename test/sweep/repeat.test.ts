/** `repeat`: one config with several seeds, as one experiment; the final metrics of a sweep. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { run } from '../../src/library/train.js';
import type { Summary } from '../../src/run/summary.js';
import { readJournal } from '../../src/sweep/journal.js';
import { outcomesOf } from '../../src/sweep/schedule/records.js';
import type { Task } from '../../src/sweep/segment.js';
import { buildSweepReport } from '../../src/view/sweep-report.js';
import { preloadFor } from '../soak/moments.js';
import { onlyIn } from '../support/cli.js';
import { train } from '../support/runs.js';
import { resumeInProcess, sweepInProcess } from '../support/sweeps.js';
import { work } from '../support/work.js';

const config = {
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
  readonly baseline: { readonly name: string; readonly value: number };
  readonly by_seed: Readonly<Record<string, number>>;
}

/** A sweep of three rates, whose best trial is trained with two more seeds. */
const sweep = (more: object) =>
  work.sweep({
    name: 'rates',
    base: work.config(config),
    parameters: { 'optimizer.learning_rate': [0.001, 0.05, 0.04] },
    repeat_best: 2,
    ...more,
  });

t.test('run --repeat trains as many seeds, each like a run of its own', async t => {
  const output = work.folder();
  const file = work.config({ ...config, seed: 3 });
  const { code, stdout } = await work.cellrun('run', file, '--repeat', '3', '--output', output);
  t.equal(code, 0);
  t.match(
    stdout,
    /^\nmetric +mean of 3 seeds +spread +trivial baseline\ntest\.loss [\s\S]*\nA 95 % interval needs at least 5 seeds\.\n/,
  );
  const directory = onlyIn(output, 'sweeps', 'repeated');
  t.same(readdirSync(join(directory, 'trials')), ['t0000-s3', 't0000-s4', 't0000-s5']);
  const { metrics }: { metrics: Metric[] } = JSON.parse(
    readFileSync(join(directory, 'summary.json'), 'utf8'),
  );
  const summaries: Summary[] = [];
  for (const seed of [3, 4, 5]) summaries.push((await train(work, { ...config, seed })).summary);
  const runs = summaries.map(({ metrics }) => metrics);
  const baselines = summaries.map(({ baselines }) => baselines);
  const names = (split: 'test' | 'validation') =>
    Object.keys(runs[0][split] ?? {}).map(name => `${split}.${name}`);
  t.same(
    metrics.map(({ metric }) => metric),
    [...names('test'), ...names('validation')],
  );
  for (const { metric, mean, spread, interval, by_seed, baseline } of metrics) {
    const [split, name] = metric.split('.') as ['test', string];
    const [a, b, c] = runs.map(of => of[split][name]);
    t.same(by_seed, { 3: a, 4: b, 5: c }, metric);
    const trivial = baselines.map(of => of?.[split]?.mean?.[name] as number);
    const expected = trivial.reduce((sum, value) => sum + value, 0) / 3;
    t.match(baseline, { name: 'mean' });
    t.ok(Math.abs(baseline.value - expected) < 1e-12, `the baseline of ${metric}`);
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

/** Rows that are sequences of one step, with their classes. */
const table = {
  kind: 'csv',
  path: work.file(
    'rows.csv',
    `id,a,label\n${Array.from({ length: 40 }, (_, i) => `r${i},${i},${i % 2 ? 'x' : 'y'}\n`).join('')}`,
  ),
  id: 'id',
  features: ['a'],
  target: 'label',
  target_kind: 'class',
  normalize: 'standard',
  test: { fraction: 0.25 },
  validation: { fraction: 0.2 },
};
const drawn = { ...config, name: 'drawn', dataset: table, loss: { kind: 'cross_entropy' } };

/** The names of the sequences in a run's splits. */
async function splitsIn(run: string): Promise<string[][]> {
  const predicted = ['train', 'validation', 'test'].map(async split => {
    const { stdout } = await work.cellrun('predict', run, '--split', split, '--format', 'jsonl');
    return stdout
      .trim()
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line).id);
  });
  return Promise.all(predicted);
}

/** A sweep of two learning rates over data with drawn splits: its runs and their splits. */
async function swept(dataset: object, more: object) {
  const base = work.config({ ...drawn, dataset: { ...table, ...dataset } });
  const parameters = { 'optimizer.learning_rate': [0.01, 0.05] };
  const directory = await sweepInProcess(work, sweep({ base, parameters, ...more }), work.folder());
  const trials = join(directory, 'trials');
  const runs = readdirSync(trials).map(name => join(trials, name));
  return { directory, runs, splits: await Promise.all(runs.map(splitsIn)) };
}

t.test('all seeds have the splits of the first, unless each draws its own', async t => {
  const alone: string[][][] = [];
  for (const seed of [7, 8])
    alone.push(await splitsIn((await train(work, { ...drawn, seed })).summary.directory));
  t.notSame(alone[0][2], alone[1][2], 'single runs draw theirs with their seeds');
  const seeds = { seeds: [7, 8], parameters: {}, repeat_best: undefined };
  const same = await swept({}, seeds);
  t.same(same.splits, [alone[0], alone[0]]);
  t.same((await swept({ seed: 8 }, seeds)).splits, [alone[1], alone[1]], 'a seed of its own');
  const each = await swept({ seed: 'run' }, seeds);
  t.same(each.splits, alone);
  const status = async (path: string) => (await work.cellrun('sweep', 'status', path)).stdout;
  t.match(await status(same.directory), '\nAll seeds have the splits of seed 7.\n');
  t.match(await status(each.directory), '\nEach seed has splits of its own.\n');
  const given = await swept({ test: { column: 'id', is: ['r1', 'r2'] }, validation: undefined }, seeds);
  t.notMatch(await status(given.directory), /splits/, 'nothing is drawn');
  const parameters = { 'dataset.validation.fraction': [0.25, 0.5] };
  const { splits } = await swept(
    { test: { column: 'id', is: ['r1', 'r2'] }, validation: undefined },
    { ...seeds, parameters },
  );
  t.same([splits.length, splits[0], splits[2]], [4, splits[1], splits[3]], 'only the points draw splits');
  // one of them has the seed of the splits as its own
  const file = join(work.folder(), 'pinned.json');
  const reviewed = await work.cellrun('review', ...same.runs, '--pin', file, '--json');
  t.match(JSON.parse(reviewed.stdout), { groups: [{ seeds: [7, 8] }] });
});

t.test('new seeds of the best trial have the splits of the search, and alone count', async t => {
  const { directory, runs, splits } = await swept({}, {});
  t.equal(runs.length, 4);
  for (const found of splits) t.same(found, splits[0]);
  const { best, repeats }: { best: { trial: number; runs: string[] }; repeats: string[] } = JSON.parse(
    readFileSync(join(directory, 'summary.json'), 'utf8'),
  );
  const id = basename(best.runs[0]);
  const review = JSON.parse((await work.cellrun('review', directory, '--json')).stdout);
  const [group] = review.groups.filter(({ seeds }: { seeds: number[] }) => seeds.includes(1));
  t.match(group, { seeds: [1, 2], left_out: [{ run_id: id, reason: /only the new seeds count$/ }] });
  const alone = JSON.parse((await work.cellrun('review', best.runs[0], '--json')).stdout);
  t.match(alone.groups, [{ seeds: [0], left_out: [] }]);
  const other = runs.find(run => !run.includes(`t000${best.trial}`)) as string;
  const { sides, notes } = JSON.parse((await work.cellrun('compare', directory, other, '--json')).stdout);
  t.match(sides, [{ name: `${directory} (trial ${best.trial})`, seeds: [1, 2] }, { seeds: [0] }]);
  t.same(
    sides[0].runs.map((run: { directory: string }) => run.directory),
    repeats,
  );
  t.same(notes, []);
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
  const { gates: judged, failures } = buildSweepReport(onlyIn(output, 'sweeps', 'repeated'));
  t.match(judged, [
    { seed: null, name: 'test.loss over seeds', verdict: 'passed' },
    { seed: 0, name: 'test.loss', verdict: 'failed' },
    { seed: 1, name: 'test.loss', verdict: 'failed' },
  ]);
  t.match(failures, [/^Seed 0: Gate test\.loss failed/, /^Seed 1: Gate/], 'the report begins with them');
  const list = JSON.parse((await work.cellrun('report', output, '--json')).stdout);
  t.match(list.sweeps, [{ name: 'repeated', shortfalls: ['gate failed'] }], 'and a list has a word for them');
  const single = await work.cellrun('run', file, '--repeat', '1', '--output', output);
  t.match(single, { code: 3, stdout: /^Test mean absolute error/ });
});

t.test('the directory of several seeds is no run, and without gates its review says so once', async t => {
  const output = work.folder();
  await work.cellrun('run', work.config({ ...config, repeat: 2 }), '--output', output, '--quiet');
  const directory = onlyIn(output, 'sweeps', 'repeated');
  t.match(await work.cellrun('resume', directory), {
    code: 2,
    stderr: /this directory has a run for each seed\n.*the run of one seed: .*t0000-s0, .*t0000-s1; for all/,
  });
  // together they predict what none of them has seen
  for (const verb of ['predict', 'evaluate'])
    t.match(
      await work.cellrun(verb, directory),
      {
        code: 2,
        stderr: /its test split has other sequences .*\n.*runs with the same splits, or --input FILE/,
      },
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
  t.match(metrics, /^metric +value +trivial baseline\ntest\.loss /);
  const directory = onlyIn(output, 'sweeps', 'repeated');
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
  const directory = onlyIn(output, 'sweeps', 'rates');
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
  t.match(
    stdout,
    /\nThe best trial with 2 new seeds:\nmetric +mean of 2 seeds +spread +trivial baseline\ntest\.loss /,
  );
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
  const directory = onlyIn(output, 'sweeps', 'rates');
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
  const directory = onlyIn(output, 'sweeps', 'rates');
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
