/**
 * Power in frequency bands of two frames at a time, in the lanes of WebAssembly's vectors. A lane
 * is computed as if it were alone, so the powers of a frame do not depend on the other one. Double
 * precision: in single precision, quiet bands would be noise of the loud ones.
 *
 * The FFT of N real samples x_n is computed from that of N/2 complex numbers
 * z_n = x_(2n) + i x_(2n+1), which takes half the time:
 *
 *     X_k = (Z_k + Z*_(N/2 - k)) / 2 - i e^(-2 pi i k / N) (Z_k - Z*_(N/2 - k)) / 2
 *
 * The complex one is Stockham's with radix 4 (Van Loan, Computational Frameworks for the Fast
 * Fourier Transform, 1992, section 2.4), which needs no bit reversal: a stage reads one array and
 * writes another.
 */
import { assembleModule, FunctionAssembler } from '../../util/assembler.js';
import { WebAssembly } from '../../util/webassembly.js';
import type { Band } from './mel.js';

const LANES = 2;
const DOUBLE_BYTES = Float64Array.BYTES_PER_ELEMENT;
const VECTOR_BYTES = LANES * DOUBLE_BYTES;
/** Real and imaginary part of a number of each frame. */
const COMPLEX_BYTES = 2 * VECTOR_BYTES;
const PAGE_BYTES = 65536;

/** Computes the power spectra of two frames, and the power in bands of these. */
export class BandPowers {
  /** Samples of two frames `[size][2]`, to be written before `compute`. */
  readonly frames: Float64Array;
  /** |FFT|² at the first `size` / 2 + 1 frequencies of each frame, `[size / 2 + 1][2]`. */
  readonly powers: Float64Array;
  /** Weighted sums of these, `[bands][2]`. */
  readonly sums: Float64Array;
  readonly compute: () => void;

  /** @param size samples of a frame: a power of two of at least 4 */
  constructor(size: number, bands: readonly Band[]) {
    const half = size / 2;
    let end = 0;
    const reserve = (bytes: number): number => {
      end += bytes;
      return end - bytes;
    };
    const frames = reserve(half * COMPLEX_BYTES);
    // the first number follows the last one again: Z has the period N/2
    const spare = [0, 1].map(() => reserve((half + 1) * COMPLEX_BYTES));
    const powers = reserve((half + 1) * VECTOR_BYTES);
    const sums = reserve(bands.length * VECTOR_BYTES);
    const f = new FunctionAssembler('run', []);
    const code = new VectorCode(f, end);
    let [from, to, other] = [frames, ...spare];
    let stride = 1;
    for (let length = half; length > 1; ) {
      const radix = length % 4 === 0 ? 4 : 2;
      const rest = length / radix;
      if (radix === 4) code.radix4({ from, to, stride, rest });
      else code.radix2({ from, to, stride });
      [from, to, other] = [to, other, to];
      [length, stride] = [rest, stride * radix];
    }
    code.powers({ from, to: powers, half });
    code.bands({ from: powers, to: sums, bands });
    const { constants } = code;
    const constantsAt = reserve(constants.length * DOUBLE_BYTES);

    const pages = Math.ceil(end / PAGE_BYTES);
    const limits = { initial: pages, maximum: pages, shared: false };
    const memory = new WebAssembly.Memory(limits);
    const module = new WebAssembly.Module(assembleModule(limits, f));
    this.compute = new WebAssembly.Instance(module, { env: { memory } }).exports.run;
    this.frames = new Float64Array(memory.buffer, frames, size * LANES);
    this.powers = new Float64Array(memory.buffer, powers, (half + 1) * LANES);
    this.sums = new Float64Array(memory.buffer, sums, bands.length * LANES);
    new Float64Array(memory.buffer, constantsAt).set(constants);
  }
}

/** Addresses of arrays. */
interface Arrays {
  readonly from: number;
  readonly to: number;
}

interface Stage extends Arrays {
  /** Distance of numbers that belong to one transform, in numbers. */
  readonly stride: number;
  /** Length of the transforms that are left. */
  readonly rest: number;
}

