/**
 * A file of complete lines: if a write fails, its partial line is removed, so that the next line
 * does not continue it.
 */
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
import { EXIT, UserError } from '../../util/errors.js';
import { writeAtomic, writeWhole } from '../files/atomic.js';
import { tidyUp, withFileErrors } from '../files/file-error.js';
import { refuseUnlessOwned } from '../locks/ownership.js';

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

  /**
   * Opens `path` for appending, creating it.
   * @throws UserError (exit 1) if it cannot be opened or created, or is a link
   */
  static open(path: string): LogFile {
    return withFileErrors(path, () => {
      const file = openSync(path, APPENDING, 0o644);
      return new LogFile(path, file, fstatSync(file).size);
    });
  }

  /**
   * Appends `line` synchronously. If the file was removed, restores it with its content first and
   * returns true.
   * @throws UserError (exit 1) if the write fails (its partial line is removed at once, or before
   *   the next write), or if another file has replaced the log, so that writes would be lost
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

  /**
   * Flushes the file to disk.
   * @throws UserError (exit 1) if this fails
   */
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
