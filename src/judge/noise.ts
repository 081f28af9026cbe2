/**
 * Decides whether a metric is worse than its baseline by more than the noise between seeds.
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
import { largerIsBetter } from '../math/metrics/index.js';
import { type BaselineMetric, momentsOf } from '../run/baseline.js';
import type { Verdict } from '../run/events.js';
import { upperQuantile, upperTail } from './statistics.js';

export const SIGNIFICANCE = 0.05;

/** `pinned` is set if the run repeats a run of the baseline; both must then be identical. */
export interface SeedValue {
  readonly seed: number;
  readonly value: number | undefined;
  readonly pinned: number | undefined;
}

export interface NoiseVerdict {
  readonly verdict: Verdict;
  readonly reason: string;
  readonly value: number | null;
  /** The worst value that is not distinguishable; absent if the baseline's noise is unknown. */
  readonly limit?: number;
  /** Probability of a value this bad or worse if nothing changed. */
  readonly p?: number;
}

/** @param runs at least one */
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
      reason: 'at least one run has no finite value',
    };
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

function judgeDifference(metric: string, values: readonly number[], baseline: BaselineMetric): NoiseVerdict {
  const value = momentsOf(values).mean;
  const worse = largerIsBetter(metric) ? baseline.mean - value : value - baseline.mean;
  const noise = noiseOf(values, baseline);
  const limit = noise && { limit: limitOf(metric, baseline, noise) };
  if (worse <= 0)
    return { verdict: 'passed', value, reason: worse === 0 ? 'equal' : 'better than the mean', ...limit };
  if (!noise)
    return { verdict: 'inconclusive', value, reason: 'worse, but one run gives no estimate of the noise' };
  const p = noise.error === 0 ? 0 : upperTail(worse / noise.error, noise.df);
  return p < SIGNIFICANCE
    ? { verdict: 'failed', value, reason: 'worse by more than the noise', p, ...limit }
    : { verdict: 'passed', value, reason: 'not distinguishable', p, ...limit };
}

interface Noise {
  readonly error: number;
  readonly df: number;
}

function noiseOf(values: readonly number[], { count: n, spread }: BaselineMetric): Noise | undefined {
  if (spread === null) return undefined;
  const k = values.length;
  const own = momentsOf(values).spread;
  if (own === null) return { error: spread * Math.sqrt(1 + 1 / n), df: n - 1 };
  const [a, b] = [spread ** 2 / n, own ** 2 / k];
  // without any noise, the degrees of freedom do not matter
  const df = a + b === 0 ? n + k - 2 : (a + b) ** 2 / (a ** 2 / (n - 1) + b ** 2 / (k - 1));
  return { error: Math.sqrt(a + b), df };
}

function limitOf(metric: string, { mean }: BaselineMetric, { error, df }: Noise): number {
  const slack = error === 0 ? 0 : upperQuantile(SIGNIFICANCE, df) * error;
  return largerIsBetter(metric) ? mean - slack : mean + slack;
}
