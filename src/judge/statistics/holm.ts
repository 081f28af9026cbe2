/**
 * Correction for multiple tests: Holm, "A simple sequentially rejective multiple test procedure",
 * Scandinavian Journal of Statistics 6 (1979).
 */

/**
 * Adjusts p-values, in the order given. Rejecting all tests with an adjusted p of at most α has a
 * family-wise error rate of at most α.
 */
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