/** A complex number of each frame: the locals of its parts. */
type Complex = readonly [real: number, imaginary: number];

/** Appends code to a function. */
class VectorCode {
  /** What the code reads at the address of the constants. */
  readonly constants: number[] = [];

  constructor(
    private readonly f: FunctionAssembler,
    private readonly constantsAt: number,
  ) {}

  radix4({ from, to, stride, rest }: Stage): void {
    const { f } = this;
    const factors = this.nextConstant;
    const angleOf = (p: number, power: number) => (-2 * Math.PI * p * power) / (4 * rest);
    for (let p = 0; p < rest; p++) for (const power of [1, 2, 3]) this.addFactor(angleOf(p, power));
    const [p, input, output, factor] = [0, 0, 0, 0].map(start => this.integer(start));
    const [q, at] = [f.local('i32'), f.local('i32')];
    const row = stride * COMPLEX_BYTES;
    f.count(p, 1, rest, () => {
      // at the last stage all factors are 1
      const turns =
        rest > 1 ? [0, 1, 2].map(i => this.factor(factor, factors + 2 * i * DOUBLE_BYTES)) : undefined;
      f.i32(0).set(q);
      f.count(q, COMPLEX_BYTES, row, () => {
        f.get(q).get(input).op('i32.add').set(at);
        const [a, b, c, d] = [0, 1, 2, 3].map(i => this.load(at, from + i * rest * row));
        const [ac, bd] = [this.sum(a, c), this.sum(b, d)];
        const [across, down] = [this.difference(a, c), this.difference(b, d)];
        f.get(q).get(output).op('i32.add').set(at);
        const results: readonly Complex[] = [
          this.sum(ac, bd),
          [this.add(across[0], down[1]), this.subtract(across[1], down[0])],
          this.difference(ac, bd),
          [this.subtract(across[0], down[1]), this.add(across[1], down[0])],
        ];
        for (const [i, one] of results.entries())
          this.store(at, to + i * row, i > 0 && turns ? this.product(one, turns[i - 1]) : one);
      });
      this.advance(input, row);
      this.advance(output, 4 * row);
      this.advance(factor, 6 * DOUBLE_BYTES);
    });
  }

  /** The last stage if the size is no power of 4. */
  radix2({ from, to, stride }: Omit<Stage, 'rest'>): void {
    const { f } = this;
    const q = this.integer(0);
    const row = stride * COMPLEX_BYTES;
    f.count(q, COMPLEX_BYTES, row, () => {
      const [a, b] = [this.load(q, from), this.load(q, from + row)];
      this.store(q, to, this.sum(a, b));
      this.store(q, to + row, this.difference(a, b));
    });
  }

  /** |X_k|² and |X_(half - k)|² for k up to half / 2, from Z. */
  powers({ from, to, half }: Arrays & { readonly half: number }): void {
    const { f } = this;
    const factors = this.nextConstant;
    for (let i = 0; 2 * i <= half; i++) this.addFactor((Math.PI * i) / half);
    const scale = this.nextConstant;
    this.constants.push(1 / 4);
    const [zero, up, down] = [0, 0, half * VECTOR_BYTES].map(start => this.integer(start));
    const doubled = f.local('i32');
    this.store(zero, from + half * COMPLEX_BYTES, this.load(zero, from));
    const quarter = this.local(() => f.get(zero).memory('v128.load64_splat', scale));
    f.count(up, VECTOR_BYTES, (Math.floor(half / 2) + 1) * VECTOR_BYTES, () => {
      const [left, right] = [up, down].map(at => {
        f.get(at).get(at).op('i32.add').set(doubled);
        return this.load(doubled, from);
      });
      // twice the transforms of the samples at even and at odd places
      const even: Complex = [this.add(left[0], right[0]), this.subtract(left[1], right[1])];
      const odd: Complex = [this.add(left[1], right[1]), this.subtract(right[0], left[0])];
      const [cosine, sine] = this.factor(up, factors);
      const turned: Complex = [
        this.add(this.multiply(cosine, odd[0]), this.multiply(sine, odd[1])),
        this.subtract(this.multiply(cosine, odd[1]), this.multiply(sine, odd[0])),
      ];
      // the even and odd parts of X_(half - k) are the conjugates of these
      for (const [at, x] of [
        [up, this.sum(even, turned)],
        [down, this.difference(even, turned)],
      ] as const) {
        const square = this.add(this.multiply(x[0], x[0]), this.multiply(x[1], x[1]));
        f.get(at).get(square).get(quarter).op('f64x2.mul').memory('v128.store', to);
      }
      this.advance(down, -VECTOR_BYTES);
    });
  }

