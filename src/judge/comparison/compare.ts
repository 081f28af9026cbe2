/**
 * Compares runs: their configs and facts, their metrics, whether these differ by more than chance,
 * and their learning curves. Each side is tested against the first, paired by seed if they share
 * enough seeds.
 */

import type { MetricName } from '../../config/schema/experiment.js';
import { largerIsBetter, METRICS } from '../../math/metrics/index.js';
import { metricValue } from '../../run/gates.js';
import type { Curve, RunHistory } from '../../run/history.js';
import { nonFiniteName } from '../../run/json.js';
import type { RunRecord } from '../../run/run.js';
import { foldRatio } from '../../sweep/results.js';
import { momentsOf } from '../../util/numbers.js';
import {
  differenceInterval,
  foldInterval,
  foldTest,
  holm,
  leastRankSumP,
  leastSignedRankP,
  mannWhitney,
  meanInterval,
  wilcoxonSignedRank,
} from '../../util/statistics.js';
import { counted } from '../../util/words.js';
import type {
  Comparison,
  ComparisonVerdict,
  MetricComparison,
  MetricOfSide,
  Performance,
  SideComparison,
  SideInfo,
  TestResult,
} from './document.js';
import {
  configDifferences,
  countedRuns,
  factDifferences,
  factNotes,
  type Group,
  type Side,
  sidesOf,
} from './sides.js';

/**
 * @param metrics those to compare; if empty, all
 * @param all whether to also list equal settings
 */
export function comparisonOf(
  groups: readonly Group[],
  metrics: readonly MetricName[] = [],
  all = false,
  left_out: Comparison['left_out'] = [],
) {
  const { sides, notes } = sidesOf(groups);
  const wanted = metrics.length > 0 ? metrics : metricsOf(sides);
  const comparison: Comparison = {
    version: 1,
    sides: sides.map(infoOf),
    config: configDifferences(sides, all),
    facts: factDifferences(sides, all),
    metrics: wanted.map(metric => compareMetric(sides, metric)),
    performance: sides.map(performanceOf),
    left_out,
    notes: [...notes, ...foldNotes(sides), ...factNotes(sides)],
  };
  return { comparison, sides };
}

function foldNotes([first, ...others]: readonly Side[]): string[] {
  const apart = others.filter(side => commonFolds(first, side) === null);
  if (apart.length === 0) return [];
  const names = apart.map(({ id }) => id).join(', ');
  return [`${names} and ${first.id} are not tested on the same folds, so their values are not paired`];
}

function infoOf(side: Side): SideInfo {
  const folds = countedRuns(side).flatMap(({ fold }) => fold ?? []);
  return {
    id: side.id,
    name: side.name,
    seeds: [...new Set(countedRuns(side).flatMap(({ seed }) => seed ?? []))],
    ...(folds.length > 0 && { folds }),
    runs: side.runs.map(({ record, seed, fold, leftOut }) => ({
      run_id: record.id,
      directory: record.directory.path,
      seed,
      ...(fold !== null && { fold }),
      left_out: leftOut,
    })),
  };
}

function performanceOf(side: Side): Performance {
  const runs = countedRuns(side).map(({ record }) => record);
  const meanOf = (read: (run: RunRecord) => number | null | undefined): number | null => {
    const values = runs.flatMap(run => read(run) ?? []);
    return values.length === 0 ? null : momentsOf(values).mean;
  };
  return {
    side: side.id,
    ms_per_step: meanOf(({ summary }) => summary?.ms_per_step),
    duration_s: meanOf(({ summary }) => summary?.duration_s),
    peak_rss_mb: meanOf(({ summary }) => summary?.peak_rss_mb),
    machines: [...new Set(runs.flatMap(machineOf))].sort(),
  };
}

function machineOf({ manifest }: RunRecord): string[] {
  if (manifest === undefined) return [];
  const { machine, backend } = manifest;
  const threads = backend.threads === null ? [] : [`threads ${backend.threads}`];
  const device = backend.adapter ?? machine.cpu;
  return [[device, `${machine.cores} cores`, backend.name, ...threads].join(', ')];
}

function metricsOf(sides: readonly Side[]): MetricName[] {
  const runs = sides.flatMap(countedRuns);
  return METRICS.filter(metric => runs.some(({ record }) => metricOf(record, metric) !== undefined));
}

