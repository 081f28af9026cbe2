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

type NumbersToRead = Float32Array | Float64Array;

export class ExtendedNumbers {
  private values = new Float64Array(0);
  private exponents = new Int32Array(0);

  /** Makes the first `length` numbers zeros, and more numbers if there are fewer. */
  reset(length: number): this {
    if (length > this.values.length) {
      this.values = new Float64Array(length);
      this.exponents = new Int32Array(length);
    } else this.values.fill(0, 0, length);
    this.exponents.fill(OF_ZERO, 0, length);
    return this;
  }

  setLog(at: number, log: number): void {
    const exponent = log > LEAST_LOG ? 0 : Math.max(OF_ZERO, Math.round(log / LOG_RADIX));
    this.values[at] = Math.exp(log - exponent * LOG_RADIX);
    this.exponents[at] = exponent;
  }

  /** Sets numbers from `at` on to the exponentials of `count` values less `total`. */
  setExponentials(at: number, values: NumbersToRead, from: number, count: number, total: number): void {
    for (let i = 0; i < count; i++) this.setLog(at + i, values[from + i] - total);
  }

  log(at: number): number {
    return Math.log(this.values[at]) + this.exponents[at] * LOG_RADIX;
  }

  /** Writes numbers from `at` on, in float64, where they may underflow. */
  write(at: number, out: Float64Array): void {
    for (let i = 0; i < out.length; i++) out[i] = this.values[at + i] * power(this.exponents[at + i]);
  }

  /** Sets a number to the sum of `terms` at `i`, `i + by` and, if `isThree`, `i + 2 * by`. */
  setSum(at: number, terms: ExtendedNumbers, i: number, by: number, isThree: boolean): void {
    const { values, exponents } = terms;
    // a list to take apart would be allocated at each call
    const j = i + by;
    const k = j + by;
    let exponent = Math.max(exponents[i], exponents[j]);
    if (isThree) exponent = Math.max(exponent, exponents[k]);
    let sum = values[i] * power(exponents[i] - exponent) + values[j] * power(exponents[j] - exponent);
    if (isThree) sum += values[k] * power(exponents[k] - exponent);
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

  /** Writes the product of two numbers over a third one to `out[j]`, in float64. */
  writeRatio(
    i: number,
    factors: ExtendedNumbers,
    j: number,
    total: ExtendedNumbers,
    out: Float64Array,
  ): void {
    const exponent = this.exponents[i] + factors.exponents[j] - total.exponents[0];
    out[j] = ((this.values[i] * factors.values[j]) / total.values[0]) * power(exponent);
  }
}

/** A power of RADIX, or 0 if it makes any value small against float64's precision. */
function power(exponent: number): number {
  if (exponent === 0) return 1;
  if (exponent === -1) return 1 / RADIX;
  return exponent === 1 ? RADIX : 0;
}
