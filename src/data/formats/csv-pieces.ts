/** Reads CSV files in chunks, with the same records and errors as `csv.ts`. */
import { CsvError, Parser } from 'csv-parse';
import { type Diagnostic, damagedError } from '../../util/errors.js';
import {
  BYTE_ORDER_MARK_BYTES,
  broken,
  CARRIAGE_RETURN,
  CARRIAGE_RETURNS,
  type CsvPlace,
  type Delimiter,
  emptyFile,
  LINE_FEED,
  LINE_FEEDS,
  MAX_RECORD_BYTES,
  PARSER_OPTIONS,
  placeInRecord,
  ragged,
} from './csv-records.js';
import { badByte, markLength, notUtf8, START_BYTES, wholeLength } from './utf8.js';

/** A record of a file that is read in chunks; valid only during the call that receives it. */
export interface CsvRecord {
  /** As many as in the header, except for {@link CsvPieceHandlers.ragged}. */
  readonly fields: readonly string[];
  /** Its first line, from 1. */
  readonly row: Required<Pick<Diagnostic, 'file' | 'line'>>;
  /** Position of field `field` (0-based). */
  place(field: number): CsvPlace;
}

export interface CsvPieceHandlers {
  /** Called once, with the column names. */
  header(record: CsvRecord): void;
  row(record: CsvRecord): void;
  /** Called for a record whose number of fields differs from the header. */
  ragged(record: CsvRecord, problem: Diagnostic): void;
}

/**
 * Reads a file in chunks, with the same records as `scanCsv`. It keeps only the record that
 * is incomplete at the end of a chunk. Errors of the handlers propagate.
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
    if (piece.length === 0) return;
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
    if (this.received === 0) throw emptyFile(this.file);
    const bad = this.badText(this.window.length);
    if (bad !== undefined) throw this.badEncoding(bad);
    this.parser ??= this.begin(LINE_FEEDS);
    this.parser._flush(error => this.check(error));
    // nothing but empty lines
    if (this.columns === 0) throw emptyFile(this.file);
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
    } else if (fields.length === this.columns) this.handlers.row(this);
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
    throw damagedError(broken(error.code, this.place(field)));
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
 * Last byte of a file's line ends, determined by the first one: LF and CRLF, or CR in a file
 * without LF. Undefined if `bytes` do not determine it yet.
 */
function endingOf(bytes: Buffer): number | undefined {
  const at = bytes.findIndex(byte => byte === LINE_FEED || byte === CARRIAGE_RETURN);
  if (at < 0 || (bytes[at] === CARRIAGE_RETURN && at + 1 === bytes.length)) return undefined;
  return bytes[at] === CARRIAGE_RETURN && bytes[at + 1] !== LINE_FEED ? CARRIAGE_RETURN : LINE_FEED;
}