function compareMetric(sides: readonly Side[], metric: MetricName): MetricComparison {
  const measured = sides.map(side => measure(side, metric));
  return {
    metric,
    larger_is_better: largerIsBetter(metric),
    sides: measured,
    comparisons: compareValues(sides, measured, largerIsBetter(metric)),
  };
}

function measure(side: Side, metric: MetricName): MetricOfSide {
  const runs = countedRuns(side).map(({ record, seed, fold }) => {
    const value = metricOf(record, metric);
    return { run_id: record.id, seed, fold, value, reason: reasonToLeaveOut(value, seed) };
  });
  const values = runs.flatMap(({ run_id, seed, fold, value, reason }) =>
    reason !== null || value === undefined || seed === null
      ? []
      : [{ seed, ...(fold !== null && { fold }), run_id, value }],
  );
  const numbers = values.map(({ value }) => value);
  return {
    side: side.id,
    n: numbers.length,
    ...(numbers.length === 0 ? { mean: null, spread: null } : momentsOf(numbers)),
    best: numbers.length === 0 ? null : Math[largerIsBetter(metric) ? 'max' : 'min'](...numbers),
    values,
    left_out: runs.flatMap(({ run_id, reason }) => (reason === null ? [] : [{ run_id, reason }])),
  };
}

function metricOf({ summary }: RunRecord, metric: MetricName): number | undefined {
  return summary && metricValue(summary.metrics, metric);
}

function reasonToLeaveOut(value: number | undefined, seed: number | null): string | null {
  if (value === undefined) return 'it was not measured';
  const name = nonFiniteName(value);
  if (name !== undefined) return `its value is ${name}`;
  return seed === null ? 'its seed is not known' : null;
}

/** Probability, over all comparisons, of reporting a difference if there is none. */
const ALPHA = 0.05;
const MANY = 100;

type Compared = ReturnType<typeof compareSides>;

function compareValues(
  sides: readonly Side[],
  [first, ...others]: readonly MetricOfSide[],
  largerIsBetter: boolean,
): SideComparison[] {
  const compared = others.map((other, i) => compareSides(first, other, commonFolds(sides[0], sides[i + 1])));
  const tested = compared.filter(({ test }) => test !== null);
  const ps = tested.flatMap(({ test }) => test?.p ?? []);
  const adjusted = holm(ps);
  return compared.map(metric => {
    const at = tested.indexOf(metric);
    const test = metric.test && { ...metric.test, p_adjusted: adjusted[at] };
    return { ...metric.told, test, ...judge(metric, test, { largerIsBetter, others: ps.toSpliced(at, 1) }) };
  });
}

/**
 * The ratio of tested to training sequences if both sides have the same folds; null if one has
 * folds, and the other has not the same ones; undefined if none has.
 */
function commonFolds(...sides: readonly Side[]): number | null | undefined {
  const runs = sides.map(side => countedRuns(side));
  if (runs.flat().every(({ fold }) => fold === null)) return undefined;
  const foldsOf = (members: readonly { readonly record: RunRecord; readonly fold: number | null }[]) =>
    JSON.stringify(members.map(({ record, fold }) => [fold, divisionOf(record)]));
  if (foldsOf(runs[0]) !== foldsOf(runs[1])) return null;
  return foldRatio(runs[0][0].record.config, runs[0].length);
}

/** What decides which sequences are in a fold. */
function divisionOf({ config, manifest }: RunRecord): unknown {
  const { seed = config.seed, test, sequence, pattern, series, target, ...data } = Object(config.dataset);
  const { of: outOf, select, group } = Object(test);
  const { order, resample: _, ...units } = Object(sequence);
  // other folds are drawn: when sequences start does not matter
  const isByTime = select === 'last' || data.kind === 'forecast';
  const times = isByTime ? [order, data.time, data.date_format, data.resample] : [];
  const files = manifest?.datasets.map(({ sha256 }) => sha256);
  return [outOf, select, group, seed, units, pattern, series, target, times, files];
}

