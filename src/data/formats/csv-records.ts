/**
 * Reads CSV files (RFC 4180, UTF-8, first record = column names) record by record, with positions.
 * Other delimiters than the comma are allowed.
 */
import { CsvError, parse } from 'csv-parse/sync';
import { type Diagnostic, damagedError, type UserError } from '../../util/errors.js';
import type { Problems } from '../core/problems.js';
import { checkUtf8 } from './utf8.js';

/**
 * Position of a field, with its source line; these are the position keys of a {@link Diagnostic}.
 */
export type CsvPlace = Required<Pick<Diagnostic, 'file' | 'line' | 'column' | 'length' | 'source'>>;

export interface CsvHandlers {
  /** Called once, with the column names. */
  header(names: readonly string[]): void;
  /**
   * Called for each further record with as many fields as the header. `start` is the argument for
   * {@link placeInCsv}.
   */
  row(fields: readonly string[], start: number): void;
  /** Called for a record with another number of fields; absent: that is a problem of the file. */
  ragged?(fields: readonly string[], start: number, problem: () => Diagnostic): void;
}

/** Delimiters of fields that a table may have. */
export const DELIMITERS = [',', ';', '\t', '|'] as const;
export type Delimiter = (typeof DELIMITERS)[number];

export const MAX_RECORD_BYTES = 2 ** 20;
/** Parser options for files read as a whole or in chunks. */
export const PARSER_OPTIONS = {
  bom: true,
  skip_empty_lines: true,
  relax_column_count: true,
  max_record_size: MAX_RECORD_BYTES,
} as const;

/** Record delimiters. By default, the parser would use the end of the first record for all. */
export const LINE_FEEDS = ['\r\n', '\n'];
export const CARRIAGE_RETURNS = ['\r'];

export const LINE_FEED = 0x0a;
export const CARRIAGE_RETURN = 0x0d;
export const BYTE_ORDER_MARK_BYTES = 3;

/**
 * Reads all records. Rows with the wrong number of fields and broken quotes are added to
 * `problems`; reading stops once these are full. Errors of the handlers propagate.
 * @throws UserError (exit 5) if the file is empty or not UTF-8, or `problems` are full
 */
export function scanCsv(
  bytes: Buffer,
  file: string,
  handlers: CsvHandlers,
  problems: Problems,
  delimiter: Delimiter = ',',
): void {
  checkText(bytes, file);
  let columns = 0;
  let start = 0;
  const onRecord = (fields: string[], info: { readonly bytes: number }): null => {
    const at = start;
    start = info.bytes;
    if (columns === 0) {
      columns = fields.length;
      handlers.header(fields);
    } else if (fields.length === columns) {
      handlers.row(fields, at);
    } else {
      const problem = () =>
        ragged(columns, fields.length, field => placeInCsv(bytes, file, at, field, delimiter));
      if (handlers.ragged) handlers.ragged(fields, at, problem);
      else problems.add(problem());
    }
    if (problems.full) problems.throwIfAny();
    return null;
  };
  try {
    const record_delimiter = bytes.includes(LINE_FEED) ? LINE_FEEDS : CARRIAGE_RETURNS;
    parse(bytes, { ...PARSER_OPTIONS, delimiter, record_delimiter, on_record: onRecord });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const field = typeof error.column === 'number' ? error.column : 0;
    problems.add(broken(error.code, placeInCsv(bytes, file, start, field, delimiter)));
  }
}

/**
 * Returns the position of field `field` (0-based) of the record that starts at byte `start`, or
 * after the empty lines there.
 */
export function placeInCsv(
  bytes: Buffer,
  file: string,
  start: number,
  field: number,
  delimiter: Delimiter = ',',
  lines = new RecordLines(bytes),
): CsvPlace {
  return placeInRecord(recordText(bytes, start), { file, line: lines.lineOf(start) }, field, delimiter);
}

