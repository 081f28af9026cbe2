/**
 * Checks the pages of Parquet files before the library decodes them. It trusts the sizes and counts
 * in a file, so that one damaged byte could take all memory or all time. What reads beyond the end
 * of a page throws there; these checks are for what would not.
 */

import type { DataPageHeader, DataReader } from 'hyparquet';
import { brotliDecompressSync, crc32, gunzipSync, zstdDecompressSync } from '../../host/index.js';

export type Library = typeof import('hyparquet') &
  Pick<typeof import('hyparquet/src/column.js'), 'parquetHeader'> &
  Pick<typeof import('hyparquet/src/thrift.js'), 'readVarInt' | 'readZigZagBigInt'>;

/** The header of a page in Thrift's compact protocol: three plain values of four bytes in all. */
const HEADER = [0x15, 0, 0x15, 8, 0x15, 8, 0x2c, 0x15, 6, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0];

/** Whether `library`, of any version, reads what the checks read with it. */
export function readsPages({ parquetHeader, readVarInt, readZigZagBigInt }: Partial<Library>): boolean {
  const of = (...bytes: number[]) => readerOf(Uint8Array.from(bytes));
  try {
    const header = parquetHeader?.(of(...HEADER));
    const { num_values, encoding, definition_level_encoding } = header?.data_page_header ?? {};
    return (
      [header?.type, num_values, encoding, definition_level_encoding].join() === 'DATA_PAGE,3,PLAIN,RLE' &&
      [header?.uncompressed_page_size, header?.compressed_page_size].join() === '4,4' &&
      readVarInt?.(of(0xac, 2)) === 300 &&
      readZigZagBigInt?.(of(3)) === -2n
    );
  } catch {
    return false;
  }
}

/** What the checks of a column's pages need to know. */
export interface ChunkForm {
  readonly library: Library;
  /** Physical type. */
  readonly type: string;
  readonly codec: string;
  /** True if it may have nulls. */
  readonly isOptional: boolean;
  /** Number of values, with nulls. */
  readonly rows: number;
  /** Maximum total size of the decompressed pages. */
  readonly maxBytes: number;
}

