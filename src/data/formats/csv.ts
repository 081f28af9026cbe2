/**
 * Comma-separated files (RFC 4180, UTF-8, first record = column names), read record by record with
 * their places.
 */
import { Parser } from 'csv-parse';
import { CsvError, parse } from 'csv-parse/sync';
import { type Diagnostic, damagedError, type UserError } from '../../util/errors.js';
import type { Problems } from '../problems.js';
import { badByte, checkUtf8, notUtf8, wholeLength } from './utf8.js';

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
/** Of every file, whether it is read at once or piece by piece. */
const OPTIONS = {
  bom: true,
  skip_empty_lines: true,
  relax_column_count: true,
  max_record_size: MAX_RECORD_BYTES,
} as const;

/** What ends records: left to itself, the parser takes the end of the first one for that of all. */
const LINE_FEEDS = ['\r\n', '\n'];
const CARRIAGE_RETURNS = ['\r'];

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BYTE_ORDER_MARK_BYTES = 3;

/**
 * Reads all records. Ragged rows and broken quotes are added to `problems`; reading stops when
 * those are full.
 * @throws UserError (exit 5) if the file is empty or not UTF-8; whatever a handler throws.
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
      problems.add(ragged(columns, fields.length, field => placeInCsv(bytes, file, at, field)));
    }
    if (problems.full) problems.throwIfAny();
    return null;
  };
  try {
    const record_delimiter = bytes.includes(LINE_FEED) ? LINE_FEEDS : CARRIAGE_RETURNS;
    parse(bytes, { ...OPTIONS, record_delimiter, on_record: onRecord });
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
  return placeInRecord(text, { file, line: lineNumber(bytes, from) }, field);
}

/** The place of field `field` in the record that `text` begins with, in line `first` of `file`. */
function placeInRecord(
  text: string,
  { file, line: first }: Pick<CsvPlace, 'file' | 'line'>,
  field: number,
): CsvPlace {
  let line = first;
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
  if (bytes.length === 0) throw emptyFile(file);
  checkUtf8(bytes, file);
}

