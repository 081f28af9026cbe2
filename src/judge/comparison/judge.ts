/**
 * Tests each side against the first for a significant difference, paired by seed if they share
 * enough seeds.
 */

import { momentsOf } from '../../run/baseline.js';
import { counted } from '../../util/words.js';
import { differenceInterval, meanInterval } from '../statistics/bootstrap.js';
import { holm } from '../statistics/holm.js';
import { leastRankSumP, mannWhitney } from '../statistics/mann-whitney.js';
import { leastSignedRankP, wilcoxonSignedRank } from '../statistics/wilcoxon.js';
import type { ComparisonVerdict, MetricOfSide, SideComparison, TestResult } from './document.js';

/** Probability, over all comparisons, of reporting a difference if there is none. */
export const ALPHA = 0.05;
/** Limit of the search for the number of runs that are needed. */
const MANY = 100;

/** A comparison of two sides before the correction for several comparisons. */
interface Compared extends Omit<SideComparison, 'test' | 'verdict' | 'reason'> {
  readonly test: Omit<TestResult, 'p_adjusted'> | null;
  /** 1 if the side has larger values by ranks and mean, -1 if smaller, 0 if these disagree. */
  readonly direction: number;
  /** True if both sides have the same value for every shared seed. */
  readonly isIdentical: boolean;
  /** Number of values of the side with fewer values. */
  readonly smaller: number;
  /** The smallest p that `n` pairs, or `n` runs on each side, can reach. */
  leastP(n: number): number;
}

/** Compares each side with the first. Empty for a single side. */
export function compareValues(sides: readonly MetricOfSide[], largerIsBetter: boolean): SideComparison[] {
  const [first, ...others] = sides;
  const compared = others.map(other => compareSides(first, other));
  const tested = compared.flatMap(({ test }) => test ?? []);
  const adjusted = holm(tested.map(({ p }) => p));
  return compared.map(one => {
    const at = one.test === null ? -1 : tested.indexOf(one.test);
    const test = one.test === null ? null : { ...one.test, p_adjusted: adjusted[at] };
    const {
      direction: _direction,
      isIdentical: _isIdentical,
      smaller: _smaller,
      leastP: _leastP,
      ...told
    } = one;
    const others = tested.filter((_, i) => i !== at).map(({ p }) => p);
    return { ...told, test, ...judge(one, test, { largerIsBetter, others }) };
  });
}

function compareSides(first: MetricOfSide, second: MetricOfSide): Compared {
  const bySeed = new Map(first.values.map(({ seed, value }) => [seed, value]));
  const pairs = second.values.flatMap(({ seed, value }) => {
    const before = bySeed.get(seed);
    return before === undefined ? [] : [[before, value] as const];
  });
  const smaller = Math.min(first.n, second.n);
  // pairing by few shared seeds would discard most values
  const paired = pairs.length > 0 && 2 * pairs.length >= smaller;
  const names = { side: second.side, against: first.side, paired, smaller };
  return paired
    ? { ...names, unpaired: first.n + second.n - 2 * pairs.length, ...comparePairs(pairs) }
    : { ...names, unpaired: 0, ...compareSamples(valuesOf(first), valuesOf(second)) };
}

type Outcome = Omit<Compared, 'side' | 'against' | 'paired' | 'unpaired' | 'smaller'>;

function comparePairs(pairs: readonly (readonly [number, number])[]): Outcome {
  const differences = differencesOf(pairs);
  const { positive, negative, nonzero, p } = wilcoxonSignedRank(differences);
  return {
    n: pairs.length,
    difference: momentsOf(differences).mean,
    interval: meanInterval(differences),
    test: { name: 'wilcoxon_signed_rank', p, p_least: leastSignedRankP(nonzero) },
    direction: agreed(positive - negative, momentsOf(differences).mean),
    isIdentical: pairs.every(([a, b]) => a === b),
    leastP: n => leastSignedRankP(n),
  };
}

function compareSamples(first: readonly number[], second: readonly number[]): Outcome {
  const n = first.length + second.length;
  const isComparable = first.length > 0 && second.length > 0;
  if (!isComparable) {
    return {
      n,
      difference: null,
      interval: null,
      test: null,
      direction: 0,
      isIdentical: false,
      leastP: () => 1,
    };
  }
  const { larger, smaller, p } = mannWhitney(first, second);
  const difference = momentsOf(second).mean - momentsOf(first).mean;
  return {
    n,
    difference,
    interval: differenceInterval(first, second),
    test: { name: 'mann_whitney', p, p_least: leastRankSumP(first.length, second.length) },
    direction: agreed(larger - smaller, difference),
    isIdentical: false,
    leastP: one => leastRankSumP(one, one),
  };
}

/** 0 if ranks and mean favor different sides, as an outlier can cause. */
function agreed(ranks: number, difference: number): number {
  return Math.sign(ranks) === Math.sign(difference) ? Math.sign(ranks) : 0;
}

/**
 * Second minus first. Values that differ only by rounding count as ties: differences are rounded to
 * 2^-48 of the largest value, 16 times the rounding error of float64.
 */
function differencesOf(pairs: readonly (readonly [number, number])[]): number[] {
  const largest = Math.max(...pairs.flat().map(Math.abs));
  const unit = 2 ** (Math.floor(Math.log2(largest)) - 48);
  return pairs.map(([a, b]) => {
    const difference = b - a;
    if (!(unit > 0) || !Number.isFinite(difference / unit)) return difference;
    return Math.sign(difference) * Math.round(Math.abs(difference) / unit) * unit;
  });
}

interface Family {
  readonly largerIsBetter: boolean;
  /** The p-values of the other sides against the first. */
  readonly others: readonly number[];
}

function judge(
  compared: Compared,
  test: TestResult | null,
  { largerIsBetter, others }: Family,
): { verdict: ComparisonVerdict; reason: string | null } {
  if (test === null) return { verdict: 'no value', reason: 'one side has no valid value' };
  if (compared.isIdentical) return { verdict: 'identical', reason: null };
  const { direction, smaller } = compared;
  if (smaller === 1) return { verdict: 'cannot tell', reason: oneSeed(compared, others) };
  if (test.p_adjusted <= ALPHA) {
    if (direction === 0)
      return { verdict: 'not distinguishable', reason: 'its mean and its ranks favor different sides' };
    return { verdict: direction > 0 === largerIsBetter ? 'better' : 'worse', reason: null };
  }
  return { verdict: 'not distinguishable', reason: tooFew(compared, test, others) };
}

function oneSeed({ paired, leastP }: Compared, others: readonly number[]): string {
  const needed = neededFor(leastP, others);
  const enough = paired ? `${needed} seeds on both sides` : `${needed} seeds a side`;
  return `one seed: cannot tell; ${enough} can reach the 5 % level`;
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
function tooFew({ paired, n, leastP }: Compared, test: TestResult, others: readonly number[]): string | null {
  if (reaches(test.p_least, others)) return null;
  const needed = neededFor(leastP, others);
  const corrected = others.length > 0 ? `, corrected for ${others.length + 1} comparisons` : '';
  const what = paired ? counted(n, 'pair') : `${counted(n, 'run')} without common seeds`;
  const zeros = paired && leastP(n) < test.p_least ? ', some of which do not differ,' : '';
  const enough = paired ? `${needed} pairs` : `${needed} runs per side`;
  return `${what}${zeros} cannot reach the 5 % level${corrected}; ${enough} can`;
}

function valuesOf({ values }: MetricOfSide): number[] {
  return values.map(({ value }) => value);
}
