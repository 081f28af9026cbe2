/**
 * Reading `log.jsonl` of any length in constant memory. What a killed process left of its last line
 * is no damage; any other line that is no event is told to the caller and passed over.
 */
import { type OpenedFile, withFile } from '../../experiment/files/opened-file.js';
import { type LogRecord, parseEvent } from '../../experiment/log/parse.js';

export interface DamagedLine {
  /** 1-based. */
  readonly line: number;
  readonly message: string;
}

/**
 * Larger ones cost memory (a megabyte twice as much in all) and gain nothing: measured on lines of
 * 300 bytes.
 */
const CHUNK_BYTES = 1 << 16;
/** No event is nearly as long; what is longer is no log. */
const MAX_LINE_BYTES = 4 << 20;
const NEWLINE = 0x0a;

/** How a file of lines ended. */
export interface LinesEnd {
  /**
   * Whether something stands behind the last whole line: a process that was killed may leave a part
   * of one.
   */
  readonly isTorn: boolean;
}

/**
 * Calls `visit` for each event of the log at `path`, in its order, `damaged` for each whole line
 * that is none, and `raw` for all of them, undefined for one of more than 4 MiB.
 * @throws UserError (exit 2) if the file cannot be read
 * @throws UserError (exit 5) if the disk cannot give its bytes; whatever `visit` throws
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

/** What is said of a line of which nothing is kept. */
export const TOO_LONG = 'the line is longer than an event can be';

/**
 * Calls `visit` with each whole line, without its end; with undefined for one of more than 4 MiB.
 * Throws as `readLog` does.
 */
export function eachLine(path: string, visit: (text: string | undefined, line: number) => void): LinesEnd {
  return withFile(path, file => visitLines(file, visit), { maxBytes: Number.POSITIVE_INFINITY });
}

function visitLines(file: OpenedFile, visit: (text: string | undefined, line: number) => void): LinesEnd {
  let line = 0;
  let rest: Buffer = Buffer.alloc(0);
  // within a line that is too long, of which only its end is looked for
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

/** `text` ends with a newline, or is empty. Gives the number of its last line. */
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
