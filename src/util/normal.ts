/** The normal distribution: probabilities with about 13 digits, and draws within bounds. */
import type { RandomStream } from './random.js';

export const SQRT_2PI = Math.sqrt(2 * Math.PI);
/** The argument from which the continued fraction of erfc is used instead of the series of erf. */
const SERIES_END = 2;
const FRACTION_TERMS = 60;

export function normalDensity(z: number): number {
  return Math.exp((-z * z) / 2) / SQRT_2PI;
}

/** The probability of [a, b], a <= b; computed on the side that avoids cancellation. */
export function normalMass(a: number, b: number): number {
  if (a > 0) return upperTail(a) - upperTail(b);
  if (b < 0) return upperTail(-b) - upperTail(-a);
  return 1 - upperTail(-a) - upperTail(b);
}

/** The z with P(Z <= z) = p, by bisection; infinite at the ends. */
export function normalQuantile(p: number): number {
  if (p <= 0 || p >= 1) return p <= 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  // the lower half mirrors the upper one, so that both are equally exact
  if (p > 0.5) return -normalQuantile(1 - p);
  let [low, high] = [-40, 0];
  for (let middle = -20; middle > low && middle < high; middle = (low + high) / 2) {
    if (normalMass(Number.NEGATIVE_INFINITY, middle) < p) low = middle;
    else high = middle;
  }
  return high;
}

/**
 * Within [low, high], by rejection. `mu` must lie in it and `sigma` not be greater than its length:
 * then a draw is within with probability 0.34 at least.
 */
export function truncatedNormal(
  random: RandomStream,
  mu: number,
  sigma: number,
  low: number,
  high: number,
): number {
  for (;;) {
    const x = mu + sigma * random.normal();
    if (x >= low && x <= high) return x;
  }
}

function upperTail(z: number): number {
  return erfc(z / Math.SQRT2) / 2;
}

/** For x >= 0; Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.6 and 7.1.14. */
function erfc(x: number): number {
  return x < SERIES_END ? 1 - erfSeries(x) : erfcFraction(x);
}

/** erf x = 2/√π e^(-x²) Σ 2^n x^(2n+1) / (1·3·…·(2n+1)). */
function erfSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; term > sum * 1e-17; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** √π e^(x²) erfc x = 1/(x + (1/2)/(x + (2/2)/(x + (3/2)/(x + …)))). */
function erfcFraction(x: number): number {
  let fraction = x;
  for (let n = FRACTION_TERMS; n > 0; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}
