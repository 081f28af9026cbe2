/**
 * Judges runs of one config against a baseline, and lists what changed since; pins baselines.
 * Unless a limit is given, a metric fails if it is worse by more than the variation between seeds.
 *
 * The rule for the mean of k runs against the n runs of a baseline (mean m, sample standard
 * deviation s) if higher is better:
 *
 * 1. inconclusive if any of the k runs has no finite value;
 * 2. failed if a run with the config, data, code, backend, arithmetic and seed of a pinned run has
 *    another value, else identical;
 * 3. passed if the mean is at least m;
 * 4. inconclusive if n = 1: one run has no spread;
 * 5. failed if a one-sided test at 5 % rejects, else passed as not distinguishable.
 *
 * For k = 1 the test is the prediction interval of a new observation, t = (m - x) / (s sqrt(1 +
 * 1/n)) with n - 1 degrees of freedom (Hahn and Meeker, Statistical Intervals, section 4.7). For
 * k > 1 it is Welch's test, t = (m - mean) / sqrt(s^2/n + s'^2/k), with the degrees of freedom of
 * Welch and Satterthwaite (Welch, Biometrika 34, 1947). Both assume that the values of different
 * seeds are independent and normal.
 */

import { metricsOfKind } from '../../config/metrics.js';
import { dirname, fs } from '../../host/index.js';
import { largerIsBetter, PERFORMANCE } from '../../math/metrics/index.js';
import { type Baseline, type BaselineMetric, readBaseline, summarizeSeeds } from '../../run/baseline.js';
import { makeFolder, writeJsonAtomic } from '../../run/files.js';
import { judgeGate } from '../../run/gates.js';
import { caught, type Diagnostic, UserError, usageError, usageErrors } from '../../util/errors.js';
import { momentsOf } from '../../util/numbers.js';
import { upperQuantile, upperTail } from '../../util/statistics.js';
import { atNamedPlace } from '../../util/system-errors.js';
import {
  type Deciding,
  distinct,
  type Moved,
  movedBetween,
  movedWords,
  otherTask,
  sorted,
} from '../deciding.js';
import type { Comparison, MetricVerdict } from './document.js';
import { meanOf } from './gates.js';
import { notCompleted, notJudgeable, type ReviewedRun } from './run-facts.js';

const SIGNIFICANCE = 0.05;

export interface Limits {
  readonly max_drop?: number | undefined;
  readonly max_regress?: number | undefined;
}

type Judged = Pick<MetricVerdict, 'verdict' | 'reason' | 'value' | 'limit' | 'p'>;

/**
 * Judges runs against a baseline.
 * @param file of the baseline, for messages
 * @param ignored metrics that a gate of the runs' config already compares with a baseline
 */
export function compareWith(
  file: string,
  baseline: Baseline,
  runs: readonly ReviewedRun[],
  limits: Limits,
  ignored: ReadonlySet<string>,
): Comparison {
  const quality = Object.keys(baseline.metrics).filter(
    metric => metric.startsWith('test.') && !ignored.has(metric),
  );
  if (quality.length === 0 && ignored.size === 0) {
    const expected = 'a metric of the test split, such as test.loss';
    throw usageError('review/baseline', 'this baseline has no quality metric', { file, expected });
  }
  const why = notJudgeable(runs);
  const other = otherTaskThan(baseline, runs);
  const judged = (metric: string): Judged => {
    if (why !== undefined) return { verdict: 'inconclusive', value: null, reason: why };
    if (other === undefined) return judgeMetric(metric, baseline, runs, limits);
    return { verdict: 'inconclusive', value: meanOf(runs, run => run.last(metric)) ?? null, reason: other };
  };
  return {
    file,
    moved: movedSince(baseline, runs),
    not_pinned: baseline.datasets.length === 0 ? ['data'] : [],
    metrics: quality.map(metric => {
      const { mean: reference, spread, count } = baseline.metrics[metric];
      return { metric, ...judged(metric), reference, spread, count };
    }),
  };
}

function judgeMetric(
  metric: string,
  baseline: Baseline,
  runs: readonly ReviewedRun[],
  limits: Limits,
): Judged {
  if (limits.max_drop === undefined && limits.max_regress === undefined)
    return judgeNoise(metric, seedsOf(metric, baseline, runs), baseline.metrics[metric]);
  const mean = meanOf(runs, run => run.last(metric));
  const { mean: reference } = baseline.metrics[metric];
  const gate = { metric, over: 'last', baseline: '', reference, origin: '', ...limits } as const;
  const { verdict, value, limit, reason } = judgeGate(gate, mean);
  const allowed =
    limits.max_drop === undefined ? `--max-regress ${limits.max_regress}` : `--max-drop ${limits.max_drop}`;
  return {
    verdict,
    value,
    reason: reason ?? `${verdict === 'passed' ? 'within' : 'beyond'} ${allowed}`,
    ...(limit !== undefined && { limit }),
  };
}

