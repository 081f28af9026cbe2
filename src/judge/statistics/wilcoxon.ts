/**
 * The signed-rank test for paired samples: Wilcoxon, "Individual comparisons by ranking methods",
 * Biometrics Bulletin 1 (1945). Zeros are handled as by Pratt, "Remarks on zeros and ties in the
 * Wilcoxon signed rank procedures", JASA 54 (1959).
 */
import { doubledRanks, twoSided } from './ranks.js';

export interface SignedRanks {
  /** Sum of the ranks of the differences above 0. */
  readonly positive: number;
  /** Sum of the ranks of the differences below 0. */
  readonly negative: number;
  /** Number of differences that are not 0. */
  readonly nonzero: number;
  /** Two-sided, in (0, 1]. */
  readonly p: number;
}

/**
 * Zeros are ranked with the others and then dropped (Pratt). Ties share their mean rank. The null
 * distribution is exact given the ranks, with ties: all 2^m assignments of signs to the m nonzero
 * differences are equally likely. Takes O(n³) time.
 */
export function wilcoxonSignedRank(differences: readonly number[]): SignedRanks {
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