/** @param ratio see {@link commonFolds} */
function compareSides(first: MetricOfSide, second: MetricOfSide, ratio: number | null | undefined) {
  const numberOf = ({ seed, fold = seed }: MetricOfSide['values'][number]): number => fold;
  const byNumber = new Map(first.values.map(entry => [numberOf(entry), entry.value]));
  const pairs = (ratio === null ? [] : second.values).flatMap(({ value, ...entry }) => {
    const before = byNumber.get(numberOf({ value, ...entry }));
    return before === undefined ? [] : [[before, value] as const];
  });
  const both = first.n + second.n;
  const smaller = Math.min(first.n, second.n);
  // pairing by few shared seeds would discard most values
  const paired = pairs.length > 0 && 2 * pairs.length >= smaller;
  const names = { side: second.side, against: first.side, paired };
  const counts = paired ? { n: pairs.length, unpaired: both - 2 * pairs.length } : { n: both, unpaired: 0 };
  const { difference, interval, ...rest } = paired
    ? ofPairs(pairs, ratio ?? undefined)
    : ofSamples(first, second);
  return { told: { ...names, ...counts, difference, interval }, smaller, ...rest };
}

type Pair = readonly [first: number, second: number];

/** @param ratio of folds, that of tested to training sequences */
function ofPairs(pairs: readonly Pair[], ratio: number | undefined) {
  const differences = differencesOf(pairs);
  const difference = momentsOf(differences).mean;
  const isIdentical = pairs.every(([a, b]) => a === b);
  if (ratio !== undefined) {
    return {
      difference,
      interval: foldInterval(differences, ratio),
      test: { name: 'corrected_t' as const, p: foldTest(differences, ratio), p_least: 0 },
      direction: Math.sign(difference),
      isIdentical,
      leastP: (n: number) => (n < 2 ? 1 : 0),
    };
  }
  const { positive, negative, nonzero, p } = wilcoxonSignedRank(differences);
  return {
    difference,
    interval: meanInterval(differences),
    test: { name: 'wilcoxon_signed_rank' as const, p, p_least: leastSignedRankP(nonzero) },
    direction: agreed(positive - negative, difference),
    isIdentical,
    // the smallest p that `n` pairs can reach
    leastP: leastSignedRankP,
  };
}

function ofSamples(first: MetricOfSide, second: MetricOfSide) {
  // the smallest p that `n` runs on each side can reach
  const untested = { isIdentical: false, leastP: (n: number) => leastRankSumP(n, n) };
  const [a, b] = [first, second].map(({ values }) => values.map(({ value }) => value));
  if (a.length === 0 || b.length === 0)
    return { ...untested, difference: null, interval: null, test: null, direction: 0 };
  const { larger, smaller, p } = mannWhitney(a, b);
  const difference = momentsOf(b).mean - momentsOf(a).mean;
  return {
    ...untested,
    difference,
    interval: differenceInterval(a, b),
    test: { name: 'mann_whitney' as const, p, p_least: leastRankSumP(a.length, b.length) },
    direction: agreed(larger - smaller, difference),
  };
}

/** 1 for larger values, -1 for smaller; 0 if ranks and mean disagree, as an outlier can cause. */
function agreed(ranks: number, difference: number): number {
  return Math.sign(ranks) === Math.sign(difference) ? Math.sign(ranks) : 0;
}

/**
 * Second minus first. Values that differ only by rounding count as ties: differences are rounded to
 * 2^-48 of the largest value, 16 times the rounding error of float64.
 */
function differencesOf(pairs: readonly Pair[]): number[] {
  const largest = Math.max(...pairs.flat().map(Math.abs));
  const unit = 2 ** (Math.floor(Math.log2(largest)) - 48);
  return pairs.map(([a, b]) => {
    const difference = b - a;
    if (!(unit > 0) || !Number.isFinite(difference / unit)) return difference;
    return Math.sign(difference) * Math.round(Math.abs(difference) / unit) * unit;
  });
}

function judge(
  compared: Compared,
  test: TestResult | null,
  { largerIsBetter, others }: { readonly largerIsBetter: boolean; readonly others: readonly number[] },
): { verdict: ComparisonVerdict; reason: string | null } {
  if (test === null) return { verdict: 'no value', reason: 'one side has no valid value' };
  if (compared.isIdentical) return { verdict: 'identical', reason: null };
  const { direction, smaller } = compared;
  if (smaller === 1) return { verdict: 'cannot tell', reason: oneSeed(compared, others) };
  if (test.p_adjusted <= ALPHA) {
    if (direction === 0)
      return { verdict: 'not distinguishable', reason: 'its mean and its ranks differ in direction' };
    return { verdict: direction > 0 === largerIsBetter ? 'better' : 'worse', reason: null };
  }
  return { verdict: 'not distinguishable', reason: tooFew(compared, test, others) };
}

