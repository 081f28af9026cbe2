/** Files of lines: one writer, and one reader of whole and of growing files. */
import { fs } from '../host/index.js';
import { EXIT, UserError } from '../util/errors.js';
import { tidyUp, withFileErrors, writeWhole } from '../util/system-errors.js';
import { type OpenedFile, readAt, withFile } from './files.js';
import { leadsTo, refuseUnlessOwned } from './lock.js';

/** A link could lead anywhere, and opening a pipe would block. (Windows has neither flag.) */
const SAFELY = (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0);
const APPENDING =
  fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_APPEND | (fs.constants.O_NOFOLLOW ?? 0);

/** A file to append to. Its methods throw UserError (exit 1) if the system refuses. */
export function openLines(path: string) {
  const file = withFileErrors(path, () => fs.openSync(path, APPENDING, 0o644));
  /** Where a write failed in the middle of a line. */
  let tornAt: number | undefined;
  return {
    write(line: string): void {
      refuseUnlessOwned(path);
      withFileErrors(path, () => {
        // what is written to a removed file is lost
        if (!leadsTo(path, file))
          throw new UserError(EXIT.unexpected, [
            {
              code: 'log/gone',
              message: 'this file was removed or replaced while it was written to',
              file: path,
              expected: 'the file, restored from a copy',
            },
          ]);
        if (tornAt !== undefined) fs.ftruncateSync(file, tornAt);
        tornAt = fs.fstatSync(file).size;
        try {
          writeWhole(file, line);
        } catch (error) {
          // if this fails, the next write does it
          tidyUp(() => fs.ftruncateSync(file, tornAt));
          throw error;
        }
        tornAt = undefined;
      });
    },
    flush: () => withFileErrors(path, () => fs.fsyncSync(file)),
    close: () => fs.closeSync(file),
  };
}

/** Larger chunks use more memory and are not faster, measured with lines of 300 bytes. */
const CHUNK_BYTES = 1 << 16;
const TAIL_CHUNK_BYTES = 1 << 20;
/** Events are far shorter. Longer lines are not from a log. */
const MAX_LINE_BYTES = 4 << 20;
const NEWLINE = 0x0a;

/** A line without its line end; undefined if it is longer than 4 MiB. */
type Line = string | undefined;

/** Splits a file into its complete lines, one chunk per call. */
class Lines {
  /** End of the lines returned so far, in bytes. */
  offset = 0;
  /** True inside a line that is too long, while searching for its end. */
  isSkipping = false;

  constructor(private readonly chunk: number) {}

  next(read: (position: number, length: number) => Buffer): readonly Line[] {
    for (let length = this.chunk; ; length *= 4) {
      const bytes = read(this.offset, length);
      const end = (this.isSkipping ? bytes.indexOf(NEWLINE) : bytes.lastIndexOf(NEWLINE)) + 1;
      if (end > 0) {
        this.offset += end;
        const isTooLong = this.isSkipping;
        this.isSkipping = false;
        return isTooLong ? [undefined] : bytes.toString('utf8', 0, end - 1).split('\n');
      }
      if (this.isSkipping || bytes.length >= MAX_LINE_BYTES) {
        this.isSkipping = true;
        this.offset += bytes.length;
        return [];
      }
      if (bytes.length < length) return [];
    }
  }
}

/**
 * Calls `visit` with each complete line. Returns true if an incomplete line follows, as a killed
 * process may leave it. Throws what `withFile` throws.
 */
export function eachLine(path: string, visit: (text: Line, line: number) => void): boolean {
  const read = (file: OpenedFile): boolean => {
    const lines = new Lines(CHUNK_BYTES);
    let line = 0;
    for (let before = -1; lines.offset > before; ) {
      before = lines.offset;
      for (const text of lines.next(file.read)) {
        line += 1;
        visit(text, line);
      }
    }
    return lines.isSkipping || lines.offset < file.bytes;
  };
  return withFile(path, read, { maxBytes: Number.POSITIVE_INFINITY, follow: false });
}

/**
 * Follows a file of lines that another process appends to, or replaces with a shorter file. Keeps
 * it open between calls, so that its inode number is not reused: another number under the same name
 * means another file.
 */
export class LineTail {
  private file: number | undefined;
  private lines = new Lines(TAIL_CHUNK_BYTES);

  constructor(private readonly path: string) {}

  /**
   * Reads the next lines. `restarted`: the file was replaced or truncated, so lines returned
   * earlier are invalid; `more`: more can be read immediately.
   */
  read(): { restarted: boolean; lines: readonly Line[]; more: boolean } {
    const before = this.lines.offset;
    if (this.file === undefined || !leadsTo(this.path, this.file)) this.reopen();
    const { file } = this;
    if (file === undefined) return { restarted: before > 0, lines: [], more: false };
    const { size } = fs.fstatSync(file);
    if (size < this.lines.offset) this.lines = new Lines(TAIL_CHUNK_BYTES);
    const restarted = before > 0 && this.lines.offset === 0;
    const lines = this.lines.next((position, length) => readAt(file, position, length));
    const more = (lines.length > 0 || this.lines.isSkipping) && this.lines.offset < size;
    return { restarted, lines, more };
  }

  close(): void {
    if (this.file !== undefined) fs.closeSync(this.file);
    this.file = undefined;
  }

  private reopen(): void {
    this.close();
    this.lines = new Lines(TAIL_CHUNK_BYTES);
    const isFile = fs.lstatSync(this.path, { throwIfNoEntry: false })?.isFile() === true;
    if (isFile) this.file = fs.openSync(this.path, fs.constants.O_RDONLY | SAFELY);
  }
}
