/** Text files: checks that they are UTF-8 and splits them into lines. */
import { isUtf8 } from '../../host/index.js';
import { type Diagnostic, damagedErrors } from '../../util/errors.js';

const LINE_FEED = 0x0a;

/** Code of the problem of a file in another format, which is the same for each of its lines. */
const NOT_TEXT = 'data/not-text';

/** Position of some bytes in a text file. */
export interface BytesPlace {
  readonly offset: number;
  readonly line: number;
  /** 1-based, in UTF-16 code units. */
  readonly column: number;
}

export const FILE_START: BytesPlace = { offset: 0, line: 1, column: 1 };

/**
 * Returns the place after `bytes`, which are whole characters. A byte order mark takes no column.
 */
export function placeAfter(bytes: Buffer, { offset, line, column }: BytesPlace): BytesPlace {
  const lineStart = bytes.lastIndexOf(LINE_FEED) + 1;
  const from = lineStart === 0 && offset === 0 ? markLength(bytes) : lineStart;
  return {
    offset: offset + bytes.length,
    line: line + countLineFeeds(bytes),
    column: (lineStart === 0 ? column : 1) + bytes.toString('utf8', from).length,
  };
}

/**
 * Checks that `bytes` are UTF-8.
 * @param place of `bytes` in the file
 * @param start first bytes of the file
 */
export function checkUtf8(bytes: Buffer, file: string, place = FILE_START, start = bytes): void {
  const bad = badByte(bytes);
  if (bad === undefined) return;
  throw damagedErrors([notUtf8(bytes[bad], { file, ...placeAfter(bytes.subarray(0, bad), place) }, start)]);
}

const ZIP = 'PK\x03\x04';

/** First bytes of formats that are not text. A gzip file is already decompressed here. */
const FORMATS: Readonly<Record<string, string>> = {
  [ZIP]: 'a zip archive, such as .npz or .xlsx',
  '\x93NUMPY': 'a NumPy array (.npy)',
  PAR1: 'a Parquet file',
  '\x1f\x8b': 'a gzip file inside a gzip file',
};

/** Number of first bytes of a file that tell its format. */
export const START_BYTES = 6;

/** What a file is whose first bytes are `start`; undefined if it is of no known format. */
function formatOf(start: Buffer): string | undefined {
  const text = start.toString('latin1', 0, START_BYTES);
  return Object.entries(FORMATS).find(([magic]) => text.startsWith(magic))?.[1];
}

/**
 * The problem of a character that is not UTF-8, whose first byte is `byte`.
 * @param start first bytes of the file
 */
function notUtf8(
  byte: number,
  { file, line, column, offset }: BytesPlace & { readonly file: string },
  start: Buffer,
): Diagnostic {
  const format = formatOf(start);
  if (format !== undefined)
    return { code: NOT_TEXT, message: `the file is ${format}, not text`, file, expected: 'UTF-8 text' };
  return {
    code: 'data/encoding',
    message: 'the file is not UTF-8 text',
    file,
    line,
    column,
    // where a byte order mark would be; bytes further on may not have been read yet
    expected:
      offset === 0 && (byte === 0xff || byte === 0xfe)
        ? 'UTF-8; this looks like UTF-16, which `iconv -f UTF-16 -t UTF-8 FILE` converts'
        : 'UTF-8; `iconv -f WINDOWS-1252 -t UTF-8 FILE` converts Windows-1252 and Latin-1',
    got: `byte 0x${byte.toString(16)} at offset ${offset}`,
  };
}

function countLineFeeds(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) count++;
  return count;
}

const CHECKED_BYTES = 2 ** 16;

/** Offset of the first character that is not UTF-8; undefined if all are. */
export function badByte(bytes: Buffer): number | undefined {
  // the first lines of a zip archive may be UTF-8; no text has these control characters
  if (bytes.toString('latin1', 0, ZIP.length) === ZIP) return 0;
  if (isUtf8(bytes)) return undefined;
  let at = 0;
  for (let end = at; at < bytes.length; at = end) {
    end = wholeCharacters(bytes, Math.min(bytes.length, at + CHECKED_BYTES));
    if (end === at || !isUtf8(bytes.subarray(at, end))) break;
  }
  for (let end = at; ; at = end) {
    end = at + characterLength(bytes[at]);
    if (end > bytes.length || !isUtf8(bytes.subarray(at, end))) return at;
  }
}

