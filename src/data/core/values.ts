/** Lists of numbers: growing while a file is read, or in rows, in memory or on disk. */

export type Numbers = Int32Array | Float32Array;

/** Implemented by every typed array. */
export interface Values<T extends Numbers> {
  readonly length: number;
  /** The numbers from `from` to `to` (exclusive); valid until the next call. */
  subarray(from: number, to: number): T;
  [Symbol.iterator](): Iterator<number>;
}

/** Approximate number of values per chunk. */
const CHUNK = 2 ** 16;

/** Returns `values` as a typed array; undefined if they are not in memory. */
export function inMemory<T extends Numbers>(values: Values<T>): T | undefined {
  return ArrayBuffer.isView(values) ? (values as unknown as T) : undefined;
}

/**
 * Calls `visit` for all of `values` in order, in chunks of whole rows; a typed array is one chunk.
 * @param width numbers per row
 * @param visit receives a chunk and the index of its first number; returns false to stop
 */
export function eachChunk<T extends Numbers>(
  values: Values<T>,
  width: number,
  // biome-ignore lint/suspicious/noConfusingVoidType: most visitors see all pieces
  visit: (values: T, from: number) => boolean | void,
): void {
  const whole = inMemory(values);
  if (whole) {
    visit(whole, 0);
    return;
  }
  const size = Math.max(1, Math.floor(CHUNK / width)) * width;
  for (let from = 0; from < values.length; from += size) {
    if (visit(values.subarray(from, Math.min(values.length, from + size)), from) === false) return;
  }
}

/** Values whose rows are read one at a time. */
export class RowValues<T extends Numbers> implements Values<T> {
  /**
   * @param width numbers per row
   * @param row returns row `index`, valid until the next call
   */
  constructor(
    private readonly count: number,
    private readonly width: number,
    private readonly make: (length: number) => T,
    private readonly row: (index: number) => T,
  ) {}

  get length(): number {
    return this.count * this.width;
  }

  subarray(from: number, to: number): T {
    const { width } = this;
    const first = Math.floor(from / width);
    if (to <= (first + 1) * width)
      return this.row(first).subarray(from - first * width, to - first * width) as T;
    const out = this.make(to - from);
    for (let at = from; at < to; ) {
      const index = Math.floor(at / width);
      const end = Math.min(to, (index + 1) * width);
      out.set(this.row(index).subarray(at - index * width, end - index * width), at - from);
      at = end;
    }
    return out;
  }

  *[Symbol.iterator](): Generator<number, void> {
    for (let index = 0; index < this.count; index++) yield* this.row(index);
  }
}

type TypedArray = Float32Array | Float64Array | Uint32Array;

/** Growing list of numbers of one type; an array of numbers takes eight bytes or more for each. */
export class GrowingList<T extends TypedArray> {
  private values: T;
  private length = 0;

  /** @param capacity number of values that fit before the first reallocation */
  constructor(
    readonly make: (length: number) => T,
    capacity = 1024,
  ) {
    this.values = make(capacity);
  }

  push(value: number): void {
    if (this.length === this.values.length) this.grow(this.length + 1);
    this.values[this.length++] = value;
  }

  append(values: T): void {
    const length = this.length + values.length;
    if (length > this.values.length) this.grow(length);
    this.values.set(values, this.length);
    this.length = length;
  }

  at(index: number): number {
    return this.values[index];
  }

  /** Keeps only the first `length` values, without freeing memory. */
  truncate(length: number): void {
    this.length = length;
  }

  get size(): number {
    return this.length;
  }

  toArray(): T {
    return this.values.slice(0, this.length) as T;
  }

  /** Valid until the next change. */
  subarray(from: number, to: number): T {
    return this.values.subarray(from, to) as T;
  }

  copyTo(out: T): void {
    out.set(this.values.subarray(0, this.length));
  }

  private grow(length: number): void {
    const larger = this.make(Math.max(length, 2 * this.values.length));
    larger.set(this.values);
    this.values = larger;
  }
}

export class FloatList extends GrowingList<Float32Array> {
  constructor(capacity?: number) {
    super(length => new Float32Array(length), capacity);
  }
}

/** Numbers distinct texts in the order of their first appearance. */
export class TextCodes {
  readonly texts: string[] = [];
  private readonly codes = new Map<string, number>();

  /** Number of distinct texts. */
  get size(): number {
    return this.texts.length;
  }

  code(text: string): number {
    const known = this.codes.get(text);
    if (known !== undefined) return known;
    this.codes.set(text, this.texts.length);
    return this.texts.push(text) - 1;
  }
}
