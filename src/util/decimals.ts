/** Float32 numbers as the decimals that people would write: 21.3, not 21.299999237060547. */

/**
 * The shortest decimal that rounds to the float32 `value`; with an `error`, one within that
 * distance plus the rounding to float32.
 */
export function shortestDecimal(value: number, error = 0): number {
  if (!Number.isFinite(value)) return value;
  const tolerance = error === 0 ? 0 : roundingOf(value) + error;
  for (let digits = 1; digits < MAX_DIGITS; digits++) {
    const decimal = Number(value.toPrecision(digits));
    if (Math.fround(decimal) === value || Math.abs(decimal - value) < tolerance) return decimal;
  }
  return value;
}

/** Digits that distinguish any two float64 numbers. */
const MAX_DIGITS = 17;

/** Half the distance of float32 numbers near `value`. */
export function roundingOf(value: number): number {
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  return 2 ** (Math.max(exponent, MIN_EXPONENT) - 24);
}

/** The minimum exponent of normal float32 numbers. */
const MIN_EXPONENT = -126;
