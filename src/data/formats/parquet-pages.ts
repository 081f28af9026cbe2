/**
 * Checks the metadata and pages of Parquet files before the library decodes them. It trusts the
 * sizes and counts in a file, so that one damaged byte could take all memory or all time.
 *
 * Limits around the library instead would need a thread of its own, with a limit of memory, that is
 * ended when it takes too long: an endless loop throws nothing. What is too long depends on the
 * machine, all cells would be copied between threads, and no message could say what is damaged.
 * These checks read headers and runs only.
 */
import zlib from 'node:zlib';
import { crc32 } from './zip.js';

/** What the checks of a column's pages need to know. */
export interface ChunkForm {
  /** Physical type. */
  readonly type: string;
  readonly codec: string;
  /** Decompressor of Snappy. */
  readonly snappy: (bytes: Uint8Array, content: Uint8Array) => void;
  /** True if it may have nulls. */
  readonly isOptional: boolean;
  /** Bytes of a value if all have the same; 0 for a bit or if they differ. */
  readonly width: number;
  /** Number of values, with nulls. */
  readonly rows: number;
  /** Maximum total size of the decompressed pages. */
  readonly maxBytes: number;
}

/** Decompressed pages by the offset of their compressed bytes. */
export type Pages = ReadonlyMap<number, Uint8Array>;

const [DATA, DICTIONARY, DATA_V2] = [0, 2, 3];
const [PLAIN, PLAIN_DICTIONARY, RLE, DELTA_BINARY, DELTA_LENGTH, RLE_DICTIONARY, BYTE_STREAM_SPLIT] = [
  0, 2, 3, 5, 6, 8, 9,
];

/**
 * Checks the pages of a column in a row group, and decompresses them.
 * @throws BrokenParquet if they are damaged, or of a kind that is not supported
 */
export function checkedPages(chunk: Uint8Array, form: ChunkForm): Pages {
  const pages = new Map<number, Uint8Array>();
  const thrift = new Thrift(chunk);
  let [rows, total, hasDictionary] = [0, 0, false];
  while (rows < form.rows) {
    const header = thrift.struct();
    const [type, size, compressed] = [1, 2, 3].map(id => count(header, id));
    const stored = chunk.subarray(thrift.at, thrift.at + compressed);
    const checksum = header.get(4);
    const from = thrift.at;
    thrift.skip(compressed);
    if (typeof checksum === 'number' && crc32(stored) !== checksum >>> 0)
      throw new BrokenParquet('the checksum of a page is wrong');
    total += size;
    if (total > form.maxBytes) throw new BrokenParquet('a column expands to too much data');
    if (type === DICTIONARY) {
      const values = count(structOf(header, 7), 1);
      const content = decompressed(stored, size, form);
      // the least is a bit
      if (values > 8 * content.length) throw new BrokenParquet('a dictionary ends too early');
      hasDictionary = values > 0;
      pages.set(from, content);
      continue;
    }
    const page =
      type === DATA ? firstForm(header) : type === DATA_V2 ? secondForm(header, compressed) : undefined;
    if (page === undefined) throw new BrokenParquet(`a page has type ${type}`);
    const { levels, isCompressed } = page;
    rows += page.values;
    if (rows > form.rows) throw new BrokenParquet('a column has more values than the row group has rows');
    const isStored = !isCompressed || size === levels;
    const content = isStored
      ? stored.subarray(levels)
      : decompressed(stored.subarray(levels), size - levels, form);
    if (!isStored) pages.set(from + levels, content);
    checkValues(page, stored, content, form, hasDictionary);
  }
  return pages;
}

/** A page of values. */
interface Page {
  /** Number of values, with nulls. */
  readonly values: number;
  readonly encoding: number;
  /** Encoding of the levels of nulls, if it may differ. */
  readonly levelEncoding?: number;
  /** Bytes of the levels before the compressed content; 0 if they are in it. */
  readonly levels: number;
  readonly isCompressed: boolean;
  /** Number of nulls; undefined if only the levels tell. */
  readonly nulls?: number;
}

