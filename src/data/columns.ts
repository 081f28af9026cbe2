/** Columns that grow while a file is read. */

/** Growing list of float32 values, four bytes each (an array of numbers takes eight or more). */
export class FloatList {
  private values: Float32Array;
  private length = 0;

  /** @param capacity number of values that fit before the first reallocation */
  constructor(capacity = 1024) {
    this.values = new Float32Array(capacity);
  }

  push(value: number): void {
    if (this.length === this.values.length) {
      const larger = new Float32Array(2 * this.length);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = value;
  }

  /** Keeps only the first `length` values, without freeing memory. */
  truncate(length: number): void {
    this.length = length;
  }

  get size(): number {
    return this.length;
  }

  toArray(): Float32Array {
    return this.values.slice(0, this.length);
  }

  copyTo(out: Float32Array): void {
    out.set(this.values.subarray(0, this.length));
  }
}

/** Numbers distinct texts in the order of their first appearance. */
export class TextCodes {
  readonly texts: string[] = [];
  private readonly codes = new Map<string, number>();

  code(text: string): number {
    const known = this.codes.get(text);
    if (known !== undefined) return known;
    this.codes.set(text, this.texts.length);
    return this.texts.push(text) - 1;
  }
}
