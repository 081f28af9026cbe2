/**
 * A file that is too large for memory: read once from start to end, then by ranges. It must not
 * change. It is opened for each read, unless it is handed over open.
 */

import type { Stats } from 'node:fs';
import { createHash, files, fs } from '../../host/index.js';
import { damagedError, usageError } from '../../util/errors.js';
import { isSystemError } from '../../util/system-errors.js';
import { unreadableFile } from './files.js';

/** Bytes from `from` to `to`, exclusive. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/** Bytes that are read by range, from a file or from memory. */
export interface Bytes {
  /** For messages. */
  readonly name: string;
  readonly size: number;
  /** SHA-256, lower-case hex; empty if it is not known (yet). */
  readonly sha256: string;
  /** Valid until the next call. */
  readNow(range: ByteRange): Buffer;
}

export function memoryBytes(name: string, bytes: Buffer, sha256 = ''): Bytes {
  return { name, size: bytes.length, sha256, readNow: ({ from, to }) => bytes.subarray(from, to) };
}

/** Number of bytes that a scan reads at a time. */
const CHUNK_BYTES = 2 ** 22;
/** Number of bytes to read ahead if ranges are sequential. */
const WINDOW_BYTES = 2 ** 20;
/** Ranges with a gap of at most this size are read as one. */
const GAP_BYTES = 2 ** 12;
/**
 * Milliseconds that `read` may block. A read of a sequence takes about 0.003 ms from the page
 * cache and 0.1 ms from a fast drive.
 */
const BLOCKING_MS = 1;
/** Number of calls of `read` that do not block after one that took longer. */
const CALLS_IN_BACKGROUND = 8;

/** What identifies the content of a file. */
type KnownFile = Pick<Stats, 'dev' | 'ino' | 'size' | 'mtimeMs'>;

/** Closes the files that were handed over once nothing can read them any more. */
const handedOver = new FinalizationRegistry<number>(file => fs.closeSync(file));

export class RangedFile implements Bytes {
  private window: Buffer = Buffer.alloc(0);
  private windowStart = 0;
  private callsInBackground = 0;
  /** Known once the file has been read from start to end. */
  sha256 = '';

  private constructor(
    readonly name: string,
    private readonly known: KnownFile,
    private readonly held?: { readonly file: number },
  ) {}

  /** @param file open from now on, so that the file at `path` may be replaced or deleted */
  static of(path: string, file: number): RangedFile {
    const held = { file };
    handedOver.register(held, file);
    return new RangedFile(path, fs.fstatSync(file), held);
  }

