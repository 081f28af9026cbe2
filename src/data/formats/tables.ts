/**
 * Reads tables with named columns, record by record: Parquet files by their first bytes, formats of
 * archives by the ending of their name, all others as CSV (RFC 4180, UTF-8, first record = column
 * names), also with other delimiters than the comma.
 */

import { type Diagnostic, damagedError, damagedErrors, type UserError } from '../../util/errors.js';
import { allBytes, type ByteSource, beginning, type Pieces } from '../reading/byte-sources.js';
import { type TableFormatName, tableFormatOf } from '../reading/facts.js';
import { MAX_TEXT_BYTES } from '../reading/files.js';
import { blockPieces, conlluPieces, givenNames, tsPieces } from './archives.js';
import { type Decimal, plainNumber } from './numbers.js';
import { isParquet, ParquetFile } from './parquet.js';
import {
  type CsvPlace,
  DELIMITERS,
  type Delimiter,
  type RowPlace,
  type TableFormat,
  type TableHandlers,
  type TableRecord,
} from './table-records.js';
import { badByte, checkUtf8, markLength, START_BYTES, wholeLength } from './utf8.js';

const MAX_RECORD_BYTES = 2 ** 20;

const QUOTE = 0x22;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Returns the delimiter that splits the first line of `bytes` into the most fields. */
export function guessDelimiter(bytes: Buffer): Delimiter {
  const text = bytes.toString('utf8', 0, MAX_RECORD_BYTES).replaceAll(/"[^"]*"?/g, '');
  const [first] = text.split(/[\r\n]/, 1);
  const fields = (delimiter: Delimiter): number => first.split(delimiter).length;
  return DELIMITERS.reduce((best, other) => (fields(other) > fields(best) ? other : best));
}

/**
 * Returns the delimiter that separates a header if it was wrongly split at `delimiter` into
 * `names`; undefined if there is no sign of that.
 */
export function otherDelimiter(names: readonly string[], delimiter: Delimiter = ','): Delimiter | undefined {
  return DELIMITERS.find(
    other =>
      other !== delimiter &&
      names[0]?.includes(other) === true &&
      // the wrong delimiter may be in a name or two, but then the right one is around it
      names.every(name => name === names[0] || name.includes(other)),
  );
}

function fieldLength(source: string, from: number, delimiter: Delimiter): number {
  const quote = source[from] === '"' ? source.indexOf('"', from + 1) : -1;
  const end = quote >= 0 ? quote + 1 : source.indexOf(delimiter, from);
  return Math.max(1, (end < 0 ? source.length : end) - from);
}

/** Problem: the line of the column names has none. */
export function blankHeader(file: string): Diagnostic {
  const message = 'the first line is blank, but names the columns';
  return { code: 'data/csv-empty', message, file, expected: 'a line of column names, then rows' };
}

const INNER_QUOTE = 'a quote inside an unquoted field';
const TOO_LONG = `the record is longer than ${MAX_RECORD_BYTES} bytes (perhaps a quote is not closed)`;

/**
 * Reads a CSV file in chunks, or as one. It keeps only the record that is incomplete at the end of
 * a chunk. Errors of the handlers propagate.
 */
export class CsvPieces implements Pieces, TableRecord {
  fields: readonly string[] = [];
  private readonly separator: number;
  /** The bytes from the current record on. */
  private window: Buffer = Buffer.alloc(0);
  /** Offset of the window in the file. */
  private base = 0;
  /** First bytes of the file. */
  private fileStart: Buffer | undefined;
  /** The current record in the window: its start, the starts of its fields so far, and its end. */
  private from = 0;
  private starts: number[] = [];
  private to = 0;
  /** Line of the current record. */
  private line = 1;
  /** Last byte of each line end. */
  private ending = LINE_FEED;
  /** Number of fields in the header; 0 before it. */
  private columns = 0;

  constructor(
    private readonly file: string,
    private readonly handlers: TableHandlers,
    private readonly delimiter: Delimiter = ',',
    private readonly columnNames?: readonly string[],
    private readonly optionalColumn?: string,
  ) {
    this.separator = delimiter.charCodeAt(0);
  }

