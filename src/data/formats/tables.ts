/** Reads tables with named columns: Parquet files by their first bytes, all others as CSV. */
import type { Diagnostic } from '../../util/errors.js';
import type { Problems } from '../core/problems.js';
import { type CsvPlace, type Delimiter, placeInCsv, RecordLines, scanCsv } from './csv-records.js';
import { isParquet, type ParquetColumn, ParquetFile } from './parquet.js';

/** Position of a cell. */
export type CellPlace =
  | CsvPlace
  | (Required<Pick<Diagnostic, 'file' | 'row'>> & Pick<Diagnostic, 'columnName'>);

/** Position of a row. */
export type RowPlace = { readonly file: string } & Pick<Diagnostic, 'line' | 'row'>;

/**
 * `line 5`, or `row 5` of a file without lines.
 * @param from the position of the text that names the row; its file is not repeated
 */
export function rowName(
  { file, line, row }: Pick<Diagnostic, 'file' | 'line' | 'row'>,
  from: Pick<Diagnostic, 'file'> = { file },
): string {
  const name = line === undefined ? `row ${row}` : `line ${line}`;
  return file === from.file ? name : `${name} of ${file}`;
}

export interface TableHandlers {
  /** Called once, with the column names. */
  header(names: readonly string[]): void;
  /**
   * Called for each row; `fields` is valid during the call. `at` is the argument for
   * {@link TableFile.place}.
   */
  row(fields: readonly string[], at: number): void;
  /**
   * Called for a row of a CSV file with a wrong number of fields; absent: that is a problem of the
   * file.
   */
  ragged?(fields: readonly string[], at: number, problem: () => Diagnostic): void;
}

/** A table in memory. */
export class TableFile {
  readonly isParquet: boolean;
  private columns: readonly ParquetColumn[] = [];
  private readonly lines: RecordLines | undefined;

  /**
   * @param name of the file, for messages
   * @param delimiter between fields; Parquet has none
   */
  constructor(
    readonly name: string,
    readonly bytes: Buffer,
    private readonly delimiter?: Delimiter,
  ) {
    this.isParquet = isParquet(bytes);
    if (!this.isParquet) this.lines = new RecordLines(bytes);
  }

  /**
   * Reads all rows. In Parquet files, the fields of other columns than `wanted` may be empty.
   * Rows of CSV files that are broken are added to `problems`; reading stops once these are full.
   * Errors of the handlers propagate.
   * @param wanted names of columns; undefined: all that can be read
   * @throws UserError (exit 2) if a package for Parquet is not installed
   * @throws UserError (exit 5) if the file is damaged, or `problems` are full
   */
  async scan(
    wanted: readonly string[] | undefined,
    handlers: TableHandlers,
    problems: Problems,
  ): Promise<void> {
    const { bytes, name, delimiter } = this;
    if (!this.isParquet) {
      scanCsv(bytes, name, handlers, problems, delimiter);
      return;
    }
    const file = await ParquetFile.open(bytes, name);
    this.columns = file.columns;
    handlers.header(file.columns.map(column => column.name));
    let start = 0;
    for await (const { count, fields } of parquetRows(file, wanted)) {
      for (let row = 0; row < count; row++) {
        handlers.row(fields(row), start + row);
        if (problems.full) problems.throwIfAny();
      }
      start += count;
    }
  }

  /** Names of columns that cannot be read, with what they have. Call after `scan`. */
  get unreadable(): ReadonlyMap<string, string> {
    return new Map(
      this.columns.flatMap(({ name, unreadable }) => (unreadable === undefined ? [] : [[name, unreadable]])),
    );
  }

  /** True for a Parquet column of booleans, whose fields are `0` and `1`. */
  isBoolean(field: number): boolean {
    return this.columns[field]?.isBoolean === true;
  }

  /** Position of field `field` (0-based) of the row at `at`. */
  place(at: number, field: number): CellPlace {
    if (!this.isParquet) return this.placeInCsv(at, field);
    return { file: this.name, row: at + 1, columnName: this.columns[field].name };
  }

  placeOfRow(at: number): RowPlace {
    const { name: file, lines } = this;
    return lines ? { file, line: lines.lineOf(at) } : { file, row: at + 1 };
  }

  /** Position of a column name. */
  placeOfName(field: number): Partial<Diagnostic> {
    return this.isParquet ? { file: this.name } : this.placeInCsv(0, field);
  }

  private placeInCsv(at: number, field: number): CsvPlace {
    return placeInCsv(this.bytes, this.name, at, field, this.delimiter, this.lines);
  }

  /** Lines on which rows start, or their numbers in a file without lines. `starts` ascend. */
  rowNumbers(starts: readonly number[]): Uint32Array {
    const { lines } = this;
    return Uint32Array.from(starts, at => (lines ? lines.lineOf(at) : at + 1));
  }
}

/** Rows of a row group. */
export interface FieldRows {
  readonly count: number;
  /** The fields of a row, valid until the next call. */
  fields(row: number): readonly string[];
}

/** Yields the rows of each row group, with empty fields for columns that are not `wanted`. */
export async function* parquetRows(
  file: ParquetFile,
  wanted: readonly string[] | undefined,
): AsyncGenerator<FieldRows> {
  const indices = file.columns.flatMap(({ name, unreadable }, i) =>
    (wanted === undefined ? unreadable === undefined : wanted.includes(name.trim())) ? [i] : [],
  );
  const fields = file.columns.map(() => '');
  for await (const { count, cell } of file.groups(indices))
    yield {
      count,
      fields: row => {
        for (let i = 0; i < indices.length; i++) fields[indices[i]] = cell(i, row);
        return fields;
      },
    };
}