function firstForm(header: Struct): Page {
  const data = structOf(header, 5);
  return {
    values: count(data, 1),
    encoding: count(data, 2),
    levelEncoding: count(data, 3),
    levels: 0,
    isCompressed: true,
  };
}

function secondForm(header: Struct, compressed: number): Page {
  const data = structOf(header, 8);
  const [values, nulls, rows, encoding, levels, repetitions] = [1, 2, 3, 4, 5, 6].map(id => count(data, id));
  if (rows !== values || nulls > values || repetitions !== 0 || levels > compressed)
    throw new BrokenParquet('the header of a page is wrong');
  return { values, nulls, encoding, levels, isCompressed: data.get(7) !== 0 };
}

/** Checks that the runs of levels and of values have as many as the header of the page says. */
function checkValues(
  page: Page,
  stored: Uint8Array,
  content: Uint8Array,
  form: ChunkForm,
  hasDictionary: boolean,
): void {
  const { values, encoding, levels, nulls } = page;
  const data = new Thrift(content);
  let present = values;
  if (form.isOptional && nulls === undefined) {
    if (page.levelEncoding !== RLE) throw new UnsupportedEncoding(page.levelEncoding ?? RLE);
    const end = lengthThere(content, 0) + 4;
    present = bitsOf(new Thrift(content.subarray(0, end), 4), values);
    data.skip(end);
  } else if (form.isOptional) {
    present = bitsOf(new Thrift(stored.subarray(0, levels)), values);
    if (present !== values - (nulls ?? 0)) throw new BrokenParquet('a page has another number of nulls');
  } else if (levels > 0 || (nulls ?? 0) > 0) throw new BrokenParquet('a page has nulls in a column without');
  if (present === 0) return;
  switch (encoding) {
    case PLAIN:
      return;
    case PLAIN_DICTIONARY:
    case RLE_DICTIONARY: {
      if (!hasDictionary) throw new BrokenParquet('a page needs a dictionary, and there is none');
      const width = data.byte();
      if (width > 31) throw new BrokenParquet('the numbers of a dictionary have too many bits');
      checkRuns(data, width, present);
      return;
    }
    case RLE:
      if (form.type !== 'BOOLEAN') break;
      lengthThere(content, data.at);
      data.skip(4);
      checkRuns(data, 1, present);
      return;
    case DELTA_BINARY:
    case DELTA_LENGTH:
      checkDeltas(data, present, form.type);
      return;
    case BYTE_STREAM_SPLIT:
      data.skip(form.width * present);
      return;
  }
  throw new UnsupportedEncoding(encoding);
}

/** A page has an encoding that is not read. */
export class UnsupportedEncoding extends Error {
  override readonly name = 'UnsupportedEncoding';

  constructor(readonly encoding: number) {
    super(`encoding ${encoding}`);
  }
}

function lengthThere(bytes: Uint8Array, at: number): number {
  if (bytes.length < at + 4) throw new BrokenParquet('a page ends too early');
  const length = new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
  if (length > bytes.length - at - 4) throw new BrokenParquet('a page ends too early');
  return length;
}

/** Maximum number of values that fill up packed ones; DuckDB packs 256 together. */
const MAX_FILLING = 512;

/** Calls `visit` for the runs of `values` numbers of `width` bits, until there are as many. */
function checkRuns(
  data: Thrift,
  width: number,
  values: number,
  visit: (length: number, isRepeated: boolean, from: number) => void = () => {},
): void {
  const bytes = Math.ceil(width / 8);
  for (let left = values; left > 0; ) {
    const head = data.varint();
    const isRepeated = head % 2 === 0;
    const length = isRepeated ? head / 2 : 8 * ((head - 1) / 2);
    if (length > left + (isRepeated ? 0 : MAX_FILLING)) throw new BrokenParquet('a run has too many values');
    const from = data.at;
    data.skip(isRepeated ? bytes : (length / 8) * width);
    visit(Math.min(length, left), isRepeated, from);
    left -= length;
  }
}