  /** Passes the completed records to the handlers, including those before an error. */
  push(piece: Buffer): void {
    this.window = this.window.length === 0 ? piece : Buffer.concat([this.window, piece]);
    const whole = this.window.subarray(0, wholeLength(this.window));
    const end = badByte(whole) ?? whole.length;
    this.records(end, false);
    if (end < whole.length) this.checkText();
    if (this.from > 0) this.fileStart ??= Buffer.from(this.window.subarray(0, START_BYTES));
    this.base += this.from;
    this.window = Buffer.from(this.window.subarray(this.from));
    this.from = 0;
  }

  end(): void {
    this.checkText();
    this.records(this.window.length, true);
    if (this.columns === 0)
      throw damagedErrors([{ ...blankHeader(this.file), message: 'the file is empty' }]);
  }

  get row(): RowPlace {
    return { file: this.file, line: this.line };
  }

  place(field: number): CsvPlace {
    const { window, from, to, starts, file, delimiter } = this;
    const before = window.toString('utf8', from, starts[field]);
    const lines = before.split('\n');
    const begun = lines[lines.length - 1];
    const [source] = `${begun}${window.toString('utf8', starts[field], to)}`.split(/[\r\n]/, 1);
    const column = Math.min(begun.length, source.length);
    const line = this.line + lines.length - 1;
    return { file, line, column: column + 1, length: fieldLength(source, column, delimiter), source };
  }

  /** @param isLast true if the file ends at `end`, so that no record is incomplete */
  private records(end: number, isLast: boolean): void {
    for (;;) {
      this.skipEmptyLines(end);
      if (this.from === end || !this.record(end, isLast)) return;
      this.line += this.lineEnds(this.from, this.to);
      this.from = this.to;
    }
  }

  /** Passes on the record at `from`; returns false if it is incomplete. */
  private record(end: number, isLast: boolean): boolean {
    const { window, separator } = this;
    const fields: string[] = [];
    this.starts = [];
    this.to = end;
    let at = this.from;
    for (let hasMore = true; hasMore; at++) {
      this.starts.push(at);
      const start = at;
      at =
        window[at] === QUOTE && at < end
          ? this.closingQuote(at + 1, end, isLast) + 1
          : this.plainEnd(at, end);
      // a line end may be two bytes
      if (!isLast && at >= (window[at] === CARRIAGE_RETURN ? end - 1 : end)) {
        if (end - this.from > MAX_RECORD_BYTES) throw this.broken(TOO_LONG);
        return false;
      }
      fields.push(
        at > start && window[start] === QUOTE
          ? window.toString('utf8', start + 1, at - 1).replaceAll('""', '"')
          : window.toString('utf8', start, at),
      );
      hasMore = at < end && window[at] === separator;
    }
    if (window[at - 1] === CARRIAGE_RETURN && window[at] === LINE_FEED) at++;
    this.to = Math.min(at, end);
    if (this.to - this.from > MAX_RECORD_BYTES) throw this.broken(TOO_LONG);
    this.fields = fields;
    this.emit();
    return true;
  }

  private emit(): void {
    const { handlers, fields, window, to } = this;
    if (this.columns === 0) {
      this.columns = fields.length;
      this.ending = window[to - 1] === CARRIAGE_RETURN ? CARRIAGE_RETURN : LINE_FEED;
      this.begin(this.columnNames ? givenNames(this, this.columnNames, this.optionalColumn) : fields);
    } else if (fields.length === this.columns) handlers.add(this);
    else handlers.ragged(this, this.ragged());
  }

  /** Passes on the names of columns, and the first line if it has others: it is a row. */
  private begin(names: readonly string[]): void {
    const { handlers, fields, row } = this;
    handlers.header({ fields: names, row, place: field => this.place(field) });
    if (fields.some((field, i) => field.trim() !== names[i].trim())) handlers.add(this);
  }

  /** Position of the quote that closes a field. */
  private closingQuote(from: number, end: number, isLast: boolean): number {
    const { window, separator } = this;
    let at = window.indexOf(QUOTE, from);
    while (at >= 0 && at + 1 < end && window[at + 1] === QUOTE) at = window.indexOf(QUOTE, at + 2);
    if (at < 0 || at >= end) {
      if (isLast) throw this.broken('a quoted field of this record is never closed');
      return end;
    }
    const next = window[at + 1];
    if (at + 1 < end && next !== separator && next !== LINE_FEED && next !== CARRIAGE_RETURN)
      throw this.broken(INNER_QUOTE);
    return at;
  }

