/**
 * Bootstrap confidence intervals by the BCa method (bias-corrected and accelerated) of Efron and
 * Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 14. The acceleration for several
 * samples follows Davison and Hinkley, "Bootstrap Methods and their Application" (1997), section
 * 5.3.
 */
import { momentsOf } from '../../run/baseline.js';
import { normalMass, normalQuantile } from '../../util/normal.js';
import { RandomStream } from '../../util/random.js';
import type { Interval } from './interval.js';

const RESAMPLES = 10_000;
const LEVEL = 0.95;
/**
 * Fewer values have so few different resamples (four values have 35) that the interval would be
 * much too narrow.
 */
const MIN_VALUES = 5;

/** A sample whose mean is added to the statistic, or subtracted from it. */
interface Term {
  readonly values: readonly number[];
  readonly sign: 1 | -1;
}

/**
 * Interval of the mean of a sample; null for fewer than five values. Deterministic for the same
 * values in the same order.
 */
export function meanInterval(values: readonly number[]): Interval | null {
  return values.length < MIN_VALUES ? null : interval([{ values, sign: 1 }]);
}

/**
 * Interval of the mean of `second` minus the mean of `first`, which are independent; null if one
 * has fewer than five values.
 */
export function differenceInterval(first: readonly number[], second: readonly number[]): Interval | null {
  if (Math.min(first.length, second.length) < MIN_VALUES) return null;
  const terms: Term[] = [
    { values: first, sign: -1 },
    { values: second, sign: 1 },
  ];
  // drawn in an order that does not depend on the arguments', so that swapping these only changes
  // the sign
  return interval(terms.sort((a, b) => compareLists(a.values, b.values)));
}

function interval(terms: readonly Term[]): Interval {
  const measured = statistic(terms.map(({ values }) => momentsOf(values).mean));
  function statistic(means: readonly number[]): number {
    return means.reduce((sum, one, i) => sum + terms[i].sign * one, 0);
  }
  const random = RandomStream.of(0, 'bootstrap');
  const drawn = new Float64Array(RESAMPLES);
  for (let i = 0; i < RESAMPLES; i++)
    drawn[i] = statistic(terms.map(({ values }) => resampledMean(values, random)));
  drawn.sort();
  // bias correction, (14.14); ties count half
  const below = drawn.reduce(
    (count, one) => count + (one < measured ? 1 : 0) + (one === measured ? 0.5 : 0),
    0,
  );
  const z0 = normalQuantile(below / RESAMPLES);
  const a = acceleration(terms);
  const end = (level: number): number => {
    const z = normalQuantile(level);
    const share = normalMass(Number.NEGATIVE_INFINITY, z0 + (z0 + z) / (1 - a * (z0 + z)));
    return quantile(drawn, Number.isFinite(share) ? share : level);
  };
  return { low: end((1 - LEVEL) / 2), high: end((1 + LEVEL) / 2) };
}

function resampledMean(values: readonly number[], random: RandomStream): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[random.integer(values.length)];
  return sum / values.length;
}

/**
 * (14.15), summed over the samples. Jackknife means differ from the mean by (mean - value) / (n -
 * 1).
 */
function acceleration(terms: readonly Term[]): number {
  let [cubes, squares] = [0, 0];
  for (const { values, sign } of terms) {
    const [n, center] = [values.length, momentsOf(values).mean];
    for (const value of values) {
      const influence = sign * (value - center);
      cubes += influence ** 3 / n ** 3;
      squares += influence ** 2 / n ** 2;
    }
  }
  return squares === 0 ? 0 : cubes / (6 * squares ** 1.5);
}

/** Quantile with linear interpolation between sorted values. */
function quantile(sorted: Float64Array, share: number): number {
  const at = Math.min(1, Math.max(0, share)) * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
}

function compareLists(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i]);
  return a.length - b.length || (at < 0 ? 0 : a[at] - b[at]);
}
