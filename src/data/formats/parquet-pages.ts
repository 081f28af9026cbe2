/**
 * Checks the pages of Parquet files before the library decodes them. It trusts the sizes and counts
 * in a file, so that one damaged byte could take all memory or all time. What reads beyond the end
 * of a page throws there; these checks are for what would not.
 */
import zlib from 'node:zlib';
import type { PageHeader } from 'hyparquet';
import { crc32 } from './zip.js';

/** What the checks of a column's pages need to know. */
export interface ChunkForm {
  /** Physical type. */
  readonly type: string;
  readonly codec: string;
  /** Reads the header of a page. */
  readonly header: (reader: { readonly view: DataView; offset: number }) => PageHeader;
  /** Decompressor of Snappy. */
  readonly snappy: (bytes: Uint8Array, content: Uint8Array) => void;
  /** True if it may have nulls. */
  readonly isOptional: boolean;
  /** Number of values, with nulls. */
  readonly rows: number;
  /** Maximum total size of the decompressed pages. */
  readonly maxBytes: number;
}

/** Decompressed pages by the offset of their compressed bytes. */
export type Pages = ReadonlyMap<number, Uint8Array>;

/** Checks the pages of a column in a row group, and decompresses them. */
export function checkedPages(chunk: Uint8Array, form: ChunkForm): Pages {
  const pages = new Map<number, Uint8Array>();
  const reader = { view: new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength), offset: 0 };
  let [rows, total, hasDictionary] = [0, 0, false];
  while (rows < form.rows) {
    const header = form.header(reader);
    const { uncompressed_page_size: size, compressed_page_size: compressed, crc, type } = header;
    const from = reader.offset;
    if (!(size >= 0 && compressed >= 0 && from + compressed <= chunk.length))
      throw new BrokenParquet('the header of a page is wrong');
    const stored = chunk.subarray(from, from + compressed);
    reader.offset += compressed;
    if (crc !== undefined && crc32(stored) !== crc >>> 0)
      throw new BrokenParquet('the checksum of a page is wrong');
    total += size;
    if (total > form.maxBytes) throw new BrokenParquet('a column expands to too much data');
    if (type === 'DICTIONARY_PAGE') {
      const values = header.dictionary_page_header?.num_values ?? 0;
      const content = decompressed(stored, size, form);
      // the least is a bit
      if (!(values <= 8 * content.length)) throw new BrokenParquet('a dictionary ends too early');
      hasDictionary = values > 0;
      pages.set(from, content);
      continue;
    }
    const page = pageOf(header);
    const { levels, values } = page;
    rows += values;
    if (!(values >= 0 && rows <= form.rows && levels >= 0 && levels <= compressed))
      throw new BrokenParquet('a column has more values than the row group has rows');
    const isStored = !page.isCompressed || size === levels;
    const content = isStored
      ? stored.subarray(levels)
      : decompressed(stored.subarray(levels), size - levels, form);
    if (!isStored) pages.set(from + levels, content);
    if (form.isOptional && levels > 0) checkRuns(new Bytes(stored.subarray(0, levels)), 1, values);
    checkValues(page, content, form, hasDictionary);
  }
  return pages;
}

/** A page of values. */
interface Page {
  /** Number of values, with nulls. */
  readonly values: number;
  readonly encoding: string;
  /** Encoding of the levels of nulls, if they are in the content. */
  readonly levelEncoding?: string;
  /** Bytes of the levels before the compressed content. */
  readonly levels: number;
  readonly isCompressed: boolean;
}

function pageOf({ type, data_page_header: v1, data_page_header_v2: v2 }: PageHeader): Page {
  if (type === 'DATA_PAGE' && v1) {
    const { num_values: values, encoding, definition_level_encoding: levelEncoding } = v1;
    return { values, encoding, levelEncoding, levels: 0, isCompressed: true };
  }
  if (type !== 'DATA_PAGE_V2' || !v2) throw new BrokenParquet(`a page has type ${type}`);
  const { num_values: values, num_nulls, num_rows, encoding, is_compressed } = v2;
  if (num_rows !== values || num_nulls > values || v2.repetition_levels_byte_length !== 0)
    throw new BrokenParquet('the header of a page is wrong');
  return {
    values,
    encoding,
    levels: v2.definition_levels_byte_length,
    isCompressed: is_compressed !== false,
  };
}

