/**
 * A file of whole lines: what a failed write leaves of a line is taken back, so that no later line
 * runs into it.
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
 * A link in the place of a log could lead anywhere. (Windows has no such flag, and no links without
 * special rights.)
 */
const APPENDING = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0);

export class LogFile {
  /** Whether a part of a line may stand after the whole ones. */
  private torn = false;

  private constructor(
    private readonly path: string,
    private file: number,
    /** Bytes of the whole lines. */
    private size: number,
  ) {}

  /**
   * Opens `path` for appending, creating it.
   * @throws UserError (exit 1) if the system refuses, or where it is a link
   */
  static open(path: string): LogFile {
    return withFileErrors(path, () => {
      const file = openSync(path, APPENDING, 0o644);
      return new LogFile(path, file, fstatSync(file).size);
    });
  }

  /**
   * Appends `line` before it returns. A file that was removed meanwhile is put back first, with all
   * that was in it; returns whether it was. Exit 1 as well where another file has taken its place:
   * what is written here would be lost.
   * @throws UserError (exit 1) if that fails; the file is then what it was before, or will be
   *   before the next
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
        // else the next write does it
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

  /** As long as it is open, its content is still on the disk. */
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
   * Brings to the disk what the system still holds back.
   * @throws UserError (exit 1) if it refuses
   */
  flush(): void {
    withFileErrors(this.path, () => fsyncSync(this.file));
  }

  close(): void {
    closeSync(this.file);
  }

  /**
   * A pipe or a device has no size to go back to; the failed write is what its reader is told of.
   */
  private takeBack(): void {
    if (fstatSync(this.file).isFile()) ftruncateSync(this.file, this.size);
    this.torn = false;
  }
}
