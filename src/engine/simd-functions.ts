/**
 * Vector code of what WebAssembly does not have. A function takes its argument from local `x` and
 * leaves the result on the stack. Error bounds over all finite floats
 * (test/engine/simd.test.ts): exp, tanh, log at most 4 ULP or 3e-7 absolute; NaN in, NaN out. The
 * polynomials are minimax fits in float64 of the remainders named beside them.
 */

import type { FunctionAssembler } from '../util/assembler.js';
import type { Arithmetic } from './arithmetic.js';

export type Scratch = readonly [number, number, number, number];

/** (e^r - 1 - r) / r^2 for |r| <= ln(2)/2; error 7.6e-9 in e^r. */
const EXP = [
  0.5000000027092204, 0.16666576646360912, 0.041666374108516424, 0.00836323507289665, 0.0013941216008288987,
];
/** (tanh(t)/t - 1) / t^2 in t^2, for |t| < 0.625; error 1.6e-8. */
const TANH = [
  -0.3333332924944853, 0.13332794542798115, -0.053854069270290655, 0.021010079518070462,
  -0.006113189169508602,
];
const TANH_BEND = 0.625;
/** ln 2 in two parts; the first has few bits, so that its product with an exponent is exact. */
const LN2_HIGH = 0.693359375;
const LN2_LOW = Math.LN2 - LN2_HIGH;
/** Beyond these, e^x is infinite or practically zero. */
const EXP_MOST = 89;
const EXP_LEAST = -86;
const MANTISSA_BITS = 23;
/** Added to a float of less than 2^22, it leaves the nearest integer in the lowest bits. */
const ROUNDER = 1.5 * 2 ** MANTISSA_BITS;
const ONE_BITS = 0x3f800000;
const SQRT_HALF_BITS = 0x3f3504f3;
const SMALLEST_NORMAL = 1.1754943508222875e-38;
const TWO_TO_23 = 8388608;

export class VectorMath {
  constructor(
    private readonly f: FunctionAssembler,
    private readonly arithmetic: Arithmetic,
  ) {}

  /**
   * e^x = 2^n e^r with n = round(x / ln 2). The result is made of 2^(n-1) and doubled, since 2^128
   * is no float. For x below -86 it is e^-86 = 4.5e-38. The comparisons let NaN pass; WebAssembly's
   * other ones take eight instructions on x86-64.
   */
  exp(x: number, [n, r, p]: Scratch): void {
    const { f } = this;
    f.get(x).constant(EXP_MOST).op('f32x4.pmin').constant(EXP_LEAST).op('f32x4.pmax').set(r);
    f.get(r).constant(Math.LOG2E);
    this.plusProduct(() => f.constant(ROUNDER - 1));
    f.tee(p)
      .constant(ROUNDER - 1)
      .op('f32x4.sub')
      .set(n);
    f.get(n).constant(LN2_HIGH);
    this.minusProduct(() => f.get(r));
    f.set(r).get(n).constant(LN2_LOW);
    this.minusProduct(() => f.get(r));
    f.set(r);
    this.horner(r, EXP);
    f.get(r).op('f32x4.mul').get(r);
    this.plusProduct(() => f.get(r));
    f.constant(1).op('f32x4.add');
    f.get(p).shift('i32x4.shl', MANTISSA_BITS).bits(ONE_BITS).op('i32x4.add').op('f32x4.mul').tee(p);
    f.get(p).op('f32x4.add');
  }

  /**
   * A polynomial near zero, where 1 - 2 / (e^2|x| + 1) would cancel; that elsewhere; the sign put
   * back last.
   */
  tanh(x: number, [a, b, c, d]: Scratch): void {
    const { f } = this;
    f.get(x).op('f32x4.abs').set(d);
    const twice = a;
    f.get(d).get(d).op('f32x4.add').set(twice);
    this.exp(twice, [b, c, a, d]);
    f.constant(1).op('f32x4.add').set(a);
    f.constant(1).constant(2).get(a).op('f32x4.div').op('f32x4.sub').set(a);
    f.get(d).get(d).op('f32x4.mul').set(b);
    this.horner(b, TANH);
    f.get(b).op('f32x4.mul').get(d);
    this.plusProduct(() => f.get(d));
    f.set(b);
    f.get(b).get(a).get(d).constant(TANH_BEND).op('f32x4.lt').op('v128.bitselect');
    f.get(x).bits(0x80000000).op('v128.and').op('v128.or');
  }

