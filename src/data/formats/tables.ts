/** Reads tables with named columns: Parquet files by their first bytes, all others as CSV. */
import type { Diagnostic } from '../../util/errors.js';
import { allBytes, type ByteSource, beginning } from '../reading/byte-sources.js';
import { MAX_TEXT_BYTES } from '../reading/files.js';
import { CsvPieces, type CsvPlace, type Delimiter } from './csv-records.js';
import { isParquet, type ParquetColumn, ParquetFile } from './parquet.js';

/** Position of a cell. */
export type CellPlace = CsvPlace | (RowPlace & Pick<Diagnostic, 'columnName'>);

/** Position of a row. */
export type RowPlace = { readonly file: string } & Pick<Diagnostic, 'line' | 'row'>;

/**
 * `line 5`, or `row 5` of a file without lines.
 * @param from the position of the text that names the row; its file is not repeated
 */
export function rowName({ file, line, row }: RowPlace, from: Pick<Diagnostic, 'file'> = { file }): string {
  const name = line === undefined ? `row ${row}` : `line ${line}`;
  return file === from.file ? name : `${name} of ${file}`;
}

/** A row of a table, or its column names; valid only during the call that receives it. */
export interface TableRecord {
  /** As many as in the header, except for {@link TableHandlers.ragged}. */
  readonly fields: readonly string[];
  readonly row: RowPlace;
  /** Position of field `field` (0-based). */
  place(field: number): Partial<CellPlace>;
}

/** How a table is read, if its first bytes do not say so. */
export interface TableFormat {
  /** Of CSV. Default: a comma. */
  readonly delimiter?: Delimiter | undefined;
}

export interface TableHandlers {
  /** Names of columns; the fields of others may be empty. Absent: all that can be read. */
  readonly wanted?: readonly string[] | undefined;
  /** Called once, with the column names. @param columns of a Parquet file */
  header(record: TableRecord, columns?: readonly ParquetColumn[]): void;
  add(record: TableRecord): void;
  /** Called for a row of a CSV file with a wrong number of fields. */
  ragged(record: TableRecord, problem: Diagnostic): void;
}

/** Bytes that tell the format of a table. */
const MAGIC_BYTES = 4;

/** Rows of a Parquet file between two yields. */
const ROWS_TOGETHER = 4096;

/**
 * Passes the records of a table to the handlers, whose errors propagate; yields after some of them.
 */
export async function* readTable(
  given: ByteSource,
  handlers: TableHandlers,
  { delimiter }: TableFormat,
): AsyncGenerator<void> {
  const { start, source } = await beginning(given, MAGIC_BYTES);
  if (isParquet(start)) {
    const file = await ParquetFile.open(await allBytes(source, MAX_TEXT_BYTES), source.name);
    yield* readParquet(file, source.name, handlers);
    return;
  }
  const pieces = new CsvPieces(source.name, handlers, delimiter);
  for await (const chunk of source.chunks) {
    pieces.push(chunk);
    yield;
  }
  pieces.end();
}

async function* readParquet(file: ParquetFile, name: string, handlers: TableHandlers): AsyncGenerator<void> {
  const { columns } = file;
  const fields = columns.map(column => column.name);
  let number = 0;
  const record: TableRecord = {
    fields,
    get row() {
      return { file: name, row: number };
    },
    place: field => ({ file: name, ...(number > 0 && { row: number, columnName: columns[field].name }) }),
  };
  handlers.header(record, columns);
  const { wanted } = handlers;
  const indices = columns.flatMap(({ name, unreadable }, i) =>
    (wanted === undefined ? unreadable === undefined : wanted.includes(name.trim())) ? [i] : [],
  );
  fields.fill('');
  for await (const { count, cell } of file.groups(indices)) {
    for (let row = 0; row < count; row++) {
      for (let i = 0; i < indices.length; i++) fields[indices[i]] = cell(i, row);
      number++;
      handlers.add(record);
      if (row % ROWS_TOGETHER === 0) yield;
    }
    yield;
  }
}
