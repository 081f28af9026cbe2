/**
 * Reads CSV files (RFC 4180, UTF-8, first record = column names) record by record, with positions.
 * Other delimiters than the comma are allowed.
 */
import { CsvError, Parser } from 'csv-parse';
import { parse } from 'csv-parse/sync';
import { type Diagnostic, damagedError, type UserError } from '../../util/errors.js';
import { badByte, markLength, notUtf8, START_BYTES, wholeLength } from './utf8.js';

/**
 * Position of a field, with its source line; these are the position keys of a {@link Diagnostic}.
 */
export type CsvPlace = Required<Pick<Diagnostic, 'file' | 'line' | 'column' | 'length' | 'source'>>;

/** Delimiters of fields that a table may have. */
export const DELIMITERS = [',', ';', '\t', '|'] as const;
export type Delimiter = (typeof DELIMITERS)[number];

const MAX_RECORD_BYTES = 2 ** 20;
/** Parser options for files read as a whole or in chunks. */
const PARSER_OPTIONS = {
  bom: true,
  skip_empty_lines: true,
  relax_column_count: true,
  max_record_size: MAX_RECORD_BYTES,
} as const;

/** Record delimiters. By default, the parser would use the end of the first record for all. */
const LINE_FEEDS = ['\r\n', '\n'];
const CARRIAGE_RETURNS = ['\r'];

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const QUOTE = 0x22;
const BYTE_ORDER_MARK_BYTES = 3;

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
    } else if (isLineEnd(char) && !quoted) break;
  }
  const source = text.slice(lineStart).split(/[\r\n]/, 1)[0];
  const column = Math.min(at - lineStart, source.length);
  return { file, line, column: column + 1, length: fieldLength(source, column, delimiter), source };
}

/**
 * Lines on which records start, for values passed to {@link CsvHandlers.row}. Ascending ones are
 * found in one pass.
 */
export class RecordLines {
  private readonly end: number;
  private line = 1;
  /** Start of the line `line`. */
  private lineStart = 0;
  /** Its end; -1 in the last line. */
  private lineEnd: number;

