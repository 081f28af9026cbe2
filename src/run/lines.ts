/** Files of lines: one writer, and readers of whole and of growing files. */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readSync,
} from 'node:fs';
import { EXIT, UserError } from '../util/errors.js';
import { codeOf } from '../util/system-errors.js';
import { tidyUp, withFileErrors, writeWhole } from './file-errors.js';
import { type OpenedFile, withFile, writeAtomic } from './files.js';
import { refuseUnlessOwned } from './lock.js';

/**
 * Does not follow links, which could lead anywhere. (Windows has no such flag, and needs special
 * rights to create links.)
 */
const APPENDING = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0);

export class LogFile {
  /** True if a partial line may follow the complete ones. */
  private torn = false;

  private constructor(
    private readonly path: string,
    private file: number,
    /** Bytes of the complete lines. */
    private size: number,
  ) {}

  /** Opens `path` for appending, creating it. */
  static open(path: string): LogFile {
    return withFileErrors(path, () => {
      const file = openSync(path, APPENDING, 0o644);
      return new LogFile(path, file, fstatSync(file).size);
    });
  }

  /**
   * Appends `line` synchronously. If the file was removed, restores it with its content first and
   * returns true.
   */
  write(line: string): boolean {
    refuseUnlessOwned(this.path);
    return withFileErrors(this.path, () => {
      const wasGone = this.isGone();
      if (wasGone) this.putBack();
      if (this.torn) this.takeBack();
      this.torn = true;
      try {
        this.size += writeWhole(this.file, line);
        this.torn = false;
      } catch (error) {
        // if this fails, the next write does it
        tidyUp(() => this.takeBack());
        throw error;
      }
      return wasGone;
    });
  }

  private isGone(): boolean {
    const own = fstatSync(this.file);
    if (!own.isFile()) return false;
    const there = lstatSync(this.path, { throwIfNoEntry: false });
    if (there === undefined) return true;
    if (there.ino === own.ino && there.dev === own.dev) return false;
    throw new UserError(EXIT.unexpected, [
      { code: 'log/replaced', message: 'the log was replaced by another file', file: this.path },
    ]);
  }

  /** Restores the removed file: its content stays on disk as long as it is open. */
  private putBack(): void {
    const content = Buffer.alloc(this.size);
    for (let done = 0; done < content.length; ) {
      const read = readSync(this.file, content, done, content.length - done, done);
      if (read === 0)
        throw Object.assign(new Error('its content was removed'), { code: 'EIO', syscall: 'read' });
      done += read;
    }
    writeAtomic(this.path, [content]);
    const file = openSync(this.path, APPENDING);
    closeSync(this.file);
    this.file = file;
    this.torn = false;
  }

  /** Flushes the file to disk. */
  flush(): void {
    withFileErrors(this.path, () => fsyncSync(this.file));
  }

  close(): void {
    closeSync(this.file);
  }

  /**
   * Removes a partial line. A pipe or a device cannot be truncated; there the failed write is the
   * only error.
   */
  private takeBack(): void {
    if (fstatSync(this.file).isFile()) ftruncateSync(this.file, this.size);
    this.torn = false;
  }
}

/**
 * Larger chunks use more memory (chunks of 1 MiB double the total) and are not faster, measured
 * with lines of 300 bytes.
 */
const CHUNK_BYTES = 1 << 16;
/** Events are far shorter. Longer lines are not from a log. */
export const MAX_LINE_BYTES = 4 << 20;
const NEWLINE = 0x0a;

export interface LinesEnd {
  /** True if an incomplete line follows the last complete one. A killed process may leave one. */
  readonly isTorn: boolean;
}

/**
 * Calls `visit` with each complete line, without its line end; with undefined for a line of more
 * than 4 MiB.
 */