function readerOf(bytes: Uint8Array): DataReader {
  return { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
}

function hasMore({ view, offset }: DataReader): boolean {
  return offset < view.byteLength;
}

/**
 * Checks the pages of a column in a row group.
 * @returns the decompressed pages by the offset of their compressed bytes
 */
export function checkedPages(chunk: Uint8Array, form: ChunkForm): ReadonlyMap<number, Uint8Array> {
  const { library, codec, isOptional, maxBytes } = form;
  const pages = new Map<number, Uint8Array>();
  const reader = readerOf(chunk);
  let [rows, total, hasDictionary] = [0, 0, false];
  while (rows < form.rows) {
    const header = library.parquetHeader(reader);
    const { type, uncompressed_page_size: size, compressed_page_size: compressed, crc } = header;
    const from = reader.offset;
    if (!(size >= 0 && compressed >= 0 && from + compressed <= chunk.length))
      throw new Error('the header of a page is wrong');
    reader.offset += compressed;
    const stored = chunk.subarray(from, reader.offset);
    if (crc !== undefined && crc32(stored) !== crc >>> 0) throw new Error('the checksum of a page is wrong');
    total += size;
    if (total > maxBytes) throw new Error('it expands to too much data');
    const v2 = type === 'DATA_PAGE_V2' ? header.data_page_header_v2 : undefined;
    if (v2 && v2.repetition_levels_byte_length !== 0) throw new Error('the header of a page is wrong');
    // the levels of nulls come first in this version, and are not compressed
    const levels = v2?.definition_levels_byte_length ?? 0;
    const isStored = codec === 'UNCOMPRESSED' || v2?.is_compressed === false || size === levels;
    const content = stored.subarray(levels);
    pages.set(from + levels, isStored ? content : decompressed(content, size - levels, form));
    if (type === 'DICTIONARY_PAGE') {
      hasDictionary = true;
      continue;
    }
    const page = v2 ?? (type === 'DATA_PAGE' ? header.data_page_header : undefined);
    if (!page) throw new Error(`a page has type ${type}`);
    rows += page.num_values;
    if (!(page.num_values >= 0 && rows <= form.rows))
      throw new Error('it has more values than the row group has rows');
    if (v2 && isOptional) checkRuns(readerOf(stored), 1, page.num_values, library);
    checkValues(page, readerOf(pages.get(from + levels) as Uint8Array), form, hasDictionary);
  }
  return pages;
}

/** Checks the runs of values, and of the levels of nulls before them. */
function checkValues(
  page: Pick<DataPageHeader, 'num_values' | 'encoding'> & Partial<DataPageHeader>,
  data: DataReader,
  { library, type, isOptional }: ChunkForm,
  hasDictionary: boolean,
): void {
  const { num_values: values, encoding, definition_level_encoding: levelEncoding } = page;
  if (isOptional && levelEncoding !== undefined) {
    if (levelEncoding !== 'RLE') throw new UnsupportedEncoding(levelEncoding);
    const end = data.view.getUint32(0, true) + 4;
    data.offset = 4;
    checkRuns(data, 1, values, library);
    data.offset = end;
  }
  switch (encoding) {
    case 'PLAIN':
    case 'BYTE_STREAM_SPLIT':
    case 'DELTA_LENGTH_BYTE_ARRAY':
      return;
    case 'PLAIN_DICTIONARY':
    case 'RLE_DICTIONARY':
      if (!hasMore(data)) return;
      if (!hasDictionary) throw new Error('a page needs a dictionary, but there is none');
      checkRuns(data, data.view.getUint8(data.offset++), values, library);
      return;
    case 'RLE':
      if (type !== 'BOOLEAN') break;
      data.offset += 4;
      checkRuns(data, 1, values, library);
      return;
    case 'DELTA_BINARY_PACKED': {
      if (type !== 'INT32' || !hasMore(data)) return;
      for (let i = 0; i < 3; i++) library.readVarInt(data);
      // DuckDB writes unsigned numbers so, which the library would take for others
      const first = library.readZigZagBigInt(data);
      if (first === BigInt.asIntN(32, first)) return;
    }
  }
  throw new UnsupportedEncoding(encoding);
}

/** A page has an encoding that is not read. */
export class UnsupportedEncoding extends Error {
  constructor(readonly encoding: string) {
    super(`encoding ${encoding}`);
  }
}

/** Maximum number of values that fill up packed ones; DuckDB packs 256 together. */
const MAX_FILLING = 512;

/** Checks the runs of up to `values` numbers of `width` bits. */
function checkRuns(data: DataReader, width: number, values: number, { readVarInt }: Library): void {
  for (let left = values; left > 0 && hasMore(data); ) {
    const head = readVarInt(data);
    const isRepeated = head % 2 === 0;
    const length = isRepeated ? head >>> 1 : (head >> 1) * 8;
    if (!(length >= 0 && length <= left + MAX_FILLING)) throw new Error('a run has too many values');
    data.offset += isRepeated ? Math.ceil(width / 8) : (length / 8) * width;
    left -= length;
  }
}

/** Bytes after the tag of a copy, by its type. */
const COPY_BYTES = [0, 1, 2, 4];

/**
 * Checks the elements of a Snappy stream: the library would take the length of a literal for a
 * negative number, and go back.
 */
function checkSnappy(data: DataReader, size: number, { readVarInt }: Library): void {
  if (readVarInt(data) !== size) throw new Error('its size is wrong');
  while (hasMore(data)) {
    const tag = data.view.getUint8(data.offset++);
    const short = tag >> 2;
    if (tag % 4 > 0) data.offset += COPY_BYTES[tag % 4];
    else if (short < 60) data.offset += short + 1;
    else {
      const bytes = short - 59;
      data.offset += bytes + (data.view.getUint32(data.offset, true) % 2 ** (8 * bytes)) + 1;
    }
  }
}

type Inflate = (bytes: Uint8Array, options: { maxOutputLength: number }) => Buffer;

/** Decompressors by codec. */
const INFLATE: Readonly<Record<string, Inflate | undefined>> = {
  GZIP: gunzipSync,
  BROTLI: brotliDecompressSync,
  ZSTD: zstdDecompressSync,
};

/** Whether pages with this compression can be read. */
export function hasCodec(codec: string): boolean {
  return codec === 'UNCOMPRESSED' || codec === 'SNAPPY' || INFLATE[codec] !== undefined;
}

function decompressed(bytes: Uint8Array, size: number, { codec, library }: ChunkForm): Uint8Array {
  try {
    const inflate = INFLATE[codec];
    if (inflate) return inflate(bytes, { maxOutputLength: size });
    checkSnappy(readerOf(bytes), size, library);
    const content = new Uint8Array(size);
    library.snappyUncompress(bytes, content);
    return content;
  } catch (error) {
    throw new Error(`a compressed page is damaged (${(error as Error).message})`);
  }
}
