/** A file of whole lines: what a failed write leaves of a line is taken back, so that no later line runs into it. */
import { closeSync, fstatSync, ftruncateSync, openSync } from 'node:fs';
import { writeWhole } from './atomic.js';
import { naming } from './file-error.js';

export class LogFile {
  private constructor(
    private readonly path: string,
    private readonly file: number,
    /** Bytes of the whole lines. */
    private size: number,
  ) {}

  /** Opens `path` for appending, creating it. Throws exit 1 where the system refuses. */
  static open(path: string): LogFile {
    return naming(path, () => {
      const file = openSync(path, 'a', 0o644);
      return new LogFile(path, file, fstatSync(file).size);
    });
  }

  /** Appends `line` before it returns. Throws exit 1 where that fails; the file is then what it was before. */
  write(line: string): void {
    naming(this.path, () => {
      try {
        this.size += writeWhole(this.file, line);
      } catch (error) {
        this.takeBack();
        throw error;
      }
    });
  }

  close(): void {
    closeSync(this.file);
  }

  /** A pipe or a device has no size to go back to; the failed write is what its reader is told of. */
  private takeBack(): void {
    if (fstatSync(this.file).isFile()) ftruncateSync(this.file, this.size);
  }
}