export function eachLine(path: string, visit: (text: string | undefined, line: number) => void): LinesEnd {
  return withFile(path, file => visitLines(file, visit), {
    maxBytes: Number.POSITIVE_INFINITY,
    follow: false,
  });
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

/*
 * Follows a file of lines that another process appends to, or replaces with a shorter file.
 */

export interface TailNews {
  /** True if the file was replaced or truncated. Lines returned earlier are then invalid. */
  readonly restarted: boolean;
  /** Complete lines, without line ends; undefined for a line that is too long for a log. */
  readonly lines: readonly (string | undefined)[];
  /** True if more can be read immediately. */
  readonly more: boolean;
}

/** A link could lead anywhere, and opening a pipe would block. (Windows has neither flag.) */
const READING = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
const TAIL_CHUNK_BYTES = 1 << 20;
/**
 * Bytes to compare before the offset. A line of a log ends with its number and fields, so no two
 * lines end in the same 64 bytes.
 */
const ANCHOR_BYTES = 64;

/**
 * Reads from an offset, one chunk per call. Keeps the file open between calls, so that its inode
 * number is not reused: another number under the same name means another file. Detects a truncated
 * file by the bytes before the offset. Reads an incomplete line at the end again until it is
 * complete.
 */
export class LineTail {
  private opened: { readonly file: number; readonly dev: bigint; readonly ino: bigint } | undefined;
  /** End of the lines returned so far, in bytes. */
  private offset = 0;
  /** True inside a line that is too long, while searching for its end. */
  private isSkipping = false;
  private anchor: Buffer = Buffer.alloc(0);

  constructor(private readonly path: string) {}

  /**
   * Reads lines added since the last call. A file that is missing, or is not regular, has no lines.
   * Throws other system errors.
   */
  read(): TailNews {
    const before = this.offset;
    if (!this.isSame()) this.reopen();
    if (this.opened === undefined) return { restarted: before > 0, lines: [], more: false };
    const { file } = this.opened;
    if (!this.isContinued(file)) this.rewind();
    const restarted = before > 0 && this.offset === 0;
    const { size } = fstatSync(file);
    const lines = this.linesUpTo(file, size);
    return { restarted, lines, more: (lines.length > 0 || this.isSkipping) && this.offset < size };
  }

  close(): void {
    if (this.opened !== undefined) closeSync(this.opened.file);
    this.opened = undefined;
  }

  private isSame(): boolean {
    if (this.opened === undefined) return false;
    const found = lstatSync(this.path, { bigint: true, throwIfNoEntry: false });
    return found?.dev === this.opened.dev && found.ino === this.opened.ino;
  }

  private reopen(): void {
    this.close();
    this.rewind();
    const file = openIfThere(this.path);
    if (file === undefined) return;
    const info = fstatSync(file, { bigint: true });
    if (info.isFile()) this.opened = { file, dev: info.dev, ino: info.ino };
    else closeSync(file);
  }

  private rewind(): void {
    this.offset = 0;
    this.isSkipping = false;
    this.anchor = Buffer.alloc(0);
  }

  /** True if the bytes before the offset are unchanged. */
  private isContinued(file: number): boolean {
    const { length } = this.anchor;
    return readAt(file, this.offset - length, length).equals(this.anchor);
  }

  private linesUpTo(file: number, size: number): (string | undefined)[] {
    for (let length = TAIL_CHUNK_BYTES; ; length *= 4) {
      const bytes = readAt(file, this.offset, Math.min(length, size - this.offset));
      if (this.isSkipping) {
        const first = bytes.indexOf(NEWLINE) + 1;
        this.isSkipping = first === 0;
        this.advance(this.isSkipping ? bytes : bytes.subarray(0, first));
        return this.isSkipping ? [] : [undefined];
      }
      const end = bytes.lastIndexOf(NEWLINE) + 1;
      if (end > 0) {
        this.advance(bytes.subarray(0, end));
        return bytes.toString('utf8', 0, end - 1).split('\n');
      }
      if (bytes.length > MAX_LINE_BYTES) {
        this.isSkipping = true;
        this.advance(bytes);
        return [];
      }
      if (bytes.length < length) return [];
    }
  }

  private advance(told: Buffer): void {
    this.offset += told.length;
    // copied, since a view would keep the whole chunk in memory
    this.anchor = Buffer.from(told.subarray(-ANCHOR_BYTES));
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, READING);
  } catch (error) {
    const code = codeOf(error);
    // ELOOP: a link, which O_NOFOLLOW does not follow; ENXIO: a socket
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP' || code === 'ENXIO') return undefined;
    throw error;
  }
}

/** Reads `length` bytes, or fewer at the end of the file. */
function readAt(file: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(Math.max(0, length));
  let done = 0;
  while (done < bytes.length) {
    const read = readSync(file, bytes, done, bytes.length - done, position + done);
    if (read === 0) break;
    done += read;
  }
  return bytes.subarray(0, done);
}
