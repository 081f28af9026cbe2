/**
 * Reads Parquet files: the cells of flat columns as text, as in a CSV file, one row group at a
 * time. The optional package hyparquet decodes them.
 */

import type { FileMetaData, ParquetParsers, RowGroup, SchemaElement, SchemaTree } from 'hyparquet';
import { pathToFileURL } from '../../host/index.js';
import { damagedError, UserError, usageError } from '../../util/errors.js';
import { optionalFile } from '../../util/root.js';
import { expansionLimit, MAX_ELEMENTS } from '../reading/files.js';
import { type CellForm, cellForm, cellTexts, type Piece } from './parquet-cells.js';
import { checkedPages, hasCodec, type Library, readsPages, UnsupportedEncoding } from './parquet-pages.js';

const MAGIC = 'PAR1';
const ENCRYPTED_MAGIC = 'PARE';
/** Size of the length of the metadata and of the magic at the end. */
const TRAILER_BYTES = 8;

/** Maximum size of the metadata, which take ten times as much memory: 32 MiB. */
const MAX_METADATA_BYTES = 2 ** 25;

/** Maximum number of cells of a row group that are read: they are in memory together. */
const MAX_GROUP_CELLS = 2 ** 26;

/** Maximum number of rows of a row group, whose columns are decoded one after another. */
const MAX_GROUP_ROWS = 2 ** 24;

const REWRITTEN = 'the default format of pandas, Polars or DuckDB';
const READABLE = 'a column of numbers, texts, booleans, dates or times';
const CODECS = `no compression, Snappy, gzip, Brotli or Zstandard${hasCodec('ZSTD') ? '' : ' (with Node 22.15 or later)'}`;

/** True for a Parquet file, also for an encrypted one. `bytes`: its first four, or more. */
export function isParquet(bytes: Uint8Array): boolean {
  const magic = Buffer.from(bytes.subarray(0, MAGIC.length)).toString('latin1');
  return magic === MAGIC || magic === ENCRYPTED_MAGIC;
}

export interface ParquetColumn {
  readonly name: string;
  /** Why it cannot be read; undefined if it can. */
  readonly unreadable?: string;
  readonly isBoolean: boolean;
}

export interface ParquetRows {
  readonly count: number;
  /** Cell of a row (from 0) in column `column` of those that are read. */
  cell(column: number, row: number): string;
}

interface OpenColumn extends ParquetColumn {
  readonly element: SchemaElement;
  readonly form: CellForm | undefined;
}

export class ParquetFile {
  private constructor(
    private readonly library: Library,
    private readonly bytes: Buffer,
    private readonly file: string,
    private readonly metadata: FileMetaData,
    readonly columns: readonly OpenColumn[],
  ) {}

  /** @param file name for messages */
  static async open(bytes: Buffer, file: string): Promise<ParquetFile> {
    const library = await loadLibrary(file);
    const metadata = readMetadata(library, bytes, file);
    return new ParquetFile(library, bytes, file, metadata, columnsOf(library, metadata, file));
  }

  /**
   * Yields the rows of each row group.
   * @param indices of the columns to read
   */
  async *groups(indices: readonly number[]): AsyncGenerator<ParquetRows> {
    const columns = indices.map(index => this.columns[index]);
    for (const { name, unreadable } of columns)
      if (unreadable !== undefined)
        throw unsupported(this.file, name, `the column has ${unreadable}`, READABLE);
    let total = 0;
    for (const group of this.metadata.row_groups) {
      const rows = Number(group.num_rows);
      total += rows * columns.length;
      if (rows > MAX_GROUP_ROWS || rows * columns.length > MAX_GROUP_CELLS || total > MAX_ELEMENTS)
        throw damagedError('data/too-large', 'the table takes too much memory', {
          file: this.file,
          expected: `at most ${MAX_ELEMENTS} cells in columns that are read, and ${MAX_GROUP_ROWS} rows and ${MAX_GROUP_CELLS} cells in a row group`,
          got: `${total} cells, in a row group with ${rows} rows`,
        });
      const cells: ((row: number) => string)[] = [];
      for (const column of columns) cells.push(await this.read(group, column, rows));
      yield { count: rows, cell: (column, row) => cells[column](row) };
    }
  }

