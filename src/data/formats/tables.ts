/** Reads tables with named columns: Parquet files by their first bytes, all others as CSV. */
import type { Diagnostic } from '../../util/errors.js';
import type { Problems } from '../core/problems.js';
import { allBytes, type ByteSource, beginning } from '../reading/byte-sources.js';
import { MAX_TEXT_BYTES } from '../reading/limits.js';
import { CsvPieces, type CsvPlace, type Delimiter, placeInCsv, RecordLines } from './csv-records.js';
import { isParquet, type ParquetColumn, ParquetFile } from './parquet.js';
import { checkUtf8 } from './utf8.js';

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

/** A row of a table, or its column names; valid only during the call that receives it. */
export interface TableRecord {
  /** As many as in the header, except for {@link TableHandlers.ragged}. */
  readonly fields: readonly string[];
  /** Position of the record, for {@link TableFile.place}. */
  readonly at: number;
  readonly row: RowPlace;
  /** Position of field `field` (0-based). */
  place(field: number): Partial<CellPlace>;
}

export interface TableHandlers {
  /** Names of columns; the fields of others may be empty. Absent: all that can be read. */
  readonly wanted?: readonly string[] | undefined;
  /** Called once, with the column names. */
  header(record: TableRecord): void;
  add(record: TableRecord): void;
  /** Called for a row of a CSV file with a wrong number of fields. */
  ragged(record: TableRecord, problem: Diagnostic): void;
  /** Called if the rest of a CSV file cannot be read; absent: the problem is thrown. */
  broken?(problem: Diagnostic): void;
}

/** Bytes that tell the format of a table. */
const MAGIC_BYTES = 4;

/** Rows of a Parquet file between two yields. */
const ROWS_TOGETHER = 4096;

/**
 * Passes the records of a table to the handlers, whose errors propagate; yields after some of them.
 * @throws UserError (exit 2) if a package for Parquet is not installed
 * @throws UserError (exit 5) if the rest of the table cannot be read
 */
export async function* readTable(
  given: ByteSource,
  handlers: TableHandlers,
  delimiter: Delimiter | undefined,
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
  const record = new ParquetRecord(name, file);
  handlers.header({ ...record, row: record.row, place: () => ({ file: name }) });
  const { wanted } = handlers;
  const indices = file.columns.flatMap(({ name, unreadable }, i) =>
    (wanted === undefined ? unreadable === undefined : wanted.includes(name.trim())) ? [i] : [],
  );
  record.fields.fill('');
  record.at = -1;
  for await (const { count, cell } of file.groups(indices)) {
    for (let row = 0; row < count; row++) {
      for (let i = 0; i < indices.length; i++) record.fields[indices[i]] = cell(i, row);
      record.at++;
      handlers.add(record);
      if (row % ROWS_TOGETHER === 0) yield;
    }
    yield;
  }
}

class ParquetRecord implements TableRecord {
  readonly fields: string[];
  /** 0-based number of the row. */
  at = 0;
  private readonly names: readonly string[];

  constructor(
    private readonly file: string,
    { columns }: ParquetFile,
  ) {
    this.names = columns.map(({ name }) => name);
    this.fields = [...this.names];
  }

  get row(): RowPlace {
    return { file: this.file, row: this.at + 1 };
  }

  place(field: number): CellPlace {
    return { file: this.file, row: this.at + 1, columnName: this.names[field] };
  }
}

/** A table in memory, whose cells can be found again. */
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
   * Passes all records to the handlers, whose errors propagate. Rows of CSV files that are broken
   * are added to `problems` unless a handler takes them; reading stops once these are full.
   * @throws UserError (exit 2) if a package for Parquet is not installed
   * @throws UserError (exit 5) if the file is damaged, or `problems` are full
   */
  async scan(
    handlers: Omit<TableHandlers, 'ragged'> & Partial<TableHandlers>,
    problems: Problems,
  ): Promise<void> {
    const { bytes, name, delimiter } = this;
    const stopIfFull = (): void => {
      if (problems.full) problems.throwIfAny();
    };
    const all: TableHandlers = {
      wanted: handlers.wanted,
      header: record => handlers.header(record),
      add(record) {
        handlers.add(record);
        stopIfFull();
      },
      ragged(record, problem) {
        if (handlers.ragged) handlers.ragged(record, problem);
        else problems.add(problem);
        stopIfFull();
      },
      broken: problem => problems.add(problem),
    };
    if (this.isParquet) {
      const file = await ParquetFile.open(bytes, name);
      this.columns = file.columns;
      for await (const _ of readParquet(file, name, all));
      return;
    }
    // what is not text at all is one problem
    checkUtf8(bytes, name);
    const pieces = new CsvPieces(name, all, delimiter);
    pieces.push(bytes);
    pieces.end();
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

  /** Position of field `field` (0-based) of the record at `at`. */
  place(at: number, field: number): CellPlace {
    if (!this.isParquet) return placeInCsv(this.bytes, this.name, at, field, this.delimiter, this.lines);
    return { file: this.name, row: at + 1, columnName: this.columns[field].name };
  }

  placeOfRow(at: number): RowPlace {
    const { name: file, lines } = this;
    return lines ? { file, line: lines.lineOf(at) } : { file, row: at + 1 };
  }

  /** Lines on which records start, or their numbers in a file without lines. `starts` ascend. */
  rowNumbers(starts: readonly number[]): Uint32Array {
    const { lines } = this;
    return Uint32Array.from(starts, at => (lines ? lines.lineOf(at) : at + 1));
  }
}
