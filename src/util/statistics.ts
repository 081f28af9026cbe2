/**
 * Statistics of few values:
 *
 * - The signed-rank test for paired samples: Wilcoxon, "Individual comparisons by ranking methods",
 *   Biometrics Bulletin 1 (1945). Zeros are handled as by Pratt, "Remarks on zeros and ties in the
 *   Wilcoxon signed rank procedures", JASA 54 (1959).
 * - The rank-sum test for two independent samples: Mann and Whitney, "On a test of whether one of
 *   two random variables is stochastically larger than the other", Annals of Mathematical
 *   Statistics 18 (1947).
 * - The correction for multiple tests: Holm, "A simple sequentially rejective multiple test
 *   procedure", Scandinavian Journal of Statistics 6 (1979).
 * - Student's t distribution for one-sided tests and intervals.
 * - The correction of folds, whose training sets overlap: Nadeau and Bengio, "Inference for the
 *   Generalization Error", Machine Learning 52 (2003).
 * - Bootstrap confidence intervals by the BCa method (bias-corrected and accelerated) of Efron and
 *   Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 14. The acceleration for several
 *   samples follows Davison and Hinkley, "Bootstrap Methods and their Application" (1997), section
 *   5.3.
 */

import { normalMass, normalQuantile } from './normal.js';
import { momentsOf } from './numbers.js';
import { RandomStream } from './random.js';

/** Twice the rank of each value, from 2. Ties share their mean rank; doubled, it is an integer. */
function doubledRanks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
  const ranks = new Array<number>(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to + 1 < order.length && values[order[to + 1]] === values[order[from]]) to += 1;
    for (let i = from; i <= to; i++) ranks[order[i]] = from + to + 2;
    from = to + 1;
  }
  return ranks;
}

/** Of a statistic at least as extreme as `at`. @param weights of 0, 1, 2 …, any sum */
function twoSided(weights: Float64Array, at: number): number {
  let [below, above] = [0, 0];
  for (const [value, weight] of weights.entries()) {
    if (value <= at) below += weight;
    if (value >= at) above += weight;
  }
  const total = below + above - weights[at];
  // a probability too small for float64 is still above 0
  return Math.max(Number.MIN_VALUE, Math.min(1, (2 * Math.min(below, above)) / total));
}

/**
 * Zeros are ranked with the others and then dropped (Pratt). Ties share their mean rank. The null
 * distribution is exact given the ranks, with ties: all 2^m assignments of signs to the m nonzero
 * differences are equally likely. Takes O(n³) time.
 */
export function wilcoxonSignedRank(differences: readonly number[]) {
  const ranks = doubledRanks(differences.map(Math.abs));
  const signed = differences
    .map((difference, i) => ({ difference, rank: ranks[i] }))
    .filter(({ difference }) => difference !== 0);
  const sum = (sign: number): number =>
    signed.reduce((total, { difference, rank }) => total + (Math.sign(difference) === sign ? rank : 0), 0);
  const [positive, negative] = [sum(1), sum(-1)];
  // without ties all doubled ranks are even, and odd sums are impossible
  const unit = signed.every(({ rank }) => rank % 2 === 0) ? 2 : 1;
  const distribution = signDistribution(
    signed.map(({ rank }) => rank / unit),
    (positive + negative) / unit,
  );
  return {
    positive: positive / 2,
    negative: negative / 2,
    nonzero: signed.length,
    p: twoSided(distribution, positive / unit),
  };
}

/** The smallest p for m nonzero differences: all of one sign. */
export function leastSignedRankP(m: number): number {
  return Math.min(1, 2 ** (1 - m));
}

/** Probability of each sum if each rank is included with probability 1/2; `total` sums them all. */
function signDistribution(ranks: readonly number[], total: number): Float64Array {
  const probabilities = new Float64Array(total + 1);
  probabilities[0] = 1;
  let reached = 0;
  for (const rank of ranks) {
    reached += rank;
    for (let sum = reached; sum >= 0; sum--)
      probabilities[sum] = (probabilities[sum] + (sum >= rank ? probabilities[sum - rank] : 0)) / 2;
  }
  return probabilities;
}

/**
 * Ties share their mean rank. The null distribution is exact given the ranks, with ties: all ways
 * to split the values into the two samples are equally likely. Takes O(n⁴) time. Neither sample may
 * be empty.
 */
export function mannWhitney(first: readonly number[], second: readonly number[]) {
  const ranks = doubledRanks([...first, ...second]);
  const sum = (part: readonly number[]): number => part.reduce((total, rank) => total + rank, 0);
  const [ofFirst, ofSecond] = [ranks.slice(0, first.length), ranks.slice(first.length)];
  // counting the choices of the smaller sample is faster
  const counted = first.length < second.length ? ofFirst : ofSecond;
  const larger = sum(ofSecond) / 2 - (second.length * (second.length + 1)) / 2;
  return {
    /** Number of pairs (x, y) with y > x, where y = x counts half: the statistic U of `second`. */
    larger,
    smaller: first.length * second.length - larger,
    p: twoSided(choices(ranks, counted.length), sum(counted)),
  };
}

