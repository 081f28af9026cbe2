/** Relative errors, in float64. */

/** ||a - b||, or ||a||; both have the same length. */
export function norm(a: ArrayLike<number>, b?: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - (b ? b[i] : 0)) ** 2;
  return Math.sqrt(sum);
}

/** `difference` relative to `scale`; 0 if `difference` is 0, NaN if it is NaN. */
export function relative(difference: number, scale: number): number {
  return difference === 0 ? 0 : difference / scale;
}