function otherTaskThan(baseline: Baseline, runs: readonly ReviewedRun[]): string | undefined {
  const moved = runs.flatMap(({ deciding }) => (deciding === undefined ? [] : otherTask(baseline, deciding)));
  if (moved.length === 0) return undefined;
  return `measured on another task: ${[...new Set(moved.map(movedWords))].join('; ')}`;
}

function seedsOf(metric: string, baseline: Baseline, runs: readonly ReviewedRun[]): SeedValue[] {
  return runs.map(run => {
    const seed = run.facts.seed ?? 0;
    const pinned = isRepetition(run, baseline) ? baseline.metrics[metric].by_seed[seed] : undefined;
    return { seed, value: run.last(metric), pinned };
  });
}

/** Then its results must be identical to those of the pinned run. */
function isRepetition({ facts, deciding }: ReviewedRun, baseline: Baseline): boolean {
  if (deciding === undefined || facts.git?.dirty === true || baseline.git.some(({ dirty }) => dirty))
    return false;
  const revisions = baseline.git.map(({ revision }) => revision);
  const isSameCode =
    facts.git === null
      ? revisions.length === 0
      : revisions.length === 1 && revisions[0] === facts.git.revision;
  return (
    isSameCode &&
    facts.config_hash !== null &&
    baseline.config_hash_by_seed[String(facts.seed)] === facts.config_hash &&
    movedBetween(baseline, deciding).length === 0
  );
}

function movedSince(baseline: Baseline, runs: readonly ReviewedRun[]): Moved[] {
  const found = new Map<string, Moved>();
  for (const { facts, deciding } of runs) {
    const moved = [
      ...(deciding === undefined ? [] : movedBetween(baseline, deciding)),
      ...movedRevision(baseline, facts.git),
    ];
    for (const change of moved) found.set(JSON.stringify(change), change);
  }
  return [...found.values()];
}

function movedRevision({ git }: Baseline, now: ReviewedRun['facts']['git']): Moved[] {
  const words = (state: typeof now): string | null =>
    state === null ? null : `${state.revision}${state.dirty ? ' with changes' : ''}`;
  const before = git.map(words);
  if (before.includes(words(now)) || (now === null && git.length === 0)) return [];
  return [{ what: 'code', key: 'git', from: before.join(', ') || null, to: words(now) }];
}

/** `pinned` is set if the run repeats a run of the baseline; both must then be identical. */
export interface SeedValue {
  readonly seed: number;
  readonly value: number | undefined;
  readonly pinned: number | undefined;
}

/** @param runs at least one */
export function judgeNoise(metric: string, runs: readonly SeedValue[], baseline: BaselineMetric): Judged {
  const values = runs
    .map(({ value }) => value)
    .filter(value => value !== undefined && Number.isFinite(value));
  if (values.length < runs.length)
    return { verdict: 'inconclusive', value: null, reason: 'at least one run has no finite value' };
  const numbers = values as number[];
  const value = momentsOf(numbers).mean;
  const other = runs.find(run => run.pinned !== undefined && !Object.is(run.pinned, run.value));
  if (other)
    return {
      verdict: 'failed',
      value,
      reason: `not identical: seed ${other.seed} reached ${other.pinned} with the same config, data and code`,
    };
  if (runs.every(({ pinned }) => pinned !== undefined))
    return { verdict: 'passed', value, reason: 'identical' };
  return judgeDifference(metric, numbers, baseline);
}

function judgeDifference(metric: string, values: readonly number[], baseline: BaselineMetric): Judged {
  const value = momentsOf(values).mean;
  const worse = largerIsBetter(metric) ? baseline.mean - value : value - baseline.mean;
  const noise = noiseOf(values, baseline);
  const limit = noise && { limit: limitOf(metric, baseline, noise) };
  if (worse <= 0)
    return { verdict: 'passed', value, reason: worse === 0 ? 'equal' : 'better than the mean', ...limit };
  if (!noise)
    return {
      verdict: 'inconclusive',
      value,
      reason: 'worse, but a single run does not show the variation between seeds',
    };
  const p = noise.error === 0 ? 0 : upperTail(worse / noise.error, noise.df);
  return p < SIGNIFICANCE
    ? { verdict: 'failed', value, reason: 'worse by more than the variation between seeds', p, ...limit }
    : { verdict: 'passed', value, reason: 'not distinguishable', p, ...limit };
}

function noiseOf(values: readonly number[], { count: n, spread }: BaselineMetric) {
  if (spread === null) return undefined;
  const k = values.length;
  const spreadWithin = momentsOf(values).spread;
  if (spreadWithin === null) return { error: spread * Math.sqrt(1 + 1 / n), df: n - 1 };
  const [a, b] = [spread ** 2 / n, spreadWithin ** 2 / k];
  // without any noise, the degrees of freedom do not matter
  const df = a + b === 0 ? n + k - 2 : (a + b) ** 2 / (a ** 2 / (n - 1) + b ** 2 / (k - 1));
  return { error: Math.sqrt(a + b), df };
}

