/**
 * Reads CSV files (RFC 4180, UTF-8, first record = column names) record by record, with positions.
 * Other delimiters than the comma are allowed.
 */
import { CsvError, Parser } from 'csv-parse';
import { type Diagnostic, damagedError } from '../../util/errors.js';
import { badByte, checkUtf8, markLength, START_BYTES, wholeLength } from './utf8.js';

/**
 * Position of a field, with its source line; these are the position keys of a {@link Diagnostic}.
 */
export type CsvPlace = Required<Pick<Diagnostic, 'file' | 'line' | 'column' | 'length' | 'source'>>;

/** Delimiters of fields that a table may have. */
export const DELIMITERS = [',', ';', '\t', '|'] as const;
export type Delimiter = (typeof DELIMITERS)[number];

const MAX_RECORD_BYTES = 2 ** 20;

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

/**
 * Returns the position of field `field` of the record at the start of `text`, which starts in line
 * `first` of `file`.
 */
function placeInRecord(
  text: string,
  { file, line: first }: Pick<CsvPlace, 'file' | 'line'>,
  field: number,
  delimiter: Delimiter,
): CsvPlace {
  let line = first;
  let lineStart = 0;
  let quoted = false;
  let remaining = field;
  let at = 0;
  for (; remaining > 0 && at < text.length; at++) {
    const char = text[at];
    if (char === '"') quoted = !quoted;
    else if (char === delimiter && !quoted) remaining--;
    else if (char === '\n' && quoted) {
      line++;
      lineStart = at + 1;
    }
  }
  const source = text.slice(lineStart).split(/[\r\n]/, 1)[0];
  const column = Math.min(at - lineStart, source.length);
  return { file, line, column: column + 1, length: fieldLength(source, column, delimiter), source };
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

function ragged(columns: number, got: number, place: (field: number) => CsvPlace): Diagnostic {
  return {
    code: 'data/csv-ragged',
    message: got < columns ? 'the row has too few fields' : 'the row has too many fields',
    ...place(Math.min(got - 1, columns)),
    expected: `${columns} fields, as in the header`,
    got: `${got} field${got === 1 ? '' : 's'}`,
  };
}

function broken(code: string, place: CsvPlace): Diagnostic {
  const message =
    code === 'CSV_QUOTE_NOT_CLOSED'
      ? 'a quoted field of this record is never closed'
      : code === 'CSV_MAX_RECORD_SIZE'
        ? `the record is longer than ${MAX_RECORD_BYTES} bytes (perhaps a quote is not closed)`
        : 'a quote inside an unquoted field';
  return {
    code: 'data/csv-quote',
    message,
    ...place,
    expected: 'quotes around the whole field, and doubled quotes inside it',
  };
}

/** A record of a file that is read in chunks; valid only during the call that receives it. */
export interface CsvRecord {
  /** As many as in the header, except for {@link CsvHandlers.ragged}. */
  readonly fields: readonly string[];
  /** Its first line, from 1. */
  readonly row: Required<Pick<Diagnostic, 'file' | 'line'>>;
  /** Position of field `field` (0-based). */
  place(field: number): CsvPlace;
}

export interface CsvHandlers {
  /** Called once, with the column names. */
  header(record: CsvRecord): void;
  add(record: CsvRecord): void;
  /** Called for a record whose number of fields differs from the header. */
  ragged(record: CsvRecord, problem: Diagnostic): void;
}

/**
 * Reads a file in chunks, or as one. It keeps only the record that is incomplete at the end of a
 * chunk. Errors of the handlers propagate.
 */
export class CsvPieces implements CsvRecord {
  fields: readonly string[] = [];
  private readonly parser: RecordParser;
  /** The bytes from the current record on. */
  private window: Buffer = Buffer.alloc(0);
  /** Offset of the window in the file. */
  private base = 0;
  /** First bytes of the file. */
  private fileStart: Buffer | undefined;
  /** Number of bytes of the window that the parser has. */
  private given = 0;
  /** Start of the current record in the window, and its end. */
  private from = 0;
  private to = 0;
  /** Line of the current record. */
  private line = 1;
  /** Last byte of each line end. */
  private ending = LINE_FEED;
  /** Number of fields in the header; 0 before it. */
  private columns = 0;

  constructor(
    private readonly file: string,
    private readonly handlers: CsvHandlers,
    private readonly delimiter: Delimiter = ',',
  ) {
    this.parser = new RecordParser(delimiter, (fields, end) => this.record(fields, end - this.base));
  }

  /** Passes the completed records to the handlers, including those before an error. */
  push(piece: Buffer): void {
    this.window = this.window.length === 0 ? piece : Buffer.concat([this.window, piece]);
    const whole = this.window.subarray(0, wholeLength(this.window));
    const end = badByte(whole) ?? whole.length;
    // not by `write`: a stream reports errors asynchronously
    this.parser._transform(this.window.subarray(this.given, end), 'latin1', error => this.check(error));
    if (end < whole.length) this.checkText();
    this.skipEmptyLines();
    if (this.to > 0) this.fileStart ??= Buffer.from(this.window.subarray(0, START_BYTES));
    this.base += this.to;
    this.given = end - this.to;
    this.window = this.window.subarray(this.to);
    this.from = 0;
    this.to = 0;
  }

  /** Call after the last chunk. */
  end(): void {
    this.checkText();
    // the parser calls back without an error or a record if there was nothing
    if (this.base + this.window.length > 0) this.parser._flush(error => this.check(error));
    if (this.columns === 0) throw damagedError({ ...blankHeader(this.file), message: 'the file is empty' });
  }

  get row(): CsvRecord['row'] {
    return { file: this.file, line: this.line };
  }

  place(field: number): CsvPlace {
    const text = this.window.toString('utf8', this.from, this.to);
    return placeInRecord(text, this.row, field, this.delimiter);
  }

  private record(fields: readonly string[], end: number): void {
    this.begin(end);
    this.fields = fields;
    if (this.columns === 0) {
      this.columns = fields.length;
      this.handlers.header(this);
    } else if (fields.length === this.columns) this.handlers.add(this);
    else {
      this.handlers.ragged(
        this,
        ragged(this.columns, fields.length, field => this.place(field)),
      );
    }
    this.line += this.lineEnds(this.from, this.to);
  }

  /** Begins the record that ends at `end`, after the empty lines before it. */
  private begin(end: number): void {
    if (this.columns === 0)
      this.ending = this.window[end - 1] === CARRIAGE_RETURN ? CARRIAGE_RETURN : LINE_FEED;
    this.skipEmptyLines();
    this.from = this.to;
    this.to = end;
  }

  private skipEmptyLines(): void {
    const { window } = this;
    if (this.base + this.to === 0) this.to = markLength(window);
    const { to } = this;
    while (window[this.to] === LINE_FEED || window[this.to] === CARRIAGE_RETURN) this.to++;
    this.line += this.lineEnds(to, this.to);
  }

  private lineEnds(from: number, to: number): number {
    const { window, ending } = this;
    let count = 0;
    for (let at = window.indexOf(ending, from); at >= 0 && at < to; at = window.indexOf(ending, at + 1))
      count++;
    return count;
  }

  private check(error: Error | null | undefined): void {
    if (!error) return;
    if (!(error instanceof CsvError)) throw error;
    this.begin(this.window.length);
    throw damagedError(broken(error.code, this.place(typeof error.column === 'number' ? error.column : 0)));
  }

  private checkText(): void {
    const { window, to, base, line } = this;
    const place = { offset: base + to, line, column: 1 };
    checkUtf8(window.subarray(to), this.file, place, this.fileStart ?? window);
  }
}

/** Passes on each record with its end offset. The parser's own callback takes twice as long. */
class RecordParser extends Parser {
  constructor(
    delimiter: Delimiter,
    private readonly handle: (fields: readonly string[], end: number) => void,
  ) {
    super({
      delimiter,
      // by default, the end of the first record would be that of all
      record_delimiter: ['\r\n', '\n', '\r'],
      bom: true,
      skip_empty_lines: true,
      relax_column_count: true,
      max_record_size: MAX_RECORD_BYTES,
    });
  }

  override push(fields: readonly string[]): boolean {
    this.handle(fields, this.info.bytes);
    return true;
  }
}