  constructor(private readonly bytes: Buffer) {
    this.end = endingOf(bytes) ?? LINE_FEED;
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

function emptyFile(file: string): UserError {
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
  /** As many as in the header, except for {@link CsvPieceHandlers.ragged}. */
  readonly fields: readonly string[];
  /** Its offset in the file, or that of the empty lines before it, for {@link placeInCsv}. */
  readonly at: number;
  /** Its first line, from 1. */
  readonly row: Required<Pick<Diagnostic, 'file' | 'line'>>;
  /** Position of field `field` (0-based). */
  place(field: number): CsvPlace;
}

export interface CsvPieceHandlers {
  /** Called once, with the column names. */
  header(record: CsvRecord): void;
  add(record: CsvRecord): void;
  /** Called for a record whose number of fields differs from the header. */
  ragged(record: CsvRecord, problem: Diagnostic): void;
  /** Called if the rest of the file cannot be read; absent: the problem is thrown. */
  broken?(problem: Diagnostic): void;
}

/**
 * Reads a file in chunks, or as one. It keeps only the record that is incomplete at the end of a
 * chunk. Errors of the handlers propagate.
 */
export class CsvPieces implements CsvRecord {
  /** Fields of the current record; its position is computed on request only. */
  fields: readonly string[] = [];
  /** Undefined until the first line end has been received, which determines all line ends. */
  private parser: RecordParser | undefined;
  /** Bytes not parsed to a record yet, preceded by the current record. */
  private window: Buffer = Buffer.alloc(0);
  /** First bytes of the file, once the window no longer has them. */
  private fileStart: Buffer | undefined;
  /** Offset of the window in the file. */
  private base = 0;
  /** Line number of byte `counted`. */
  private countedLine = 1;
  private counted = 0;
  /** Offset of the next or the current record. */
  private start = 0;
  /** End offset of the current record. */
  private recordEnd = 0;
  /** Number of bytes received. */
  private received = 0;
  /** Up to this offset, the file is known to be UTF-8. */
  private checked = 0;
  /** Number of fields in the header; 0 before it. */
  private columns = 0;
  /** Last byte of each line end; undefined until the first has been received. */
  private ending: number | undefined;
  /** True once `handlers.broken` was called. */
  private isBroken = false;

  constructor(
    private readonly file: string,
    private readonly handlers: CsvPieceHandlers,
    private readonly delimiter: Delimiter = ',',
  ) {}

  /**
   * Passes the completed records to the handlers, including those before an error.
   * @throws UserError (exit 5) if the rest of the file cannot be read
   */
  push(piece: Buffer): void {
    if (piece.length === 0 || this.isBroken) return;
    this.window = this.window.length === 0 ? piece : Buffer.concat([this.window, piece]);
    const bad = this.badText(wholeLength(this.window));
    // the invalid character may have started in the previous chunk
    const sound = bad === undefined ? piece : piece.subarray(0, Math.max(0, bad - this.received));
    this.received += piece.length;
    this.parse(sound, bad);
    if (bad !== undefined) throw this.badEncoding(bad);
    this.forget();
  }

  /**
   * Call after the last chunk.
   * @throws UserError (exit 5) if the file is empty or its rest cannot be read
   */
  end(): void {
    if (this.isBroken) return;
    if (this.received === 0) throw emptyFile(this.file);
    const bad = this.badText(this.window.length);
    if (bad !== undefined) throw this.badEncoding(bad);
    this.parser ??= this.begin(LINE_FEEDS);
    this.parser._flush(error => this.check(error));
    // nothing but empty lines
    if (this.columns === 0 && !this.isBroken) throw emptyFile(this.file);
  }

  /** @param bad offset of the first byte that is not UTF-8, if any */
  private parse(piece: Buffer, bad: number | undefined): void {
    if (this.parser) {
      // not by `write`: a stream reports errors asynchronously
      this.parser._transform(piece, 'latin1', error => this.check(error));
      return;
    }
    this.ending ??= endingOf(this.window);
    // a first line without an end is refused by the parser before it takes all memory
    if (this.ending === undefined && this.window.length <= MAX_RECORD_BYTES) return;
    this.parser = this.begin(this.ending === CARRIAGE_RETURN ? CARRIAGE_RETURNS : LINE_FEEDS, bad);
  }

  /** Creates a parser and passes it the bytes received so far, up to `bad`. */
  private begin(recordDelimiters: string[], bad?: number): RecordParser {
    const options = { delimiter: this.delimiter, record_delimiter: recordDelimiters };
    const parser = new RecordParser(options, (fields, end) => this.record(fields, end));
    parser._transform(this.window.subarray(0, bad), 'latin1', error => this.check(error));
    return parser;
  }

  get at(): number {
    return this.start;
  }

  get row(): CsvRecord['row'] {
    return { file: this.file, line: this.lineAt(this.from) };
  }

  place(field: number): CsvPlace {
    const { window, row, from, base, delimiter } = this;
    const text = window.toString('utf8', from, this.recordEnd - base);
    return placeInRecord(text, row, field, delimiter);
  }

  private record(fields: readonly string[], end: number): void {
    this.fields = fields;
    this.recordEnd = end;
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
    this.start = end;
  }

  /** Start of the current record in the window. */
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
    const problem = broken(error.code, this.place(field));
    if (!this.handlers.broken) throw damagedError(problem);
    this.isBroken = true;
    this.handlers.broken(problem);
  }

  /**
   * Offset of the first received byte that is not UTF-8; undefined if there is none.
   * @param end end of the last complete character in the window
   */
  private badText(end: number): number | undefined {
    const text = this.window.subarray(this.checked - this.base, end);
    const bad = badByte(text);
    if (bad !== undefined) return this.checked + bad;
    this.checked = this.base + end;
    return undefined;
  }

  private badEncoding(offset: number): Error {
    const at = offset - this.base;
    const before = this.window.subarray(0, at);
    const lineStart = before.lastIndexOf(this.ending ?? LINE_FEED) + 1;
    const mark = this.base === 0 && lineStart === 0 ? markLength(before) : 0;
    const column = before.toString('utf8', lineStart + mark).length + 1;
    const place = { file: this.file, offset, line: this.lineAt(at), column };
    return damagedError(notUtf8(this.window[at], place, this.fileStart ?? this.window));
  }

  /** Drops processed records from the window, and the empty lines after them. */
  private forget(): void {
    const to = this.from;
    // a byte order mark is part of the first record
    if (to === 0 || (this.start === 0 && to === BYTE_ORDER_MARK_BYTES)) return;
    this.lineAt(to);
    this.fileStart ??= Buffer.from(this.window.subarray(0, START_BYTES));
    this.base += to;
    this.start = Math.max(this.start, this.base);
    this.window = this.window.subarray(to);
    this.checked = Math.max(this.checked, this.base);
  }

  /** Line number of byte `at` of the window; calls must be in ascending order. */
  private lineAt(at: number): number {
    const { window, base } = this;
    const end = this.ending ?? LINE_FEED;
    let next = window.indexOf(end, this.counted - base);
    for (; next >= 0 && next < at; next = window.indexOf(end, next + 1)) this.countedLine++;
    this.counted = Math.max(this.counted, base + at);
    return this.countedLine;
  }
}

/** Passes on each record with its end offset. The parser's own callback takes twice as long. */
class RecordParser extends Parser {
  constructor(
    options: { readonly delimiter: Delimiter; readonly record_delimiter: string[] },
    private readonly handle: (fields: readonly string[], end: number) => void,
  ) {
    super({ ...PARSER_OPTIONS, ...options });
  }

  override push(fields: readonly string[]): boolean {
    this.handle(fields, this.info.bytes);
    return true;
  }
}

/**
 * Last byte of a file's line ends, determined by the first one outside quotes: LF for LF and CRLF,
 * or CR. Undefined if `bytes` do not determine it yet.
 */
function endingOf(bytes: Buffer): number | undefined {
  let quoted = false;
  const at = bytes.findIndex(byte => {
    if (byte === QUOTE) quoted = !quoted;
    return !quoted && (byte === LINE_FEED || byte === CARRIAGE_RETURN);
  });
  if (at < 0 || (bytes[at] === CARRIAGE_RETURN && at + 1 === bytes.length)) return undefined;
  return bytes[at] === CARRIAGE_RETURN && bytes[at + 1] !== LINE_FEED ? CARRIAGE_RETURN : LINE_FEED;
}
