/** What the parsers of tables receive and report: records with their places. */
import type { Diagnostic } from '../../util/errors.js';
import type { Decimal } from './numbers.js';
import type { ParquetColumn } from './parquet.js';

/** Position of a field of a CSV file, with its source line. */
export type CsvPlace = Required<Pick<Diagnostic, 'file' | 'line' | 'column' | 'length' | 'source'>>;

export type CellPlace = CsvPlace | (RowPlace & Pick<Diagnostic, 'columnName'>);

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
  /** Of sources without an ending, such as pipes. Default: CSV. */
  readonly kind?: string;
  /** Of CSV. Default: a comma. */
  readonly delimiter?: Delimiter | undefined;
  /** Of the numbers of CSV. Default: a point, and no marks between thousands. */
  readonly decimal?: Decimal | undefined;
  /** Of CSV without a line of names. */
  readonly columnNames?: readonly string[] | undefined;
  /** The only one of these that rows may lack: a target that is predicted. */
  readonly optionalColumn?: string | undefined;
  /** True for text whose blank lines separate sequences: {@link BLOCK} names that of a row. */
  readonly blankLines?: boolean;
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

/** Delimiters of fields that a table may have. */
export const DELIMITERS = [',', ';', '\t', '|'] as const;
export type Delimiter = (typeof DELIMITERS)[number];
