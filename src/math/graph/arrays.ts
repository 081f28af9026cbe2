/** What is done to arrays outside of programs, and what makes them visible to the host. */

export type Numbers = Float32Array | Float64Array;

/** How a gradient is scaled. On a GPU, `norm` is known once `values` have been read. */
export interface Clipping<A> {
  norm(): number;
  readonly scale: A | number;
  readonly values: readonly A[];
}

/** On a GPU, all but `read` only adds to the commands of the next submission. */
export interface ArrayOperations<A extends Numbers> {
  /** Shows kernels what this thread has written. */
  write(...arrays: readonly A[]): void;
  /** Shows this thread what kernels have written. */
  read(...arrays: readonly A[]): Promise<void>;
  fill(into: A, value: number): void;
  copy(values: A, into: A): void;
  add(values: A, into: A): void;
  /** Adds row i of `rows` to row `numbers[i]` of `table`, in this order. */
  addRows(rows: A, numbers: A, table: A): void;
  /** Moves each element of `into` by `weight` of its distance to that of `values`. */
  approach(values: A, into: A, weight: number): void;
  /** Scales a gradient down to the norm `most`. */
  clip(gradient: A, most: number | undefined): Clipping<A>;
}

/** Arrays in the memory of this process. */
export class HostArrays<A extends Numbers> implements ArrayOperations<A> {
  write(): void {}

  async read(): Promise<void> {}

  fill(into: A, value: number): void {
    into.fill(value);
  }

  copy(values: A, into: A): void {
    into.set(values);
  }

  add(values: A, into: A): void {
    for (let i = 0; i < values.length; i++) into[i] += values[i];
  }

  addRows(rows: A, numbers: A, table: A): void {
    const width = rows.length / numbers.length;
    numbers.forEach((number, row) => {
      const [from, to] = [row * width, number * width];
      for (let i = 0; i < width; i++) table[to + i] += rows[from + i];
    });
  }

  /** In float64 and rounded once. */
  approach(values: A, into: A, weight: number): void {
    for (let i = 0; i < into.length; i++) into[i] += weight * (values[i] - into[i]);
  }

  clip(gradient: A, most: number | undefined): Clipping<A> {
    const norm = gradientNorm(gradient);
    return { norm: () => norm, scale: clipFactor(norm, most), values: [] };
  }
}

/** Added to the norm before dividing by it, like torch.nn.utils.clip_grad_norm_. */
export const CLIP_EPSILON = 1e-6;

/** In float64, in four independent sums; `gradient` is padded to whole rows. */
function gradientNorm(gradient: Numbers): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < gradient.length; i += 4) {
    a += gradient[i] * gradient[i];
    b += gradient[i + 1] * gradient[i + 1];
    c += gradient[i + 2] * gradient[i + 2];
    d += gradient[i + 3] * gradient[i + 3];
  }
  return Math.sqrt(a + b + (c + d));
}

function clipFactor(norm: number, most: number | undefined): number {
  return most === undefined ? 1 : Math.min(1, most / (norm + CLIP_EPSILON));
}
