/**
 * Positive numbers far outside the range of float64: each is a value times a power of RADIX
 * (X-numbers, Fukushima, 2012). Like logarithms they do not underflow, but sums and products need
 * no calls of exp and log.
 */

const RADIX = 2 ** 256;
/** Values are between these, or 0. */
const [LEAST, MOST] = [2 ** -128, 2 ** 128];
const LOG_RADIX = Math.log(RADIX);
const LEAST_LOG = Math.log(LEAST);
/** The exponent of 0, below all others. */
const OF_ZERO = -(2 ** 24);

export class ExtendedNumbers {
  private readonly values: Float64Array;
  private readonly exponents: Int32Array;

  /** Zeros. */
  constructor(readonly length: number) {
    this.values = new Float64Array(length);
    this.exponents = new Int32Array(length).fill(OF_ZERO);
  }

  static fromLogs(logs: Float64Array): ExtendedNumbers {
    const numbers = new ExtendedNumbers(logs.length);
    for (let i = 0; i < logs.length; i++) numbers.setLog(i, logs[i]);
    return numbers;
  }

  setLog(at: number, log: number): void {
    const exponent = log > LEAST_LOG ? 0 : Math.max(OF_ZERO, Math.round(log / LOG_RADIX));
    this.values[at] = Math.exp(log - exponent * LOG_RADIX);
    this.exponents[at] = exponent;
  }

  log(at: number): number {
    return Math.log(this.values[at]) + this.exponents[at] * LOG_RADIX;
  }

  /** In float64, where it may underflow. */
  number(at: number): number {
    return times(this.values[at], this.exponents[at]);
  }

  /** Sets a number to the sum of `terms` at `i`, `i + by` and, if `isThree`, `i + 2 * by`. */
  setSum(at: number, terms: ExtendedNumbers, i: number, by: number, isThree: boolean): void {
    const { values, exponents } = terms;
    const [j, k] = [i + by, i + 2 * by];
    let exponent = Math.max(exponents[i], exponents[j]);
    if (isThree) exponent = Math.max(exponent, exponents[k]);
    let sum = times(values[i], exponents[i] - exponent) + times(values[j], exponents[j] - exponent);
    if (isThree) sum += times(values[k], exponents[k] - exponent);
    this.values[at] = sum;
    this.exponents[at] = exponent;
  }

  multiply(at: number, factors: ExtendedNumbers, i: number): void {
    let value = this.values[at] * factors.values[i];
    let exponent = this.exponents[at] + factors.exponents[i];
    if (value < LEAST) {
      value *= RADIX;
      exponent = value === 0 ? OF_ZERO : exponent - 1;
    } else if (value > MOST) {
      value /= RADIX;
      exponent++;
    }
    this.values[at] = value;
    this.exponents[at] = exponent;
  }

  /** The product of two numbers over a third one, in float64. */
  productOver(i: number, factors: ExtendedNumbers, j: number, total: ExtendedNumbers): number {
    const exponent = this.exponents[i] + factors.exponents[j] - total.exponents[0];
    return times((this.values[i] * factors.values[j]) / total.values[0], exponent);
  }
}

/** `value` times a power of RADIX, or 0 if that is far below float64's precision. */
function times(value: number, exponent: number): number {
  if (exponent === 0) return value;
  if (exponent === -1) return value / RADIX;
  return exponent === 1 ? value * RADIX : 0;
}