/** The smallest p for samples of these sizes: all values of one above all of the other. */
export function leastRankSumP(n: number, m: number): number {
  let combinations = 1;
  for (let i = 1; i <= Math.min(n, m); i++) combinations *= (Math.max(n, m) + i) / i;
  return Math.min(1, 2 / combinations);
}

/** For each sum, the number of subsets of `size` ranks with that sum. */
function choices(ranks: readonly number[], size: number): Float64Array {
  const total = ranks.reduce((sum, rank) => sum + rank, 0);
  const counts = Array.from({ length: size + 1 }, () => new Float64Array(total + 1));
  counts[0][0] = 1;
  for (const [seen, rank] of ranks.entries())
    for (let chosen = Math.min(seen + 1, size); chosen > 0; chosen--) {
      const [into, from] = [counts[chosen], counts[chosen - 1]];
      for (let sum = total; sum >= rank; sum--) into[sum] += from[sum - rank];
    }
  return counts[size];
}

/** Adjusted p-values, in the order given: at most α for a family-wise error rate of at most α. */
export function holm(ps: readonly number[]): number[] {
  const order = ps.map((_, i) => i).sort((a, b) => ps[a] - ps[b]);
  const adjusted = new Array<number>(ps.length);
  let largest = 0;
  for (const [rank, i] of order.entries()) {
    largest = Math.max(largest, Math.min(1, (ps.length - rank) * ps[i]));
    adjusted[i] = largest;
  }
  return adjusted;
}

/**
 * P(T >= t) for t >= 0 with `df` degrees of freedom, not necessarily an integer: half of the
 * regularised incomplete beta function I_x(df/2, 1/2) at x = df / (df + t^2) (Abramowitz and Stegun
 * 26.5.27). Relative error below 1e-10.
 */
export function upperTail(t: number, df: number): number {
  if (t === Number.POSITIVE_INFINITY) return 0;
  return regularizedBeta(df / (df + t * t), df / 2, 0.5) / 2;
}

