/**
 * `value` as a literal that every backend reads as a float: gpu.js reads a lone `2` as an integer,
 * but not the factor of `2 * x`. Throws RangeError if it is not finite.
 */
export function literal(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`a kernel constant must be finite, got ${value}`);
  return value < 0 ? `(${value})` : `${value}`;
}