/** Checks the runs of levels and of values. */
function checkValues(page: Page, content: Uint8Array, form: ChunkForm, hasDictionary: boolean): void {
  const { values, encoding, levelEncoding } = page;
  const data = new Bytes(content);
  if (form.isOptional && levelEncoding !== undefined) {
    if (levelEncoding !== 'RLE') throw new UnsupportedEncoding(levelEncoding);
    const end = data.uint32() + 4;
    checkRuns(new Bytes(content.subarray(4, end)), 1, values);
    data.at = end;
  }
  switch (encoding) {
    case 'PLAIN':
    case 'BYTE_STREAM_SPLIT':
      return;
    case 'PLAIN_DICTIONARY':
    case 'RLE_DICTIONARY': {
      if (!data.hasMore) return;
      if (!hasDictionary) throw new BrokenParquet('a page needs a dictionary, and there is none');
      const width = data.byte();
      if (width > 31) throw new BrokenParquet('the numbers of a dictionary have too many bits');
      checkRuns(data, width, values);
      return;
    }
    case 'RLE':
      if (form.type !== 'BOOLEAN') break;
      data.at += 4;
      checkRuns(data, 1, values);
      return;
    case 'DELTA_BINARY_PACKED':
    case 'DELTA_LENGTH_BYTE_ARRAY':
      if (data.hasMore) checkDeltas(data, form.type);
      return;
  }
  throw new UnsupportedEncoding(encoding);
}

/** A page has an encoding that is not read. */
export class UnsupportedEncoding extends Error {
  override readonly name = 'UnsupportedEncoding';

  constructor(readonly encoding: string) {
    super(`encoding ${encoding}`);
  }
}

/** Maximum number of values that fill up packed ones; DuckDB packs 256 together. */
const MAX_FILLING = 512;

/** Checks the runs of up to `values` numbers of `width` bits. */
function checkRuns(data: Bytes, width: number, values: number): void {
  for (let left = values; left > 0 && data.hasMore; ) {
    const head = data.varint();
    const isRepeated = head % 2 === 0;
    const length = isRepeated ? head / 2 : 8 * ((head - 1) / 2);
    if (length > left + (isRepeated ? 0 : MAX_FILLING)) throw new BrokenParquet('a run has too many values');
    data.at += isRepeated ? Math.ceil(width / 8) : (length / 8) * width;
    left -= length;
  }
}

const MAX_BLOCK = 2 ** 16;

function checkDeltas(data: Bytes, type: string): void {
  const [block, parts, , first] = [data.varint(), data.varint(), data.varint(), data.varint()];
  // DuckDB writes unsigned numbers so, which the library would take for others
  if (type !== 'INT64' && first >= 2 ** 32) throw new UnsupportedEncoding('DELTA_BINARY_PACKED');
  const length = block / parts;
  if (!(block <= MAX_BLOCK && length >= 8 && length % 8 === 0))
    throw new BrokenParquet('a block of differences has a wrong size');
}

/** Bytes of content that one byte of Snappy can contain at most. */
const SNAPPY_RATIO = 64;

/** Bytes after the tag of a copy, by its type. */
const COPY_BYTES = [0, 1, 2, 4];

/**
 * Checks the elements of a Snappy stream: the library would take the length of a literal for a
 * negative number, and go back.
 */
function checkSnappy(data: Bytes, size: number): void {
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
    data.at += isLiteral ? length : COPY_BYTES[tag % 4];
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
    checkSnappy(new Bytes(bytes), size);
    if (size > SNAPPY_RATIO * bytes.length) throw new Error('it expands to too much data');
    const content = new Uint8Array(size);
    snappy(bytes, content);
    return content;
  } catch (error) {
    throw new BrokenParquet(`a compressed page is damaged (${(error as Error).message})`);
  }
}

/** Problem in a file, without its location. */
export class BrokenParquet extends Error {
  override readonly name = 'BrokenParquet';
}

/** Reads numbers; all methods throw `BrokenParquet` if the bytes end too early. */
class Bytes {
  at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  get hasMore(): boolean {
    return this.at < this.bytes.length;
  }

  byte(): number {
    if (!this.hasMore) throw new BrokenParquet('a page ends too early');
    return this.bytes[this.at++];
  }

  uint32(): number {
    return this.byte() + 2 ** 8 * this.byte() + 2 ** 16 * this.byte() + 2 ** 24 * this.byte();
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
}
