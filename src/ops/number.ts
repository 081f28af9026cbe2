/** Number literals in kernel source. */

/**
 * `value` as a literal that every backend reads as a float: gpu.js takes `2` for an integer, never
 * `2.0 * x`'s factor.
 */
export function literal(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`a kernel constant must be finite, got ${value}`);
  return value < 0 ? `(${value})` : `${value}`;
}