  private async read(group: RowGroup, column: OpenColumn, rows: number): Promise<(row: number) => string> {
    const { file } = this;
    try {
      const pieces = await this.decode(group, column, rows);
      return cellTexts(pieces, column.form as CellForm, rows);
    } catch (error) {
      if (error instanceof UserError) throw error;
      if (error instanceof UnsupportedEncoding)
        throw unsupported(file, column.name, `the column has encoding ${error.encoding}`, REWRITTEN);
      const reason = error instanceof RangeError ? 'it ends too early' : (error as Error).message;
      throw broken(file, `the column is damaged: ${reason}`, column.name);
    }
  }

  private async decode(group: RowGroup, column: OpenColumn, rows: number): Promise<readonly Piece[]> {
    const { library, bytes, file } = this;
    const chunks = group.columns.filter(({ meta_data }) => meta_data?.path_in_schema[0] === column.name);
    // the path of an encrypted one may be encrypted, too
    const chunk = chunks[0] ?? group.columns.find(({ meta_data }) => meta_data === undefined);
    const { meta_data: meta, file_path: other, crypto_metadata: crypto } = chunk ?? {};
    const refused = (message: string, expected: string) => unsupported(file, column.name, message, expected);
    if (crypto !== undefined) throw refused('the column is encrypted', REWRITTEN);
    if (other !== undefined) throw refused('the column is in another file', REWRITTEN);
    if (meta === undefined || chunks.length > 1 || meta.type !== column.element.type)
      throw new Error('the metadata contradict each other');
    if (rows === 0) return [];
    const { type, codec, data_page_offset, total_compressed_size: size } = meta;
    if (!hasCodec(codec)) throw refused(`the column is compressed with ${codec}`, CODECS);
    const start = Number(meta.dictionary_page_offset || data_page_offset);
    const end = start + Number(size);
    if (!(start >= MAGIC.length && end > start && end <= bytes.length - TRAILER_BYTES))
      throw new Error('its position is outside the file');
    // in a buffer of its own, so that no value can reach beyond it
    const stored = new Uint8Array(bytes.subarray(start, end));
    const { element, form } = column;
    const pages = checkedPages(stored, {
      library,
      type,
      codec,
      isOptional: element.repetition_type === 'OPTIONAL',
      rows,
      maxBytes: expansionLimit(),
    });
    const inflate = (compressed: Uint8Array): Uint8Array => {
      const page = pages.get(compressed.byteOffset);
      if (page === undefined) throw new Error('the position of a page is wrong');
      return page;
    };
    const pieces: Piece[] = [];
    await library.parquetRead({
      file: {
        byteLength: bytes.length,
        slice: (from, to = bytes.length) =>
          from === start && to === end ? stored.buffer : stored.buffer.slice(from - start, to - start),
      },
      metadata: {
        ...this.metadata,
        num_rows: group.num_rows,
        schema: [{ name: 'schema', num_children: 1 }, form?.element ?? element],
        row_groups: [{ ...group, columns: [{ file_offset: 0n, meta_data: meta }] }],
      },
      compressors: { SNAPPY: inflate, GZIP: inflate, BROTLI: inflate, ZSTD: inflate },
      parsers: PARSERS,
      utf8: form?.isText === true,
      onChunk: ({ columnData }) => void pieces.push(columnData as Piece),
    });
    return pieces;
  }
}

/** All but texts are passed on as they are stored. */
const PARSERS: Partial<ParquetParsers> = {
  timestampFromNanoseconds: nanoseconds => nanoseconds,
  stringFromBytes: textOf,
};

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array | null | undefined): string | null | undefined {
  if (!bytes) return bytes;
  try {
    return decoder.decode(bytes);
  } catch {
    throw new Error('a text is not UTF-8');
  }
}