function limitOf(
  metric: string,
  { mean }: BaselineMetric,
  { error, df }: { error: number; df: number },
): number {
  const slack = error === 0 ? 0 : upperQuantile(SIGNIFICANCE, df) * error;
  return largerIsBetter(metric) ? mean - slack : mean + slack;
}

/** Writes a baseline of the runs. Refuses to overwrite another file, or a damaged baseline. */
export function pin(file: string, runs: readonly ReviewedRun[]): void {
  if (fs.existsSync(file) && caught(() => readBaseline(file)) instanceof UserError)
    throw usageError('review/pin', 'this file is not a baseline and is not overwritten', {
      file,
      expected: 'a baseline, or a file that does not exist yet',
    });
  const baseline = baselineOf(runs);
  makeFolder(dirname(file), file, 'its folder');
  atNamedPlace(() => writeJsonAtomic(file, baseline));
}

function baselineOf(given: readonly ReviewedRun[]): Baseline {
  const runs = [...given].sort(
    (a, b) => (a.facts.seed ?? 0) - (b.facts.seed ?? 0) || (a.facts.directory < b.facts.directory ? -1 : 1),
  );
  const problems = runs.flatMap(run => incomplete(run));
  if (problems.length > 0) throw usageErrors(problems);
  const [first] = runs;
  // complete runs have a manifest
  const deciding = first.deciding as Deciding;
  const others = runs.slice(1).flatMap((run, i) => [...different(deciding, run), ...sameSeed(runs[i], run)]);
  if (others.length > 0) throw usageErrors(others);
  return {
    version: 1,
    name: first.facts.name,
    metrics: measured(runs),
    config_hash_by_seed: bySeed(runs, ({ facts }) => facts.config_hash as string),
    config: deciding.config,
    datasets: deciding.datasets,
    versions: deciding.versions,
    backend: {
      ...deciding.backend,
      threads: distinct(runs.map(({ facts }) => facts.backend?.threads ?? null)),
    },
    git: distinct(
      runs.flatMap(({ facts: { git } }) => (git ? [{ revision: git.revision, dirty: git.dirty }] : [])),
    ),
  };
}

function refusal({ facts }: ReviewedRun, message: string): Diagnostic {
  return { code: 'review/pin', message, file: facts.directory };
}

function incomplete(run: ReviewedRun): Diagnostic[] {
  const why = notCompleted(run) ?? (run.deciding === undefined ? 'the run has no manifest' : undefined);
  if (why !== undefined) return [refusal(run, `${why}, and only completed runs are pinned`)];
  const unfit = quality(run).filter(metric => !Number.isFinite(run.last(metric)));
  const doubt = unfit.length > 0 ? undefined : run.doubt;
  return [
    ...unfit.map(metric => {
      const found = run.last(metric) === undefined ? 'was not measured' : `is ${run.last(metric)}`;
      return refusal(run, `${metric} ${found}, and only finite values are pinned`);
    }),
    ...(doubt ? [refusal(run, `${doubt.reason}, and only runs whose files agree are pinned`)] : []),
  ];
}

/**
 * The metrics that every run with this loss reports, and all others that were measured on the
 * validation and test splits.
 */
function quality({ deciding, facts }: ReviewedRun): readonly string[] {
  const { validation = {}, test = {} } = facts.metrics ?? {};
  const measured = Object.entries({ validation, test }).flatMap(([split, metrics]) =>
    Object.keys(metrics).map(metric => `${split}.${metric}`),
  );
  // a config may list other metrics than the default of its loss
  const hasOwn = Object.keys(test).some(metric => metric !== 'loss');
  const always = metricsOfKind(deciding?.config['loss.kind']).filter(
    metric => !hasOwn || metric.endsWith('.loss'),
  );
  return [...new Set([...always, ...measured])];
}

function different(before: Deciding, run: ReviewedRun): Diagnostic[] {
  const moved = movedBetween(before, run.deciding as Deciding);
  return moved.map(change =>
    refusal(run, `${movedWords(change)}: runs of a baseline may differ only in their seed`),
  );
}

function sameSeed(before: ReviewedRun, run: ReviewedRun): Diagnostic[] {
  const { seed } = run.facts;
  if (before.facts.seed !== seed) return [];
  return [refusal(run, `seed ${seed} is also that of ${before.facts.directory}; pin one of them`)];
}

function measured(runs: readonly ReviewedRun[]): Baseline['metrics'] {
  const names = [...quality(runs[0]), ...PERFORMANCE];
  // some machines and versions do not measure all of them
  const known = names.filter(metric => runs.every(run => Number.isFinite(run.last(metric))));
  const entries = known.map(
    metric => [metric, summarizeSeeds(bySeed(runs, run => run.last(metric) as number))] as const,
  );
  return sorted(Object.fromEntries(entries));
}

function bySeed<T>(runs: readonly ReviewedRun[], measure: (run: ReviewedRun) => T): Record<string, T> {
  return Object.fromEntries(runs.map(run => [String(run.facts.seed), measure(run)]));
}
