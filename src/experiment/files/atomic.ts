/**
 * Files that are whole or absent: written under a temporary name in the same folder, flushed to the
 * disk, then renamed. Whoever reads the final name never sees half of it, whatever instant the
 * process or the machine stopped at.
 */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { refuseUnlessOwned } from '../locks/ownership.js';
import { tidyUp, withFileErrors } from './file-error.js';

/**
 * How a temporary file begins; readers of a folder skip such names, and a crash may leave one
 * behind.
 */
export const TEMPORARY_PREFIX = '.tmp-';

/**
 * Writes `chunks` one after the other to `path`, replacing what was there in one step. Throws exit
 * 1 where the system refuses.
 */
export function writeAtomic(path: string, chunks: readonly (Uint8Array | string)[]): void {
  const file = AtomicFile.create(path);
  try {
    for (const chunk of chunks) file.write(chunk);
  } catch (error) {
    file.discard();
    throw error;
  }
  file.commit();
}

/**
 * A file that is written piece by piece and appears under its name all at once. Its methods throw
 * exit 1 where the system refuses.
 */
export class AtomicFile {
  private isOpen = true;

  private constructor(
    private readonly path: string,
    private readonly temporary: string,
    private readonly file: number,
  ) {}

  /**
   * Until it is committed, the file is named after `path` and this process; `alias` stands for the
   * former where that name would mislead.
   */
  static create(path: string, alias: string = basename(path)): AtomicFile {
    const temporary = join(dirname(path), `${TEMPORARY_PREFIX}${process.pid}-${alias}`);
    refuseUnlessOwned(path);
    return withFileErrors(path, () => {
      // left by a process of the same number, or a link that somebody put there, which is not to be
      // followed
      rmSync(temporary, { force: true });
      return new AtomicFile(path, temporary, openSync(temporary, 'wx', 0o644));
    });
  }

  write(chunk: Uint8Array | string): void {
    withFileErrors(this.path, () => writeWhole(this.file, chunk));
  }

  /** Brings the file to the disk and under its name. Where that fails, nothing is left of it. */
  commit(): void {
    withFileErrors(this.path, () => {
      try {
        try {
          fsyncSync(this.file);
        } finally {
          this.close();
        }
        refuseUnlessOwned(this.path);
        renameSync(this.temporary, this.path);
      } catch (error) {
        this.remove();
        throw error;
      }
      flushFolder(dirname(this.path));
    });
  }

  /** Gives up what was written; nothing where it was committed. */
  discard(): void {
    if (!this.isOpen) return;
    tidyUp(() => this.close());
    this.remove();
  }

  private close(): void {
    // even where closing fails, the number may be another file's from now on
    this.isOpen = false;
    closeSync(this.file);
  }

  private remove(): void {
    tidyUp(() => rmSync(this.temporary, { force: true }));
  }
}

/** `value` as indented JSON with a closing newline, atomically. */
export function writeJsonAtomic(path: string, value: object): void {
  writeAtomic(path, [`${JSON.stringify(value, null, 2)}\n`]);
}

/**
 * Writes a new file through to the disk, though not in one step.
 * @throws UserError (exit 1) if it exists or the system refuses
 */
export function writeFlushed(path: string, chunks: readonly (Uint8Array | string)[]): void {
  withFileErrors(path, () => {
    writeNew(path, chunks);
    flushFolder(dirname(path));
  });
}

function writeNew(path: string, chunks: readonly (Uint8Array | string)[]): void {
  refuseUnlessOwned(path);
  const file = openSync(path, 'wx', 0o644);
  try {
    try {
      for (const chunk of chunks) writeWhole(file, chunk);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    tidyUp(() => rmSync(path, { force: true }));
    throw error;
  }
}

/**
 * One write call may take only a part (full disks, more than 2 GiB), so the rest is offered again.
 * Gives the bytes written.
 */
export function writeWhole(file: number, chunk: Uint8Array | string): number {
  const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
  let done = 0;
  while (done < bytes.length) {
    const written = writeSync(file, bytes, done);
    if (written === 0) throw Object.assign(new Error('a write took no bytes'), STUCK);
    done += written;
  }
  return done;
}

/** A device that takes nothing without a reason would be offered the same bytes for ever. */
const STUCK = { code: 'EIO', syscall: 'write' };

/**
 * Without this a new name, or the going of one, may be lost with the power. Windows cannot open a
 * folder, and needs no such call.
 */
export function flushFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
