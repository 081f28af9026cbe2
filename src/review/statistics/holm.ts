/**
 * Several tests at once: Holm, "A simple sequentially rejective multiple test procedure",
 * Scandinavian Journal of Statistics 6 (1979).
 */

/**
 * Each p adjusted, in the order given: all whose adjusted p is at most α are rejected together at
 * the level α.
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
