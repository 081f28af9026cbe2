/** Ranks as integers, for counting exact distributions. */

/**
 * Twice the rank of each value, from 2. Ties share their mean rank; doubled, it is an integer.
 */
export function doubledRanks(values: readonly number[]): number[] {
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

/**
 * Two-sided probability of a statistic at least as extreme as `at`: twice the smaller tail, at most
 * 1.
 * @param weights proportional to the probabilities of 0, 1, 2 …
 */
export function twoSided(weights: Float64Array, at: number): number {
  let [below, above] = [0, 0];
  for (const [value, weight] of weights.entries()) {
    if (value <= at) below += weight;
    if (value >= at) above += weight;
  }
  const total = below + above - weights[at];
  // a probability too small for float64 is still above 0
  return Math.max(Number.MIN_VALUE, Math.min(1, (2 * Math.min(below, above)) / total));
}
