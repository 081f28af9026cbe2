/** Float32 numbers as the decimals that people wrote, or would: 21.3, not 21.299999237060547. */

/**
 * The shortest decimal with the float32 of `value`; with an `error`, one that is off by no more
 * than that and the rounding to float32.
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

/** Digits that tell any two float64 numbers apart. */
const MAX_DIGITS = 17;

/** Half the distance of float32 numbers near `value`. */
export function roundingOf(value: number): number {
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  return 2 ** (Math.max(exponent, MIN_EXPONENT) - 24);
}

/** Of float32 numbers that are not subnormal. */
const MIN_EXPONENT = -126;