  static async open(path: string): Promise<RangedFile> {
    try {
      const stats = await files.stat(path);
      if (stats.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
      if (!stats.isFile()) {
        const message = 'cannot read the file: this is not a regular file';
        throw usageError('data/unreadable', message, { file: path });
      }
      return new RangedFile(path, stats);
    } catch (error) {
      throw unreadableFile(path, error);
    }
  }

  get size(): number {
    return this.known.size;
  }

  /** Returns another reader of the same file, with its own window. */
  twin(): RangedFile {
    return new RangedFile(this.name, this.known, this.held);
  }

  /** Yields the chunks of the whole file, each valid until the next. */
  async *scan(): AsyncGenerator<Buffer> {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    for (let from = 0; from < this.size; from += CHUNK_BYTES) {
      const piece = buffer.subarray(0, Math.min(CHUNK_BYTES, this.size - from));
      await this.opened(file => this.fillAll(file, [{ piece, from }]));
      hash.update(piece);
      yield piece;
    }
    this.sha256 = hash.digest('hex');
  }

  async read(ranges: readonly ByteRange[]): Promise<Buffer[]> {
    const found = new Array<Buffer>(ranges.length);
    const order = [...ranges.keys()].sort((a, b) => ranges[a].from - ranges[b].from);
    const runs: { from: number; to: number; readonly members: number[] }[] = [];
    for (const i of order) {
      const { from, to } = ranges[i];
      const run = runs.at(-1);
      if (run && from - run.to <= GAP_BYTES) {
        run.to = Math.max(run.to, to);
        run.members.push(i);
      } else runs.push({ from, to, members: [i] });
    }
    const bytes = Buffer.allocUnsafeSlow(runs.reduce((sum, { from, to }) => sum + to - from, 0));
    let used = 0;
    const pieces = runs.map(({ from, to, members }) => {
      const piece = bytes.subarray(used, used + to - from);
      used += piece.length;
      for (const i of members) found[i] = piece.subarray(ranges[i].from - from, ranges[i].to - from);
      return { piece, from };
    });
    await this.opened(file => this.fillAll(file, pieces.slice(this.fillCached(file, pieces))));
    return found;
  }

  /**
   * Reads the bytes of a range synchronously; valid until the next call. Reads ahead if ranges are
   * sequential.
   */
  readNow({ from, to }: ByteRange): Buffer {
    const { window, windowStart } = this;
    const windowEnd = windowStart + window.length;
    if (from < windowStart || to > windowEnd) {
      const follows = from >= windowStart && from <= windowEnd + WINDOW_BYTES;
      const length = follows ? Math.max(to - from, WINDOW_BYTES) : to - from;
      this.window = this.readWindow(from, Math.max(to, Math.min(this.size, from + length)));
      this.windowStart = from;
    }
    return this.window.subarray(from - this.windowStart, to - this.windowStart);
  }

  private readWindow(from: number, to: number): Buffer {
    const bytes =
      this.window.buffer.byteLength >= to - from && this.window.byteOffset === 0
        ? Buffer.from(this.window.buffer, 0, to - from)
        : Buffer.allocUnsafeSlow(to - from);
    try {
      const file = this.held?.file ?? fs.openSync(this.name, 'r');
      try {
        this.checkSame(file);
        for (let done = 0; done < bytes.length; ) {
          const count = fs.readSync(file, bytes, done, bytes.length - done, from + done);
          if (count === 0) throw this.changed();
          done += count;
        }
      } finally {
        if (!this.held) fs.closeSync(file);
      }
    } catch (error) {
      throw unreadableFile(this.name, error);
    }
    return bytes;
  }

  private async opened(use: (file: number) => Promise<void>): Promise<void> {
    try {
      // not with promises: each that waits for a thread costs 0.1 ms beside busy threads
      const file = this.held?.file ?? fs.openSync(this.name, 'r');
      try {
        this.checkSame(file);
        await use(file);
      } finally {
        if (!this.held) fs.closeSync(file);
      }
    } catch (error) {
      throw isSystemError(error) ? unreadableFile(this.name, error) : error;
    }
  }

  /**
   * Reads pieces synchronously, which takes half the processor time if they are in the page cache.
   * Stops after {@link BLOCKING_MS}, since reads from a drive should overlap with computation.
   * @returns how many pieces are complete
   */
  private fillCached(fd: number, pieces: readonly { piece: Buffer; from: number }[]): number {
    if (this.callsInBackground > 0) {
      this.callsInBackground -= 1;
      return 0;
    }
    const began = performance.now();
    for (const [done, { piece, from }] of pieces.entries()) {
      if (performance.now() - began > BLOCKING_MS) {
        this.callsInBackground = CALLS_IN_BACKGROUND;
        return done;
      }
      // fillAll completes a short read, or finds that the file was changed
      if (fs.readSync(fd, piece, 0, piece.length, from) < piece.length) return done;
    }
    return pieces.length;
  }

  /**
   * A promise for each of many small reads would take twice the processor time of these callbacks.
   * Settles when no read is pending, so that the file can be closed.
   */
  private fillAll(fd: number, pieces: readonly { piece: Buffer; from: number }[]): Promise<void> {
    return new Promise((resolve, reject) => {
      let pending = pieces.length;
      let failed: Error | undefined;
      const end = (error?: Error): void => {
        failed ??= error;
        pending -= 1;
        if (pending > 0) return;
        if (failed) reject(failed);
        else resolve();
      };
      const fill = (piece: Buffer, from: number): void => {
        fs.read(fd, piece, 0, piece.length, from, (error, count) => {
          if (error) end(error);
          else if (count === piece.length) end();
          else if (count === 0) end(this.changed());
          else fill(piece.subarray(count), from + count);
        });
      };
      if (pending === 0) resolve();
      for (const { piece, from } of pieces) {
        if (piece.length === 0) end();
        else fill(piece, from);
      }
    });
  }

  private checkSame(file: number): void {
    const { dev, ino, size, mtimeMs } = fs.fstatSync(file);
    const { known } = this;
    if (dev !== known.dev || ino !== known.ino || size !== known.size || mtimeMs !== known.mtimeMs)
      throw this.changed();
  }

  private changed() {
    const message = 'the file was changed or replaced while it was in use';
    return damagedError('data/file-changed', message, { file: this.name });
  }
}
