/** A file of whole lines: what a failed write leaves of a line is taken back, so that no later line runs into it. */
import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, openSync } from 'node:fs';
import { writeWhole } from './atomic.js';
import { naming, tidyUp } from './file-error.js';
import { refuseUnlessOwned } from './ownership.js';

/** A link in the place of a log could lead anywhere. (Windows has no such flag, and no links without special rights.) */
const APPENDING = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | (constants.O_NOFOLLOW ?? 0);

export class LogFile {
  /** Whether a part of a line may stand after the whole ones. */
  private torn = false;

  private constructor(
    private readonly path: string,
    private readonly file: number,
    /** Bytes of the whole lines. */
    private size: number,
  ) {}

  /** Opens `path` for appending, creating it. Throws exit 1 where the system refuses, or where it is a link. */
  static open(path: string): LogFile {
    return naming(path, () => {
      const file = openSync(path, APPENDING, 0o644);
      return new LogFile(path, file, fstatSync(file).size);
    });
  }

  /** Appends `line` before it returns. Throws exit 1 where that fails; the file is then what it was before, or will be before the next. */
  write(line: string): void {
    refuseUnlessOwned(this.path);
    naming(this.path, () => {
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
    });
  }

  /** Brings to the disk what the system still holds back. Throws exit 1 where it refuses. */
  flush(): void {
    naming(this.path, () => fsyncSync(this.file));
  }

  close(): void {
    closeSync(this.file);
  }

  /** A pipe or a device has no size to go back to; the failed write is what its reader is told of. */
  private takeBack(): void {
    if (fstatSync(this.file).isFile()) ftruncateSync(this.file, this.size);
    this.torn = false;
  }
}