  /** Position after a field without quotes. */
  private plainEnd(from: number, end: number): number {
    const { window, separator } = this;
    for (let at = from; at < end; at++) {
      const byte = window[at];
      if (byte === separator || byte === LINE_FEED || byte === CARRIAGE_RETURN) return at;
      if (byte === QUOTE) throw this.broken(INNER_QUOTE);
    }
    return end;
  }

  private skipEmptyLines(end: number): void {
    const { window } = this;
    if (this.base + this.from === 0) this.from = markLength(window);
    const { from } = this;
    if (window[from] === CARRIAGE_RETURN && this.columns === 0 && window[from + 1] !== LINE_FEED)
      this.ending = CARRIAGE_RETURN;
    while (this.from < end && (window[this.from] === LINE_FEED || window[this.from] === CARRIAGE_RETURN))
      this.from++;
    this.line += this.lineEnds(from, this.from);
  }

  private lineEnds(from: number, to: number): number {
    const { window, ending } = this;
    let count = 0;
    for (let at = window.indexOf(ending, from); at >= 0 && at < to; at = window.indexOf(ending, at + 1))
      count++;
    return count;
  }

  private ragged(): Diagnostic {
    const { columns, fields } = this;
    const got = fields.length;
    return {
      code: 'data/csv-ragged',
      message: got < columns ? 'the row has too few fields' : 'the row has too many fields',
      ...this.place(Math.min(got - 1, columns)),
      expected: `${columns} fields, as in the header`,
      got: `${got} field${got === 1 ? '' : 's'}`,
    };
  }

  /** The error of the current field. */
  private broken(message: string): UserError {
    // the bytes of other formats have quotes, too
    if (this.base + this.from === 0) this.checkText(wholeLength(this.window));
    const place = this.place(this.starts.length - 1);
    const expected = 'quotes around the whole field, and doubled quotes inside it';
    return damagedError('data/csv-quote', message, { ...place, expected });
  }

  private checkText(end = this.window.length): void {
    const { window, from, base, line } = this;
    const place = { offset: base + from, line, column: 1 };
    checkUtf8(window.subarray(from, end), this.file, place, this.fileStart ?? window);
  }
}

/** Bytes that tell the format of a table. */
const MAGIC_BYTES = 4;

/** Rows of a Parquet file between two yields. */
const ROWS_TOGETHER = 4096;

/** The format of a table that is not Parquet. @param kind of sources whose names do not tell it */
export function formatNamed(name: string, kind = 'csv'): Exclude<TableFormatName, 'parquet'> {
  const format = tableFormatOf(/\.\w+$/.test(name) ? name : `.${kind}`);
  return format === undefined || format === 'parquet' ? 'csv' : format;
}

const PIECES = {
  csv: (file: string, handlers: TableHandlers, { delimiter, columnNames, optionalColumn }: TableFormat) =>
    new CsvPieces(file, handlers, delimiter, columnNames, optionalColumn),
  blocks: blockPieces,
  conllu: conlluPieces,
  ts: tsPieces,
} as const;

export type ReadTable = typeof readTable;

/**
 * Passes the records of a table to the handlers, whose errors propagate; yields after some of them.
 */
export async function* readTable(
  given: ByteSource,
  handlers: TableHandlers,
  format: TableFormat,
): AsyncGenerator<void> {
  const { start, source } = await beginning(given, MAGIC_BYTES);
  const named = isParquet(start) ? 'parquet' : formatNamed(source.name, format.kind);
  const kind = named === 'csv' && format.blankLines ? 'blocks' : named;
  if (named !== 'csv' && (format.columnNames || format.blankLines))
    throw damagedError('data/column-names', 'the columns of this file have names, and no lines are blank', {
      file: source.name,
      expected: 'a text file, or neither `dataset.column_names` nor `dataset.sequence.blank_lines`',
    });
  if (kind === 'parquet') {
    const file = await ParquetFile.open(await allBytes(source, MAX_TEXT_BYTES), source.name);
    yield* readParquet(file, source.name, handlers);
    return;
  }
  const { decimal } = format;
  const plain: TableHandlers = {
    header: record => handlers.header(record),
    ragged: (record, problem) => handlers.ragged(record, problem),
    add(record) {
      const fields = record.fields.map(field => plainNumber(field, decimal as Decimal));
      handlers.add({ fields, row: record.row, place: field => record.place(field) });
    },
  };
  const pieces = PIECES[kind](source.name, decimal === undefined ? handlers : plain, format);
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
