/**
 * Reads the metadata and the headers of pages of Parquet files before the library does, with checks
 * of all sizes.
 */

/** Problem in a file, without its location. */
export class BrokenParquet extends Error {
  override readonly name = 'BrokenParquet';
}

type Field = number | Struct | undefined;
/** Fields of a structure by their number; undefined: of a type that is not needed. */
export type Struct = ReadonlyMap<number, Field>;

const MAX_DEPTH = 16;
const MAX_INT32 = 2 ** 31;

/**
 * Reads bytes in Thrift's compact protocol, whose numbers Parquet uses elsewhere, too. All methods
 * throw `BrokenParquet` if the bytes end too early.
 */
export class Thrift {
  constructor(
    private readonly bytes: Uint8Array,
    public at = 0,
  ) {}

  struct(depth = 0): Struct {
    if (depth > MAX_DEPTH) throw new BrokenParquet('structures are nested too deeply');
    const fields = new Map<number, Field>();
    for (let id = 0; ; ) {
      const head = this.byte();
      if (head % 16 === 0) return fields;
      id = head < 16 ? this.int32() : id + (head >> 4);
      fields.set(id, this.value(head % 16, depth));
    }
  }

  get hasMore(): boolean {
    return this.at < this.bytes.length;
  }

  byte(): number {
    if (this.at >= this.bytes.length) throw new BrokenParquet('a structure ends too early');
    return this.bytes[this.at++];
  }

  /** Unsigned; exact below 2^53. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.byte();
      value += (byte % 128) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new BrokenParquet('a number is too long');
  }

  /** Passes over `length` bytes. */
  skip(length: number): void {
    if (length > this.bytes.length - this.at) throw new BrokenParquet('a value ends too late');
    this.at += length;
  }

  /** Bit `index` after byte `from`, from the least significant. */
  bitAt(from: number, index: number): number {
    return (this.bytes[from + (index >> 3)] >> (index & 7)) & 1;
  }

  private integer(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  private int32(): number {
    const value = this.integer();
    if (value < -MAX_INT32 || value >= MAX_INT32) throw new BrokenParquet('a number is too large');
    return value;
  }

  private value(type: number, depth: number): Field {
    switch (type) {
      case 1:
      case 2:
        return type === 1 ? 1 : 0;
      case 3:
        return this.byte();
      case 4:
      case 5:
        return this.int32();
      case 6:
        return this.integer();
      case 7:
        return this.skip(8) as undefined;
      case 8:
        return this.skip(this.varint()) as undefined;
      case 9:
        return this.list(depth + 1) as undefined;
      case 12:
        return this.struct(depth + 1);
      default:
        throw new BrokenParquet(`a value has type ${type}`);
    }
  }

  private list(depth: number): void {
    if (depth > MAX_DEPTH) throw new BrokenParquet('lists are nested too deeply');
    const head = this.byte();
    const size = head < 0xf0 ? head >> 4 : this.varint();
    // every element has a byte at least
    if (size > this.bytes.length - this.at) throw new BrokenParquet('a list ends too late');
    const type = head % 16;
    for (let i = 0; i < size; i++) this.value(type === 1 || type === 2 ? 3 : type, depth);
  }
}