  /** The weighted sums of the powers of each band. */
  bands({ from, to, bands }: Arrays & { readonly bands: readonly Band[] }): void {
    const { f } = this;
    const weights = this.nextConstant;
    for (const band of bands) for (const weight of band.weights) this.constants.push(weight, weight);
    const [zero, weight, sum] = [this.integer(0), this.integer(0), f.local('v128')];
    let end = 0;
    for (const [i, band] of bands.entries()) {
      const distance = band.first * VECTOR_BYTES - end;
      end += band.weights.length * VECTOR_BYTES;
      f.float(0).set(sum);
      f.count(weight, VECTOR_BYTES, end, () => {
        f.get(sum);
        f.get(weight).i32(distance).op('i32.add').memory('v128.load', from);
        f.get(weight).memory('v128.load', weights);
        f.op('f64x2.mul').op('f64x2.add').set(sum);
      });
      const out = to + i * VECTOR_BYTES;
      f.get(zero).get(sum).memory('v128.store', out);
    }
  }

  private get nextConstant(): number {
    return this.constantsAt + this.constants.length * DOUBLE_BYTES;
  }

  private addFactor(angle: number): void {
    this.constants.push(Math.cos(angle), Math.sin(angle));
  }

  private load(at: number, offset: number): Complex {
    const part = (from: number) => this.local(() => this.f.get(at).memory('v128.load', from));
    return [part(offset), part(offset + VECTOR_BYTES)];
  }

  /** The same cosine and sine for both frames. */
  private factor(at: number, offset: number): Complex {
    const part = (from: number) => this.local(() => this.f.get(at).memory('v128.load64_splat', from));
    return [part(offset), part(offset + DOUBLE_BYTES)];
  }

  private store(at: number, offset: number, [real, imaginary]: Complex): void {
    const second = offset + VECTOR_BYTES;
    this.f.get(at).get(real).memory('v128.store', offset);
    this.f.get(at).get(imaginary).memory('v128.store', second);
  }

  private add(a: number, b: number): number {
    return this.local(() => this.f.get(a).get(b).op('f64x2.add'));
  }

  private subtract(a: number, b: number): number {
    return this.local(() => this.f.get(a).get(b).op('f64x2.sub'));
  }

  private multiply(a: number, b: number): number {
    return this.local(() => this.f.get(a).get(b).op('f64x2.mul'));
  }

  private integer(start: number): number {
    const local = this.f.local('i32');
    this.f.i32(start).set(local);
    return local;
  }

  private advance(local: number, by: number): void {
    this.f.get(local).i32(by).op('i32.add').set(local);
  }

  /** The local of a vector that `push` leaves on the stack. */
  private local(push: () => void): number {
    push();
    const local = this.f.local('v128');
    this.f.set(local);
    return local;
  }

  private sum(a: Complex, b: Complex): Complex {
    return [this.add(a[0], b[0]), this.add(a[1], b[1])];
  }

  private difference(a: Complex, b: Complex): Complex {
    return [this.subtract(a[0], b[0]), this.subtract(a[1], b[1])];
  }

  private product(a: Complex, b: Complex): Complex {
    return [
      this.subtract(this.multiply(a[0], b[0]), this.multiply(a[1], b[1])),
      this.add(this.multiply(a[0], b[1]), this.multiply(a[1], b[0])),
    ];
  }
}