function oneSeed({ told: { paired }, leastP }: Compared, others: readonly number[]): string {
  const needed = neededFor(leastP, others);
  const enough = paired ? `${needed} seeds on both sides` : `${needed} seeds per side`;
  return `one seed is not enough; at least ${enough} are needed to reach the 5 % level`;
}

/** The smallest number of pairs, or of runs per side, that can reach the level. */
function neededFor(leastP: Compared['leastP'], others: readonly number[]): number {
  let needed = 2;
  while (needed <= MANY && !reaches(leastP(needed), others)) needed += 1;
  return needed;
}

function reaches(p: number, others: readonly number[]): boolean {
  return holm([p, ...others])[0] <= ALPHA;
}

/** Explains that no values could have reached the level; null if some could. */
function tooFew(
  { told: { paired, n }, leastP }: Compared,
  test: TestResult,
  others: readonly number[],
): string | null {
  if (reaches(test.p_least, others)) return null;
  const needed = neededFor(leastP, others);
  const corrected = others.length > 0 ? `, corrected for ${others.length + 1} comparisons` : '';
  const what = paired ? counted(n, 'pair') : `${counted(n, 'run')} without common seeds`;
  const zeros = paired && leastP(n) < test.p_least ? ', some of which do not differ,' : '';
  const enough = paired ? `${needed} pairs` : `${needed} runs per side`;
  return `${what}${zeros} cannot reach the 5 % level${corrected}; at least ${enough} are needed`;
}

export interface SideHistories {
  readonly side: string;
  readonly histories: readonly RunHistory[];
}

export function curveNames(sides: readonly SideHistories[]): string[] {
  return [
    ...new Set(sides.flatMap(({ histories }) => histories.flatMap(({ curves }) => Object.keys(curves)))),
  ].sort();
}

/** The mean curve of each side that has one, by epoch if the lengths of epochs differ. */
export function compareCurves(sides: readonly SideHistories[], name: string) {
  const lengths = new Set(sides.flatMap(({ histories }) => histories.map(stepsPerEpoch)));
  const byEpoch = lengths.size > 1 && !lengths.has(undefined);
  const curves = sides.map(({ side, histories }) => {
    const scaled = histories.flatMap(history => {
      const { [name]: curve } = history.curves;
      const unit = byEpoch ? (stepsPerEpoch(history) ?? 1) : 1;
      return curve === undefined ? [] : [{ ...curve, steps: curve.steps.map(step => step / unit) }];
    });
    return { side, points: meanCurve(scaled) };
  });
  return {
    axis: byEpoch ? ('epoch' as const) : ('step' as const),
    sides: curves.filter(({ points }) => points.length > 0),
  };
}

function stepsPerEpoch({ epochs: [first] }: RunHistory): number | undefined {
  return first && first.step / first.epoch;
}

/** At every x where any curve was measured; curves are interpolated. */
function meanCurve(curves: readonly Curve[]) {
  const places = [...new Set(curves.flatMap(({ steps }) => steps))].sort((a, b) => a - b);
  const readers = curves.map(curveReader);
  return places.flatMap(x => {
    const values = readers.flatMap(read => read(x) ?? []);
    return values.length === 0 ? [] : [{ x, y: momentsOf(values).mean, runs: values.length }];
  });
}

/** Reads a curve at ascending x; null outside of it and next to values that are not finite. */
function curveReader({ steps: xs, values: ys }: Curve): (x: number) => number | null {
  let at = 0;
  return x => {
    while (at + 1 < xs.length && xs[at + 1] <= x) at += 1;
    if (at >= xs.length || x < xs[at]) return null;
    const here = ys[at];
    if (x === xs[at] || here === null) return here;
    const next = ys[at + 1] ?? null;
    return next === null ? null : here + ((next - here) * (x - xs[at])) / (xs[at + 1] - xs[at]);
  };
}