/** Number of bytes of the character that starts with `byte`. */
function characterLength(byte: number): number {
  if (byte >= 0xf0) return 4;
  if (byte >= 0xe0) return 3;
  return byte >= 0xc0 ? 2 : 1;
}

/** Returns `end`, or the start of the character that extends beyond it. */
export function wholeCharacters(bytes: Buffer, end: number): number {
  let at = end;
  while (at > 0 && end - at < 4 && (bytes[at] & 0xc0) === 0x80) at--;
  return at;
}

/** Length of `bytes` without a truncated character at the end. */
export function wholeLength(bytes: Buffer): number {
  const last = wholeCharacters(bytes, bytes.length - 1);
  return last >= 0 && last + characterLength(bytes[last]) > bytes.length ? last : bytes.length;
}

/** Length of a byte order mark at the start, which is not part of the text. */
export function markLength(bytes: Buffer): number {
  return bytes.length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
}

/** A line of {@link LinePieces}; valid only during the call that receives it. */
export interface TextLine {
  /** Without the line end. */
  readonly bytes: Buffer;
  /** Offset of `bytes` in the file. */
  readonly from: number;
  /** Line number, from 1. */
  readonly number: number;
}

/** A longer line (64 MiB) indicates that the file is not text. */
const MAX_LINE_BYTES = 2 ** 26;

export interface LineHandlers {
  line(line: TextLine): void;
  /** Called for a line that is not UTF-8 or too long, and is left out. */
  broken(problem: Diagnostic): void;
}

/**
 * Splits a file that is read in chunks into lines. It keeps only the line that is incomplete at the
 * end of a chunk. Removes a byte order mark and the CR of a CRLF. Errors of the handlers propagate.
 * A file in another format is one error (exit 5), not one per line.
 */
export class LinePieces {
  private parts: Buffer[] = [];
  /** Bytes of the line so far. */
  private length = 0;
  private number = 1;
  /** Offset of the line in the file. */
  private start = 0;
  /** First bytes of the file, or its first line if that is shorter. */
  private fileStart: Buffer | undefined;

  /** @param isText true if lines must be UTF-8 */
  constructor(
    private readonly file: string,
    private readonly isText: boolean,
    private readonly handlers: LineHandlers,
  ) {}

  push(piece: Buffer): void {
    let from = 0;
    for (let end = piece.indexOf(LINE_FEED); end >= 0; end = piece.indexOf(LINE_FEED, from)) {
      this.keep(piece.subarray(from, end));
      this.emit(1);
      from = end + 1;
    }
    if (from < piece.length) this.keep(Buffer.from(piece.subarray(from)));
  }

  /** Call after the last chunk. Text after the last line end is a line if it is not empty. */
  end(): void {
    if (this.length > 0) this.emit(0);
  }

  private keep(part: Buffer): void {
    const wasShort = this.length <= MAX_LINE_BYTES;
    this.length += part.length;
    if (this.length <= MAX_LINE_BYTES) {
      this.parts.push(part);
      return;
    }
    this.parts = [];
    if (!wasShort) return;
    this.handlers.broken({
      code: 'data/line-too-long',
      message: 'the line is too long',
      file: this.file,
      line: this.number,
      expected: `at most ${MAX_LINE_BYTES} bytes`,
    });
  }

  /** @param endLength number of bytes of the line end */
  private emit(endLength: number): void {
    if (this.length <= MAX_LINE_BYTES) this.check();
    this.start += this.length + endLength;
    this.number++;
    this.parts = [];
    this.length = 0;
  }

  private check(): void {
    const whole = this.parts.length === 1 ? this.parts[0] : Buffer.concat(this.parts);
    this.fileStart ??= Buffer.from(whole.subarray(0, START_BYTES));
    const bad = this.isText ? badByte(whole) : undefined;
    if (bad !== undefined) {
      const lineStart = { offset: this.start, line: this.number, column: 1 };
      const place = placeAfter(whole.subarray(0, bad), lineStart);
      const problem = notUtf8(whole[bad], { file: this.file, ...place }, this.fileStart);
      if (problem.code === NOT_TEXT) throw damagedErrors([problem]);
      this.handlers.broken(problem);
      return;
    }
    const mark = this.isText && this.number === 1 ? markLength(whole) : 0;
    const bytes = whole.subarray(mark, contentEnd(whole));
    this.handlers.line({ bytes, from: this.start + mark, number: this.number });
  }
}

function contentEnd(line: Buffer): number {
  return line.at(-1) === 0x0d ? line.length - 1 : line.length;
}