/** The checks of pages need functions that the package does not export by its name. */
const INSIDE = ['index', 'column', 'thrift'];
/** Files inside a package may change in any version. */
const TESTED_VERSION = '1.33.0';

async function loadLibrary(file: string): Promise<Library> {
  const found = INSIDE.map(partOfLibrary);
  if (found.every(path => path === undefined))
    throw usageError(
      'data/parquet-missing',
      'Parquet is read by the npm package hyparquet, which is not installed; run: npm install hyparquet',
      { file, expected: 'hyparquet, or a CSV file' },
    );
  const parts = found.flatMap(path => (path === undefined ? [] : [import(pathToFileURL(path).href)]));
  const library: Library = Object.assign({}, ...(await Promise.all(parts).catch(() => [])));
  if (readsPages(library)) return library;
  throw usageError(
    'data/parquet-version',
    `the installed hyparquet does not read pages as version ${TESTED_VERSION} does; run: npm install hyparquet@${TESTED_VERSION}`,
    { file, expected: `hyparquet ${TESTED_VERSION}, or a CSV file` },
  );
}

function partOfLibrary(name: string): string | undefined {
  try {
    return optionalFile(`hyparquet/src/${name}.js`);
  } catch {
    // the package does not export it
    return name;
  }
}

function readMetadata(library: Library, bytes: Buffer, file: string): FileMetaData {
  const end = bytes.toString('latin1', Math.max(0, bytes.length - MAGIC.length));
  if (end === ENCRYPTED_MAGIC || bytes.toString('latin1', 0, MAGIC.length) === ENCRYPTED_MAGIC)
    throw damagedError('data/parquet-unsupported', 'the file is encrypted', { file, expected: REWRITTEN });
  if (end !== MAGIC || bytes.length < MAGIC.length + TRAILER_BYTES)
    throw damagedError('data/parquet', 'the file ends too early', {
      file,
      offset: bytes.length,
      expected: `${MAGIC} at the end of a Parquet file`,
    });
  const length = bytes.readUInt32LE(bytes.length - TRAILER_BYTES);
  const start = bytes.length - TRAILER_BYTES - length;
  if (start < MAGIC.length) throw broken(file, 'the metadata are larger than the file');
  if (length > MAX_METADATA_BYTES)
    throw damagedError('data/too-large', 'the metadata are too large', {
      file,
      expected: `at most ${MAX_METADATA_BYTES} bytes; write the table with a larger row group size`,
      got: `${length} bytes`,
    });
  try {
    const metadata = library.parquetMetadata(bytes.subarray(start), { geoparquet: false });
    if (metadata.row_groups.some(({ num_rows }) => !(num_rows >= 0n)))
      throw new Error('a row group has no number of rows');
    return metadata;
  } catch (error) {
    throw broken(file, `the metadata are damaged: ${(error as Error).message}`);
  }
}

/** The columns at the top of the schema. */
function columnsOf(library: Library, metadata: FileMetaData, file: string): OpenColumn[] {
  const names = new Set<string>();
  return schemaOf(library, metadata, file).map(({ element, children }) => {
    const { name, type } = element;
    if (typeof name !== 'string') throw broken(file, 'a column has no name');
    if (names.has(name)) throw broken(file, 'two columns have this name', name);
    names.add(name);
    const form = children.length > 0 ? 'a list, map or struct' : cellForm(element);
    const isBoolean = type === 'BOOLEAN';
    if (typeof form === 'string') return { name, element, isBoolean, unreadable: form, form: undefined };
    return { name, element, isBoolean, form };
  });
}

function schemaOf(library: Library, metadata: FileMetaData, file: string): readonly SchemaTree[] {
  try {
    return library.parquetSchema(metadata).children;
  } catch {
    throw broken(file, 'the schema ends too early');
  }
}

function broken(file: string, message: string, columnName?: string): UserError {
  return damagedError('data/parquet', message, { file, columnName });
}

function unsupported(file: string, columnName: string, message: string, expected: string): UserError {
  return damagedError('data/parquet-unsupported', message, { file, columnName, expected });
}
