/**
 * Following a file of lines that another process appends to, and may put a shorter one in the place
 * of.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs';

export interface TailNews {
  /** Whether the lines begin anew: those told before no longer count. */
  readonly restarted: boolean;
  /** Whole lines, without their ends. */
  readonly lines: readonly string[];
  /** Whether more can be read at once. */
  readonly more: boolean;
}

/** A link could lead anywhere, and a pipe would keep us waiting. (Windows has neither flag.) */
const READING = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
const CHUNK_BYTES = 1 << 20;
/** As for `readLog`: what is longer is no log, and is told of as an empty line. */
const MAX_LINE_BYTES = 16 << 20;
/**
 * A line of a log ends with its number and its fields, so that so much of its end is not that of
 * another one.
 */
const ANCHOR_BYTES = 64;
const NEWLINE = 0x0a;

/**
 * Reads by offset, a piece at each call. The file stays open between calls, so that the system
 * gives its number to no other: a file of another number under the same name is another one. One
 * that was cut short in its place is told by its size, or by what stands before the offset. The
 * part of a line at the end is read again until it is whole.
 */
export class LineTail {
  private opened: { readonly file: number; readonly dev: bigint; readonly ino: bigint } | undefined;
  /** Bytes of the lines told. */
  private offset = 0;
  /** The last bytes before the offset. */
  private anchor: Buffer = Buffer.alloc(0);

  constructor(private readonly path: string) {}

  /**
   * What has come since the last call. A file that is not there, or is no regular one, has no
   * lines. Throws what the system refuses else.
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
    return { restarted, lines, more: lines.length > 0 && this.offset < size };
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
    this.anchor = Buffer.alloc(0);
  }

  /** Whether what was told still stands before the offset. */
  private isContinued(file: number): boolean {
    const { length } = this.anchor;
    return readAt(file, this.offset - length, length).equals(this.anchor);
  }

  private linesUpTo(file: number, size: number): string[] {
    for (let length = CHUNK_BYTES; ; length *= 4) {
      const bytes = readAt(file, this.offset, Math.min(length, size - this.offset));
      const end = bytes.lastIndexOf(NEWLINE) + 1;
      if (end > 0) {
        this.advance(bytes.subarray(0, end));
        return bytes.toString('utf8', 0, end - 1).split('\n');
      }
      if (bytes.length < length) return [];
      if (length > MAX_LINE_BYTES) {
        this.advance(bytes);
        return [''];
      }
    }
  }

  private advance(told: Buffer): void {
    this.offset += told.length;
    // a copy: a part of the piece would keep all of it in memory
    this.anchor = Buffer.from(told.subarray(-ANCHOR_BYTES));
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, READING);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    // ELOOP: a link, which O_NOFOLLOW does not follow; ENXIO: a socket
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP' || code === 'ENXIO') return undefined;
    throw error;
  }
}

/** Fewer where the file ends. */
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
