/**
 * Reading `log.jsonl` of any length in constant memory. What a killed process left of its last line is no damage; any other line that is
 * no event is told to the caller and passed over.
 */
import { type OpenedFile, withFile } from '../experiment/opened-file.js';

/** What every reader of a log relies on; the rest of a record is as it was written, by whomever. */
export interface LogRecord {
  readonly event: string;
  readonly [field: string]: unknown;
}

export interface DamagedLine {
  /** 1-based. */
  readonly line: number;
  readonly message: string;
}

/** Larger ones cost memory (a megabyte twice as much in all) and gain nothing: measured on lines of 300 bytes. */
const CHUNK_BYTES = 1 << 16;
/** No event is nearly as long; what is longer is no log. */
const MAX_LINE_BYTES = 4 << 20;
const NEWLINE = 0x0a;

/**
 * Calls `visit` for each event of the log at `path`, in its order, and `damaged` for each whole line that is none. Throws exit 2 where the file cannot
 * be read, exit 5 where the disk cannot give its bytes; whatever `visit` throws.
 */
export function readLog(
  path: string,
  visit: (record: LogRecord, line: number) => void,
  damaged: (line: DamagedLine) => void,
): void {
  eachLine(path, (text, line) => {
    const parsed = parseEvent(text);
    if (typeof parsed === 'string') damaged({ line, message: parsed });
    else visit(parsed, line);
  });
}

/** The event of a line without its end, or why it is none. */
export function parseEvent(text: string): LogRecord | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text.trim() === '' ? 'the line is empty' : 'this is not JSON';
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'this is not a JSON object';
  if (!('event' in value) || typeof value.event !== 'string') return 'this has no `event`';
  return value as LogRecord;
}

/** Calls `visit` with each whole line, without its end. Throws as `readLog` does; exit 5 is left to the caller for lines that are too long. */
export function eachLine(path: string, visit: (text: string, line: number) => void): void {
  withFile(path, file => visitLines(file, visit), { maxBytes: Number.POSITIVE_INFINITY });
}

function visitLines(file: OpenedFile, visit: (text: string, line: number) => void): void {
  let line = 0;
  let rest: Buffer = Buffer.alloc(0);
  for (let position = 0; ; ) {
    const read = file.read(position, CHUNK_BYTES);
    if (read.length === 0) return;
    position += read.length;
    const bytes = rest.length === 0 ? read : Buffer.concat([rest, read]);
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    line = visitText(bytes.toString('utf8', 0, end), line, visit);
    rest = bytes.subarray(end);
    // an endless line is told of as one that is no event, piece by piece
    if (rest.length > MAX_LINE_BYTES) {
      line += 1;
      visit('', line);
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
