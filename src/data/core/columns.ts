/** Columns that grow while a file is read. */

type TypedArray = Float32Array | Float64Array | Uint32Array;

/** Growing list of numbers of one type; an array of numbers takes eight bytes or more for each. */
export class GrowingList<T extends TypedArray> {
  private values: T;
  private length = 0;

  /** @param capacity number of values that fit before the first reallocation */
  constructor(
    private readonly make: (length: number) => T,
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
