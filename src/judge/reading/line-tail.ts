/**
 * Follows a file of lines that another process appends to, or replaces with a shorter file.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs';
import { codeOf } from '../../util/system-errors.js';
import { MAX_LINE_BYTES } from './log-reader.js';

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
const CHUNK_BYTES = 1 << 20;
/**
 * Bytes to compare before the offset. A line of a log ends with its number and fields, so no two
 * lines end in the same 64 bytes.
 */
const ANCHOR_BYTES = 64;
const NEWLINE = 0x0a;

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
  /** The last bytes before the offset. */
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
    for (let length = CHUNK_BYTES; ; length *= 4) {
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