/** The text of a record, and perhaps more if a quoted field has several lines. */
function recordText(bytes: Buffer, start: number): string {
  const from = recordStart(bytes, start);
  const most = bytes.subarray(from, from + MAX_RECORD_BYTES);
  const ends = [LINE_FEED, CARRIAGE_RETURN].map(end => most.indexOf(end)).filter(end => end >= 0);
  const line = most.toString('utf8', 0, Math.min(most.length, ...ends));
  const isWhole = line.split('"').length % 2 === 1;
  return isWhole ? line : most.toString('utf8');
}

/** Returns the delimiter that splits the first record of `bytes` into the most fields. */
export function guessDelimiter(bytes: Buffer): Delimiter {
  const first = bytes.subarray(0, MAX_RECORD_BYTES);
  const fields = (delimiter: Delimiter): number => {
    try {
      const [names = []]: string[][] = parse(first, {
        ...PARSER_OPTIONS,
        delimiter,
        relax_quotes: true,
        to: 1,
      });
      return names.length;
    } catch (error) {
      if (error instanceof CsvError) return 0;
      throw error;
    }
  };
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
export function placeInRecord(
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
    } else if (isLineEnd(char) && !quoted) break;
  }
  const source = text.slice(lineStart).split(/[\r\n]/, 1)[0];
  const column = Math.min(at - lineStart, source.length);
  return { file, line, column: column + 1, length: fieldLength(source, column, delimiter), source };
}

/**
 * Lines on which records start, for values passed to {@link CsvHandlers.row}. Ascending ones are
 * found in one pass. Lines end with LF or CRLF, or with CR if a file has no LF.
 */
export class RecordLines {
  private readonly end: number;
  private line = 1;
  /** Start of the line `line`. */
  private lineStart = 0;
  /** Its end; -1 in the last line. */
  private lineEnd: number;

  constructor(private readonly bytes: Buffer) {
    this.end = bytes.includes(LINE_FEED) ? LINE_FEED : CARRIAGE_RETURN;
    this.lineEnd = bytes.indexOf(this.end);
  }

  lineOf(start: number): number {
    const at = recordStart(this.bytes, start);
    if (at < this.lineStart) {
      this.line = 1;
      this.lineStart = 0;
      this.lineEnd = this.bytes.indexOf(this.end);
    }
    while (this.lineEnd >= 0 && this.lineEnd < at) {
      this.line++;
      this.lineStart = this.lineEnd + 1;
      this.lineEnd = this.bytes.indexOf(this.end, this.lineStart);
    }
    return this.line;
  }
}

function fieldLength(source: string, from: number, delimiter: Delimiter): number {
  const quote = source[from] === '"' ? source.indexOf('"', from + 1) : -1;
  const end = quote >= 0 ? quote + 1 : source.indexOf(delimiter, from);
  return Math.max(1, (end < 0 ? source.length : end) - from);
}

function recordStart(bytes: Buffer, start: number): number {
  let at = start === 0 && bytes[0] === 0xef ? BYTE_ORDER_MARK_BYTES : start;
  while (bytes[at] === LINE_FEED || bytes[at] === CARRIAGE_RETURN) at++;
  return at;
}

function isLineEnd(char: string): boolean {
  return char === '\n' || char === '\r';
}

function checkText(bytes: Buffer, file: string): void {
  if (bytes.length === 0) throw emptyFile(file);
  checkUtf8(bytes, file);
}

export function emptyFile(file: string): UserError {
  return damagedError({
    code: 'data/csv-empty',
    message: 'the file is empty',
    file,
    expected: 'a line of column names, then rows',
  });
}

/** Problem: the line of the column names has none. */
export function blankHeader(file: string): Diagnostic {
  const message = 'the first line is blank, but names the columns';
  return { code: 'data/csv-empty', message, file, expected: 'a line of column names, then rows' };
}

export function ragged(columns: number, got: number, place: (field: number) => CsvPlace): Diagnostic {
  return {
    code: 'data/csv-ragged',
    message: got < columns ? 'the row has too few fields' : 'the row has too many fields',
    ...place(Math.min(got - 1, columns)),
    expected: `${columns} fields, as in the header`,
    got: `${got} field${got === 1 ? '' : 's'}`,
  };
}

export function broken(code: string, place: CsvPlace): Diagnostic {
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
