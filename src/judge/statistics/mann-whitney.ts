/**
 * The rank-sum test for two independent samples: Mann and Whitney, "On a test of whether one of two
 * random variables is stochastically larger than the other", Annals of Mathematical Statistics 18
 * (1947).
 */
import { doubledRanks, twoSided } from './ranks.js';

export interface RankSums {
  /** Number of pairs (x, y) with y > x, where y = x counts half: the statistic U of `second`. */
  readonly larger: number;
  /** The same for y < x. */
  readonly smaller: number;
  /** Two-sided, in (0, 1]. */
  readonly p: number;
}

/**
 * Ties share their mean rank. The null distribution is exact given the ranks, with ties: all ways
 * to split the values into the two samples are equally likely. Takes O(n⁴) time. Neither sample may
 * be empty.
 */
export function mannWhitney(first: readonly number[], second: readonly number[]): RankSums {
  const ranks = doubledRanks([...first, ...second]);
  const sum = (part: readonly number[]): number => part.reduce((total, rank) => total + rank, 0);
  const [ofFirst, ofSecond] = [ranks.slice(0, first.length), ranks.slice(first.length)];
  // counting the choices of the smaller sample is faster
  const counted = first.length < second.length ? ofFirst : ofSecond;
  const larger = sum(ofSecond) / 2 - (second.length * (second.length + 1)) / 2;
  return {
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