/** Number of levels of 1: the values that are not null. */
function bitsOf(data: Thrift, values: number): number {
  let set = 0;
  checkRuns(data, 1, values, (length, isRepeated, from) => {
    if (isRepeated) set += data.bitAt(from, 0) * length;
    else for (let i = 0; i < length; i++) set += data.bitAt(from, i);
  });
  return set;
}

const MAX_BLOCK = 2 ** 16;

/** Checks the blocks of differences of `values` numbers. */
function checkDeltas(data: Thrift, values: number, type: string): void {
  const [block, parts] = [data.varint(), data.varint()];
  data.varint();
  const first = data.varint();
  // DuckDB writes unsigned numbers so, which the library would take for others
  if (type !== 'INT64' && first >= 2 ** 32) throw new UnsupportedEncoding(DELTA_BINARY);
  const length = block / parts;
  if (!(block <= MAX_BLOCK && length >= 8 && length % 8 === 0))
    throw new BrokenParquet('a block of differences has a wrong size');
  for (let left = values - 1; left > 0; ) {
    data.varint();
    const widths = Array.from({ length: parts }, () => data.byte());
    for (const width of widths) {
      if (left <= 0) break;
      if (width > 64) throw new BrokenParquet('differences have too many bits');
      data.skip((length * width) / 8);
      left -= length;
    }
  }
}

/** Bytes of content that one byte of Snappy can contain at most. */
const SNAPPY_RATIO = 64;

/** Bytes after the tag of a copy, by its type. */
const COPY_BYTES = [0, 1, 2, 4];

/**
 * Checks the elements of a Snappy stream: the library would take the length of a literal for a
 * negative number, and go back.
 */
function checkSnappy(data: Thrift, size: number): void {
  if (data.varint() !== size) throw new Error('it has another size');
  while (data.hasMore) {
    const tag = data.byte();
    const isLiteral = tag % 4 === 0;
    const short = tag >> 2;
    let length = short + 1;
    if (isLiteral && short >= 60) {
      length = 1;
      for (let i = 0; i <= short - 60; i++) length += data.byte() * 2 ** (8 * i);
    }
    data.skip(isLiteral ? length : COPY_BYTES[tag % 4]);
  }
}

type Inflate = (bytes: Uint8Array, options: { maxOutputLength: number }) => Buffer;

/** Decompressors by codec. Node has Zstandard since 22.15. */
const INFLATE: Readonly<Record<string, Inflate | undefined>> = {
  GZIP: zlib.gunzipSync,
  BROTLI: zlib.brotliDecompressSync,
  ZSTD: (zlib as { zstdDecompressSync?: Inflate }).zstdDecompressSync,
};

/** Whether pages with this compression can be read. */
export function hasCodec(codec: string): boolean {
  return codec === 'UNCOMPRESSED' || codec === 'SNAPPY' || INFLATE[codec] !== undefined;
}

function decompressed(bytes: Uint8Array, size: number, { codec, snappy }: ChunkForm): Uint8Array {
  if (codec === 'UNCOMPRESSED') return bytes;
  if (size === 0) return new Uint8Array(0);
  try {
    const inflate = INFLATE[codec];
    if (inflate) return inflate(bytes, { maxOutputLength: size });
    checkSnappy(new Thrift(bytes), size);
    if (size > SNAPPY_RATIO * bytes.length) throw new Error('it expands to too much data');
    const content = new Uint8Array(size);
    snappy(bytes, content);
    return content;
  } catch (error) {
    throw new BrokenParquet(`a compressed page is damaged (${(error as Error).message})`);
  }
}

function structOf(fields: Struct, id: number): Struct {
  const found = fields.get(id);
  if (!(found instanceof Map)) throw new BrokenParquet('the header of a page is wrong');
  return found;
}

function count(fields: Struct, id: number): number {
  const found = fields.get(id);
  if (typeof found !== 'number' || found < 0) throw new BrokenParquet('the header of a page is wrong');
  return found;
}

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