  /**
   * ln x = e ln 2 + ln m with m in [sqrt(1/2), sqrt(2)), and ln m = 2 artanh(s), s = (m - 1) / (m +
   * 1), by its series to s^9 (|s| < 0.172, error 4e-9). Subnormals are scaled up first. ln 0 =
   * -infinity, ln of a negative number is not a number.
   */
  log(x: number, [m, e, s, u]: Scratch): void {
    const { f } = this;
    f.get(x)
      .constant(TWO_TO_23)
      .op('f32x4.mul')
      .get(x)
      .get(x)
      .constant(SMALLEST_NORMAL)
      .op('f32x4.lt')
      .op('v128.bitselect')
      .set(m);
    f.get(m).bits(SQRT_HALF_BITS).op('i32x4.sub').set(e);
    f.get(e).bits(0x007fffff).op('v128.and').bits(SQRT_HALF_BITS).op('i32x4.add').set(u);
    f.get(e).shift('i32x4.shr_s', MANTISSA_BITS).op('f32x4.convert_i32x4_s');
    f.constant(MANTISSA_BITS)
      .get(x)
      .constant(SMALLEST_NORMAL)
      .op('f32x4.lt')
      .op('v128.and')
      .op('f32x4.sub')
      .set(e);
    f.get(u).constant(-1).op('f32x4.add').get(u).constant(1).op('f32x4.add').op('f32x4.div').set(s);
    f.get(s).get(s).op('f32x4.mul').set(u);
    this.horner(u, [2 / 3, 2 / 5, 2 / 7, 2 / 9]);
    f.get(u).op('f32x4.mul').get(s).op('f32x4.mul').set(u);
    f.get(e).constant(LN2_LOW);
    this.plusProduct(() => f.get(u));
    f.get(s).get(s).op('f32x4.add').op('f32x4.add').set(u);
    f.get(e).constant(LN2_HIGH);
    this.plusProduct(() => f.get(u));
    f.set(m);
    // keeps infinity and NaN, which equals nothing
    f.get(m).get(x).get(x).get(x).op('f32x4.sub').constant(0).op('f32x4.eq').op('v128.bitselect').set(m);
    f.constant(Number.NEGATIVE_INFINITY).get(m).get(x).constant(0).op('f32x4.eq').op('v128.bitselect').set(m);
    f.constant(Number.NaN).get(m).get(x).constant(0).op('f32x4.lt').op('v128.bitselect');
  }

  /** Leaves the polynomial of local `x` with `coefficients`, from the constant upwards. */
  private horner(x: number, coefficients: readonly number[]): void {
    const { f } = this;
    f.constant(coefficients[coefficients.length - 1]);
    for (let i = coefficients.length - 2; i >= 0; i--) {
      f.get(x);
      this.plusProduct(() => f.constant(coefficients[i]));
    }
  }

  /** Adds the product of two factors on the stack to what `addend` leaves there. */
  plusProduct(addend: () => void): void {
    const isFused = this.arithmetic === 'fused';
    if (!isFused) this.f.op('f32x4.mul');
    addend();
    this.f.op(isFused ? 'f32x4.relaxed_madd' : 'f32x4.add');
  }

  /** Takes the product of two factors on the stack from what `addend` leaves there. */
  minusProduct(addend: () => void): void {
    const isFused = this.arithmetic === 'fused';
    if (!isFused) this.f.op('f32x4.mul').op('f32x4.neg');
    addend();
    this.f.op(isFused ? 'f32x4.relaxed_nmadd' : 'f32x4.add');
  }
}