function emptyFile(file: string): UserError {
  return damagedError({
    code: 'data/csv-empty',
    message: 'the file is empty',
    file,
    expected: 'a line of column names, then rows',
  });
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

function broken(error: CsvError, place: CsvPlace): Diagnostic {
  const message =
    error.code === 'CSV_QUOTE_NOT_CLOSED'
      ? 'a quoted field of this record is never closed'
      : error.code === 'CSV_MAX_RECORD_SIZE'
        ? `the record is longer than ${MAX_RECORD_BYTES} bytes (perhaps a quote is not closed)`
        : 'a quote inside an unquoted field';
  return {
    code: 'data/csv-quote',
    message,
    ...place,
    expected: 'quotes around the whole field, and doubled quotes inside it',
  };
}

/** A record of a file that is read piece by piece; good only during the call that is given it. */
export interface CsvRecord {
  /** As many as in the header, unless told otherwise. */
  readonly fields: readonly string[];
  /** The line that it begins in. */
  readonly line: number;
  /** The place of field `field`, counted from 0. */
  place(field: number): CsvPlace;
}

export interface CsvPieceHandlers {
  /** Called once, with the column names. */
  header(record: CsvRecord): void;
  row(record: CsvRecord): void;
  /** Called for a record that has another number of fields than the header. */
  ragged(record: CsvRecord, problem: Diagnostic): void;
}

/**
 * Reads a file piece by piece: the same records as {@link scanCsv}, of which it keeps no more than
 * the one that a piece ends within.
 */
export class CsvPieces implements CsvRecord {
  /** Of the record that is being told, whose place is looked for only if somebody asks for it. */
  fields: readonly string[] = [];
  /** Undefined until the end of the first line has come, which tells that of all. */
  private parser: RecordParser | undefined;
  /** What the parser has not made a record of yet, and the record that it is telling. */
  private window: Buffer = Buffer.alloc(0);
  /** Where the window begins in the file. */
  private base = 0;
  /** The line of the byte `counted`. */
  private countedLine = 1;
  private counted = 0;
  /** Where the record begins that comes next, or that is being told. */
  private start = 0;
  /** Where the record ends that is being told. */
  private recordEnd = 0;
  /** Bytes that have come. */
  private received = 0;
  /** Up to here the file is UTF-8. */
  private checked = 0;
  /** Fields of the header; 0 before it. */
  private columns = 0;
  /** The last byte of each line end; undefined until the first has come. */
  private ending: number | undefined;

  constructor(
    private readonly file: string,
    private readonly handlers: CsvPieceHandlers,
  ) {}

  /**
   * Records before one that cannot be told are told.
   * @throws UserError (exit 5) if no record can be told from here on; whatever a handler throws
   */
  push(piece: Buffer): void {
    if (piece.length === 0) return;
    this.window = this.window.length === 0 ? piece : Buffer.concat([this.window, piece]);
    const bad = this.badText(wholeLength(this.window));
    // what is not text may not be cut off from the piece before
    const sound = bad === undefined ? piece : piece.subarray(0, Math.max(0, bad - this.received));
    this.received += piece.length;
    this.parse(sound, bad);
    if (bad !== undefined) throw notUtf8(this.file, bad);
    this.forget();
  }

  /** After the last piece. Throws as `push` does, and exit 5 if there was none. */
  end(): void {
    if (this.received === 0) throw emptyFile(this.file);
    const bad = this.badText(this.window.length);
    if (bad !== undefined) throw notUtf8(this.file, bad);
    this.parser ??= this.begin(LINE_FEEDS);
    this.parser._flush(error => this.check(error));
    // nothing but empty lines
    if (this.columns === 0) throw emptyFile(this.file);
  }

  /** @param bad where what has come stops being text */
  private parse(piece: Buffer, bad: number | undefined): void {
    if (this.parser) {
      // not by `write`: the queue of a stream tells an error only later
      this.parser._transform(piece, 'latin1', error => this.check(error));
      return;
    }
    this.ending ??= endingOf(this.window);
    // a first line without an end is refused by the parser before it takes all memory
    if (this.ending === undefined && this.window.length <= MAX_RECORD_BYTES) return;
    this.parser = this.begin(this.ending === CARRIAGE_RETURN ? CARRIAGE_RETURNS : LINE_FEEDS, bad);
  }

  /** Begins with what has come, up to `bad`. */
  private begin(recordDelimiters: string[], bad?: number): RecordParser {
    const parser = new RecordParser(recordDelimiters, (fields, end) => this.record(fields, end));
    parser._transform(this.window.subarray(0, bad), 'latin1', error => this.check(error));
    return parser;
  }

  /** The line of the record that is being told. */
  get line(): number {
    return this.lineAt(this.from);
  }

  place(field: number): CsvPlace {
    const { window, file, from, base } = this;
    const text = window.toString('utf8', from, this.recordEnd - base);
    return placeInRecord(text, { file, line: this.line }, field);
  }

  private record(fields: readonly string[], end: number): void {
    this.fields = fields;
    this.recordEnd = end;
    if (this.columns === 0) {
      this.columns = fields.length;
      this.handlers.header(this);
    } else if (fields.length === this.columns) this.handlers.row(this);
    else {
      this.handlers.ragged(
        this,
        ragged(this.columns, fields.length, field => this.place(field)),
      );
    }
    this.start = end;
  }

  /** Where the record that is being told, or comes next, begins in the window. */
  private get from(): number {
    const isFirst = this.start === 0 && this.window[0] === 0xef;
    return isFirst
      ? this.behindEmptyLines(BYTE_ORDER_MARK_BYTES)
      : this.behindEmptyLines(this.start - this.base);
  }

  private behindEmptyLines(at: number): number {
    const { window, ending = LINE_FEED } = this;
    let behind = at;
    for (;;) {
      if (window[behind] === ending) behind++;
      else if (ending === LINE_FEED && window[behind] === CARRIAGE_RETURN && window[behind + 1] === LINE_FEED)
        behind += 2;
      else return behind;
    }
  }

  private check(error: Error | null | undefined): void {
    if (!error) return;
    if (!(error instanceof CsvError)) throw error;
    this.recordEnd = this.start + MAX_RECORD_BYTES;
    const field = typeof error.column === 'number' ? error.column : 0;
    throw damagedError(broken(error, this.place(field)));
  }

  /**
   * Where what has come stops being text; undefined if it does not.
   * @param end of what has come of the window in whole characters
   */
  private badText(end: number): number | undefined {
    const text = this.window.subarray(this.checked - this.base, end);
    const bad = badByte(text);
    if (bad !== undefined) return this.checked + bad;
    this.checked = this.base + end;
    return undefined;
  }

  /** Lets go of what has been told, and of the empty lines behind it. */
  private forget(): void {
    const to = this.from;
    // a mark of the byte order is part of the first record
    if (to === 0 || (this.start === 0 && to === BYTE_ORDER_MARK_BYTES)) return;
    this.lineAt(to);
    this.base += to;
    this.start = Math.max(this.start, this.base);
    this.window = this.window.subarray(to);
    this.checked = Math.max(this.checked, this.base);
  }

  /** The line of byte `at` of the window, which is not before the one that was asked for last. */
  private lineAt(at: number): number {
    const { window, base } = this;
    const end = this.ending ?? LINE_FEED;
    let next = window.indexOf(end, this.counted - base);
    for (; next >= 0 && next < at; next = window.indexOf(end, next + 1)) this.countedLine++;
    this.counted = Math.max(this.counted, base + at);
    return this.countedLine;
  }
}

/**
 * Tells each record with the byte that it ends at; a callback of the parser's costs twice as much.
 */
class RecordParser extends Parser {
  constructor(
    recordDelimiters: string[],
    private readonly handle: (fields: readonly string[], end: number) => void,
  ) {
    super({ ...OPTIONS, record_delimiter: recordDelimiters });
  }

  override push(fields: readonly string[]): boolean {
    this.handle(fields, this.info.bytes);
    return true;
  }
}

/**
 * The last byte of the line ends of a file that begins like this, by the first of them: of LF and
 * CRLF or, without any LF, of CR. Undefined as long as that is open.
 */
function endingOf(bytes: Buffer): number | undefined {
  const at = bytes.findIndex(byte => byte === LINE_FEED || byte === CARRIAGE_RETURN);
  if (at < 0 || (bytes[at] === CARRIAGE_RETURN && at + 1 === bytes.length)) return undefined;
  return bytes[at] === CARRIAGE_RETURN && bytes[at + 1] !== LINE_FEED ? CARRIAGE_RETURN : LINE_FEED;
}
