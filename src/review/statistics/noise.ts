/**
 * Whether a metric is worse than its baseline by more than its noise, which is what seeds alone make of it.
 *
 * The rule, for the mean of k runs against the n runs of a baseline (mean m, sample standard deviation s):
 * 1. not measured or not finite in any of the runs: inconclusive;
 * 2. a run of the same config, data, code, backend, arithmetic and seed as a pinned one must have its very value: identical, else failed;
 * 3. as good as the baseline's mean, or better: passed;
 * 4. worse, and n = 1: inconclusive, for one run has no spread;
 * 5. worse: failed where a one-sided test at 5 % says so, else passed as not distinguishable. For k = 1 that is the prediction interval of a
 *    new observation, t = (m - x) / (s sqrt(1 + 1/n)) with n - 1 degrees of freedom (Hahn and Meeker, Statistical Intervals, section 4.7);
 *    for k > 1 Welch's test, t = (m - mean) / sqrt(s^2/n + s'^2/k), with the degrees of freedom of Welch and Satterthwaite
 *    (Welch, Biometrika 34, 1947). Both take the values of different seeds as independent and normal.
 */
import { largerIsBetter } from '../../config/rules/metrics.js';
import { type BaselineMetric, momentsOf } from '../../experiment/judging/baseline.js';
import type { Verdict } from '../../experiment/log/events.js';
import { upperQuantile, upperTail } from './student-t.js';

/** The chance to fail a run that is as good as the baseline. */
export const SIGNIFICANCE = 0.05;

/** A run's value; `pinned` where it is a repetition of one of the baseline's runs, and must have its value. */
export interface SeedValue {
  readonly seed: number;
  readonly value: number | undefined;
  readonly pinned: number | undefined;
}

export interface NoiseVerdict {
  readonly verdict: Verdict;
  /** How it came about, in a few words. */
  readonly reason: string;
  /** Mean of the runs; null where it cannot be told. */
  readonly value: number | null;
  /** The worst value that is not distinguishable; absent where the baseline's noise is not known. */
  readonly limit?: number;
  /** The chance of a value this bad or worse, were nothing different. */
  readonly p?: number;
}

/** @param runs one at least */
export function judgeNoise(
  metric: string,
  runs: readonly SeedValue[],
  baseline: BaselineMetric,
): NoiseVerdict {
  const values = runs
    .map(({ value }) => value)
    .filter(value => value !== undefined && Number.isFinite(value));
  if (values.length < runs.length)
    return {
      verdict: 'inconclusive',
      value: null,
      reason: 'it was not measured, or is not finite, in every run',
    };
  const numbers = values as number[];
  const value = momentsOf(numbers).mean;
  const other = runs.find(run => run.pinned !== undefined && !Object.is(run.pinned, run.value));
  if (other)
    return {
      verdict: 'failed',
      value,
      reason: `not identical: seed ${other.seed} gave ${other.pinned} with the same config, data and code`,
    };
  if (runs.every(({ pinned }) => pinned !== undefined))
    return { verdict: 'passed', value, reason: 'identical' };
  return judgeDifference(metric, numbers, baseline);
}

function judgeDifference(metric: string, values: readonly number[], baseline: BaselineMetric): NoiseVerdict {
  const value = momentsOf(values).mean;
  const worse = largerIsBetter(metric) ? baseline.mean - value : value - baseline.mean;
  const noise = noiseOf(values, baseline);
  const limit = noise && { limit: limitOf(metric, baseline, noise) };
  if (worse <= 0)
    return { verdict: 'passed', value, reason: worse === 0 ? 'equal' : 'better than the mean', ...limit };
  if (!noise)
    return { verdict: 'inconclusive', value, reason: 'worse, and one run has no noise to compare with' };
  const p = noise.error === 0 ? 0 : upperTail(worse / noise.error, noise.df);
  return p < SIGNIFICANCE
    ? { verdict: 'failed', value, reason: 'worse by more than the noise', p, ...limit }
    : { verdict: 'passed', value, reason: 'not distinguishable', p, ...limit };
}

interface Noise {
  /** Standard error of the difference. */
  readonly error: number;
  readonly df: number;
}

function noiseOf(values: readonly number[], { count: n, spread }: BaselineMetric): Noise | undefined {
  if (spread === null) return undefined;
  const k = values.length;
  const own = momentsOf(values).spread;
  if (own === null) return { error: spread * Math.sqrt(1 + 1 / n), df: n - 1 };
  const [a, b] = [spread ** 2 / n, own ** 2 / k];
  // two sets of equal values have no noise, and no degrees of freedom that matter
  const df = a + b === 0 ? n + k - 2 : (a + b) ** 2 / (a ** 2 / (n - 1) + b ** 2 / (k - 1));
  return { error: Math.sqrt(a + b), df };
}

function limitOf(metric: string, { mean }: BaselineMetric, { error, df }: Noise): number {
  const slack = error === 0 ? 0 : upperQuantile(SIGNIFICANCE, df) * error;
  return largerIsBetter(metric) ? mean - slack : mean + slack;
}