/** The t whose upper tail is `p`, 0 < p <= 0.5; found by bisection. */
export function upperQuantile(p: number, df: number): number {
  let high = 1;
  while (upperTail(high, df) > p && high < 1e300) high *= 2;
  let low = 0;
  for (let i = 0; i < 200 && high - low > 1e-14 * high; i++) {
    const middle = (low + high) / 2;
    if (upperTail(middle, df) > p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * I_x(a, b) by its continued fraction (DLMF 8.17.22), which converges fast for x below (a + 1) / (a
 * + b + 2); for larger x by symmetry (8.17.4).
 */
function regularizedBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - regularizedBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  return (front / a) * betaFraction(x, a, b);
}

const TINY = 1e-300;

/** Lentz's method as modified by Thompson and Barnett (J. Comput. Phys. 64, 1986). */
function betaFraction(x: number, a: number, b: number): number {
  let [c, d] = [1, 1 / away(1 - ((a + b) * x) / (a + 1))];
  let value = d;
  for (let m = 1; m <= 1000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    for (const term of [even, odd]) {
      d = 1 / away(1 + term * d);
      c = away(1 + term / c);
      value *= c * d;
    }
    if (Math.abs(c * d - 1) < 1e-15) break;
  }
  return value;
}

function away(value: number): number {
  return Math.abs(value) < TINY ? TINY : value;
}

/** Lanczos approximation of log Γ, g = 7, n = 9 (coefficients by P. Godfrey); arguments above 0. */
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const shifted = x - 1;
  const base = shifted + 7.5;
  const sum = LANCZOS.slice(1).reduce((total, c, i) => total + c / (shifted + i + 1), LANCZOS[0]);
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(base) - base + Math.log(sum);
}

/**
 * Student's t of the mean of values of folds, with the variance times 1/n + `ratio` (Nadeau and
 * Bengio). Null for fewer than two values.
 * @param ratio of tested to training sequences
 */
function correctedT(values: readonly number[], ratio: number) {
  if (values.length < 2) return null;
  const { mean, spread } = momentsOf(values);
  return { mean, error: (spread ?? 0) * Math.sqrt(1 / values.length + ratio), df: values.length - 1 };
}

/** 95 % interval of the mean of values of folds. */
export function foldInterval(values: readonly number[], ratio: number) {
  const found = correctedT(values, ratio);
  if (found === null) return null;
  const half = found.error * upperQuantile((1 - LEVEL) / 2, found.df);
  return { low: found.mean - half, high: found.mean + half };
}

/** Two-sided p that the mean difference of folds is 0; 1 if no fold differs. */
export function foldTest(differences: readonly number[], ratio: number): number {
  const found = correctedT(differences, ratio);
  if (found === null || found.mean === 0) return 1;
  return Math.max(Number.MIN_VALUE, 2 * upperTail(Math.abs(found.mean) / found.error, found.df));
}

/**
 * A ratio of sums over independent units, and its 95 % interval by the variance of its
 * linearization (Cochran, "Sampling Techniques", 1977, section 2.11); NaN for fewer than two units.
 */
export function ratioInterval(sums: readonly number[], weights: readonly number[]) {
  const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const [n, weight] = [sums.length, total(weights)];
  const ratio = total(sums) / weight;
  const squares = total(sums.map((sum, i) => (sum - ratio * weights[i]) ** 2));
  const error = Math.sqrt((squares * n) / (n - 1)) / weight;
  const half = n < 2 ? Number.NaN : error * upperQuantile((1 - LEVEL) / 2, n - 1);
  return { ratio, low: ratio - half, high: ratio + half };
}

/** The values of a metric over the resamples of units: 95 % intervals by their percentiles. */
export function resampled<U>(
  units: readonly U[],
  valuesOf: (units: readonly U[]) => Readonly<Record<string, number>>,
  random: RandomStream,
): Readonly<Record<string, { readonly low: number; readonly high: number }>> {
  if (units.length < MIN_VALUES) return {};
  const drawn = new Map<string, number[]>();
  for (let i = 0; i < RESAMPLES_OF_SEQUENCES; i++) {
    const picked = units.map(() => units[random.integer(units.length)]);
    for (const [name, value] of Object.entries(valuesOf(picked)))
      drawn.set(name, [...(drawn.get(name) ?? []), value]);
  }
  const ends = [...drawn].map(([name, values]) => {
    const sorted = Float64Array.from(values).sort();
    return [
      name,
      { low: quantile(sorted, (1 - LEVEL) / 2), high: quantile(sorted, (1 + LEVEL) / 2) },
    ] as const;
  });
  return Object.fromEntries(ends);
}

export const RESAMPLES_OF_SEQUENCES = 1000;
const RESAMPLES = 10_000;
const LEVEL = 0.95;
/** Fewer values have so few resamples (four have 35) that the interval would be too narrow. */
export const MIN_VALUES = 5;

interface Term {
  readonly values: readonly number[];
  readonly sign: 1 | -1;
}

/** Of the mean; null for fewer than five values. Deterministic for the same values in one order. */
export function meanInterval(values: readonly number[]) {
  return values.length < MIN_VALUES ? null : interval([{ values, sign: 1 }]);
}

/** Of the mean of `second` minus that of `first`; null if one has fewer than five values. */
export function differenceInterval(first: readonly number[], second: readonly number[]) {
  if (Math.min(first.length, second.length) < MIN_VALUES) return null;
  return interval([
    { values: first, sign: -1 },
    { values: second, sign: 1 },
  ]);
}

function interval(terms: readonly Term[]) {
  const measured = statistic(terms.map(({ values }) => momentsOf(values).mean));
  function statistic(means: readonly number[]): number {
    return means.reduce((sum, mean, i) => sum + terms[i].sign * mean, 0);
  }
  const random = RandomStream.of(0, 'bootstrap');
  const drawn = new Float64Array(RESAMPLES);
  for (let i = 0; i < RESAMPLES; i++)
    drawn[i] = statistic(terms.map(({ values }) => resampledMean(values, random)));
  drawn.sort();
  // bias correction, (14.14); ties count half
  const below = drawn.reduce(
    (count, value) => count + (value < measured ? 1 : 0) + (value === measured ? 0.5 : 0),
    0,
  );
  const z0 = normalQuantile(below / RESAMPLES);
  const a = acceleration(terms);
  const end = (level: number): number => {
    const z = normalQuantile(level);
    const adjusted = normalMass(Number.NEGATIVE_INFINITY, z0 + (z0 + z) / (1 - a * (z0 + z)));
    return quantile(drawn, Number.isFinite(adjusted) ? adjusted : level);
  };
  return { low: end((1 - LEVEL) / 2), high: end((1 + LEVEL) / 2) };
}

function resampledMean(values: readonly number[], random: RandomStream): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[random.integer(values.length)];
  return sum / values.length;
}

/** (14.15), over all samples. Jackknife means differ from the mean by (mean - value) / (n - 1). */
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

function quantile(sorted: Float64Array, level: number): number {
  const at = Math.min(1, Math.max(0, level)) * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
}
