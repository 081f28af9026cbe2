/**
 * Reads a `log.jsonl` of any length in constant memory. An incomplete last line, left by a killed
 * process, is not damage. Any other line that is not an event is reported to the caller and
 * skipped.
 */
import { type OpenedFile, withFile } from '../../run/files/opened-file.js';
import { type LogRecord, parseEvent } from '../../run/log/parse.js';

export interface DamagedLine {
  /** 1-based. */
  readonly line: number;
  readonly message: string;
}

/**
 * Larger chunks use more memory (chunks of 1 MiB double the total) and are not faster, measured
 * with lines of 300 bytes.
 */
const CHUNK_BYTES = 1 << 16;
/** Events are far shorter. Longer lines are not from a log. */
export const MAX_LINE_BYTES = 4 << 20;
const NEWLINE = 0x0a;

/** The end of a file of lines. */
export interface LinesEnd {
  /**
   * True if an incomplete line follows the last complete one. A killed process may leave one.
   */
  readonly isTorn: boolean;
}

/**
 * Calls `visit` for each event of the log at `path`, in order, `damaged` for each complete line
 * that is not an event, and before them `raw` for every line (undefined if longer than 4 MiB).
 * @throws UserError (exit 2) if the file cannot be read
 * @throws UserError (exit 5) if the disk fails to read it
 */
export function readLog(
  path: string,
  visit: (record: LogRecord, line: number) => void,
  damaged: (line: DamagedLine) => void,
  raw: (text: string | undefined) => void = () => {},
): LinesEnd {
  return eachLine(path, (text, line) => {
    raw(text);
    const parsed = text === undefined ? TOO_LONG : parseEvent(text);
    if (typeof parsed === 'string') damaged({ line, message: parsed });
    else visit(parsed, line);
  });
}

/** Message about a line of more than 4 MiB, whose content is not kept. */
export const TOO_LONG = 'the line is longer than an event can be';

/**
 * Calls `visit` with each complete line, without its line end; with undefined for a line of more
 * than 4 MiB.
 * @throws UserError (exit 2) if the file cannot be read
 * @throws UserError (exit 5) if the disk fails to read it
 */
export function eachLine(path: string, visit: (text: string | undefined, line: number) => void): LinesEnd {
  return withFile(path, file => visitLines(file, visit), { maxBytes: Number.POSITIVE_INFINITY });
}

function visitLines(file: OpenedFile, visit: (text: string | undefined, line: number) => void): LinesEnd {
  let line = 0;
  let rest: Buffer = Buffer.alloc(0);
  // true inside a line that is too long, while searching for its end
  let isSkipping = false;
  for (let position = 0; ; ) {
    let read = file.read(position, CHUNK_BYTES);
    if (read.length === 0) return { isTorn: isSkipping || rest.length > 0 };
    position += read.length;
    if (isSkipping) {
      const end = read.indexOf(NEWLINE) + 1;
      if (end === 0) continue;
      isSkipping = false;
      line += 1;
      visit(undefined, line);
      read = read.subarray(end);
    }
    const bytes = rest.length === 0 ? read : Buffer.concat([rest, read]);
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    line = visitText(bytes.toString('utf8', 0, end), line, visit);
    rest = bytes.subarray(end);
    if (rest.length > MAX_LINE_BYTES) {
      isSkipping = true;
      rest = Buffer.alloc(0);
    }
  }
}

/** Visits the lines of `text`, which ends with a newline or is empty. Returns the last number. */
function visitText(text: string, before: number, visit: (text: string, line: number) => void): number {
  let line = before;
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf('\n', from);
    line += 1;
    visit(text.slice(from, end), line);
    from = end + 1;
  }
  return line;
}
