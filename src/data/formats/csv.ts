/**
 * Comma-separated files (RFC 4180, UTF-8, first record = column names), read record by record with
 * their places.
 */
import { isUtf8 } from 'node:buffer';
import { CsvError, parse } from 'csv-parse/sync';
import { type Diagnostic, damagedError } from '../../errors.js';
import type { Problems } from '../problems.js';

/**
 * Where a field stands in the file, with its source line: the place part of a {@link Diagnostic}.
 */
export type CsvPlace = Required<Pick<Diagnostic, 'file' | 'line' | 'column' | 'length' | 'source'>>;

export interface CsvHandlers {
  /** Called once, with the column names. */
  header(names: readonly string[]): void;
  /**
   * Called for each further record that has as many fields as the header. `start` is for {@link
   * placeInCsv}.
   */
  row(fields: readonly string[], start: number): void;
}

const MAX_RECORD_BYTES = 2 ** 20;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BYTE_ORDER_MARK_BYTES = 3;

/**
 * Reads all records. Ragged rows and broken quotes are added to `problems`; reading stops when
 * those are full.
 * @throws UserError exit 5 where the file is empty or not UTF-8; whatever a handler throws.
 */
export function scanCsv(bytes: Buffer, file: string, handlers: CsvHandlers, problems: Problems): void {
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
      problems.add(ragged(bytes, file, at, columns, fields.length));
    }
    if (problems.full) problems.throwIfAny();
    return null;
  };
  try {
    parse(bytes, {
      bom: true,
      skip_empty_lines: true,
      relax_column_count: true,
      // left to itself, the parser takes the end of the first line for that of all
      record_delimiter: bytes.includes(LINE_FEED) ? ['\r\n', '\n'] : ['\r'],
      max_record_size: MAX_RECORD_BYTES,
      on_record: onRecord,
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const field = typeof error.column === 'number' ? error.column : 0;
    problems.add(broken(error, placeInCsv(bytes, file, start, field)));
  }
}

/** The place of field `field` (0-based) in the record that follows byte `start`. */
export function placeInCsv(bytes: Buffer, file: string, start: number, field: number): CsvPlace {
  const from = recordStart(bytes, start);
  const text = bytes.toString('utf8', from, from + MAX_RECORD_BYTES);
  let line = lineNumber(bytes, from);
  let lineStart = 0;
  let quoted = false;
  let remaining = field;
  let at = 0;
  for (; remaining > 0 && at < text.length; at++) {
    const char = text[at];
    if (char === '"') quoted = !quoted;
    else if (char === ',' && !quoted) remaining--;
    else if (char === '\n' && quoted) {
      line++;
      lineStart = at + 1;
    } else if (isLineEnd(char) && !quoted) break;
  }
  const source = text.slice(lineStart).split(/[\r\n]/, 1)[0];
  const column = Math.min(at - lineStart, source.length);
  return { file, line, column: column + 1, length: fieldLength(source, column), source };
}

/**
 * The lines on which records begin; `starts` ascend and are those that {@link CsvHandlers.row} got.
 */
export function recordLines(bytes: Buffer, starts: readonly number[]): Uint32Array {
  const end = bytes.includes(LINE_FEED) ? LINE_FEED : CARRIAGE_RETURN;
  let line = 1;
  let next = bytes.indexOf(end);
  return Uint32Array.from(starts, start => {
    const from = recordStart(bytes, start);
    while (next >= 0 && next < from) {
      line++;
      next = bytes.indexOf(end, next + 1);
    }
    return line;
  });
}

function fieldLength(source: string, from: number): number {
  const quote = source[from] === '"' ? source.indexOf('"', from + 1) : -1;
  const end = quote >= 0 ? quote + 1 : source.indexOf(',', from);
  return Math.max(1, (end < 0 ? source.length : end) - from);
}

function recordStart(bytes: Buffer, start: number): number {
  let at = start === 0 && bytes[0] === 0xef ? BYTE_ORDER_MARK_BYTES : start;
  while (bytes[at] === LINE_FEED || bytes[at] === CARRIAGE_RETURN) at++;
  return at;
}

/** Lines end with LF or CRLF, or with CR where a file has no LF at all. */
function lineNumber(bytes: Buffer, at: number): number {
  const end = bytes.includes(LINE_FEED) ? LINE_FEED : CARRIAGE_RETURN;
  let line = 1;
  for (let next = bytes.indexOf(end); next >= 0 && next < at; next = bytes.indexOf(end, next + 1)) line++;
  return line;
}

function isLineEnd(char: string): boolean {
  return char === '\n' || char === '\r';
}

function checkText(bytes: Buffer, file: string): void {
  if (bytes.length === 0) {
    throw damagedError({
      code: 'data/csv-empty',
      message: 'the file is empty',
      file,
      expected: 'a line of column names, then rows',
    });
  }
  if (!isUtf8(bytes)) {
    throw damagedError({
      code: 'data/csv-encoding',
      message: 'the file is not UTF-8 text',
      file,
      offset: firstBadByte(bytes),
      expected: 'UTF-8',
    });
  }
}

/**
 * Where text stops being UTF-8, by halving: what comes before is, but for a character that is cut
 * off at its end.
 */
function firstBadByte(bytes: Buffer): number {
  let [good, bad] = [0, bytes.length];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (isUtf8(bytes.subarray(0, wholeCharacters(bytes, middle)))) good = middle;
    else bad = middle;
  }
  return good;
}

/** `end`, or the beginning of the character that goes beyond it. */
function wholeCharacters(bytes: Buffer, end: number): number {
  let at = end;
  while (at > 0 && end - at < 4 && (bytes[at] & 0xc0) === 0x80) at--;
  return at;
}

function ragged(bytes: Buffer, file: string, start: number, columns: number, got: number): Diagnostic {
  return {
    code: 'data/csv-ragged',
    message: got < columns ? 'the row has too few fields' : 'the row has too many fields',
    ...placeInCsv(bytes, file, start, Math.min(got - 1, columns)),
    expected: `${columns} fields, as in the header`,
    got: `${got} field${got === 1 ? '' : 's'}`,
  };
}

function broken(error: CsvError, place: CsvPlace): Diagnostic {
  const message =
    error.code === 'CSV_QUOTE_NOT_CLOSED'
      ? 'a quoted field of this record is never closed'
      : error.code === 'CSV_MAX_RECORD_SIZE'
        ? `the record is longer than ${MAX_RECORD_BYTES} bytes (perhaps a quote is not closed)`
        : 'a quote stands inside a field';
  return {
    code: 'data/csv-quote',
    message,
    ...place,
    expected: 'quotes around a whole field, doubled inside',
  };
}
