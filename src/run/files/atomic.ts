/**
 * Files that are whole or absent: written under a temporary name in the same folder, flushed to
 * disk, then renamed. A reader of the final name never sees a partial file, whenever the process or
 * the machine stops.
 */
import { randomInt } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { refuseUnlessOwned } from '../locks/ownership.js';
import { tidyUp, withFileErrors } from './file-error.js';

/** Prefix of temporary files. Readers of a folder skip them; a crash may leave one behind. */
export const TEMPORARY_PREFIX = '.tmp-';

/**
 * Not the process id: containers that share a folder number their processes alike, and each would
 * rename what the other is still writing.
 */
const THIS_PROCESS = randomInt(2 ** 47);

/**
 * Writes `chunks` to `path` and atomically replaces an existing file.
 * @throws UserError (exit 1) if the file cannot be written
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
 * A file that is written piece by piece and appears under its name only when committed. Its methods
 * throw UserError (exit 1) if the file cannot be written.
 */
export class AtomicFile {
  private isOpen = true;

  private constructor(
    private readonly path: string,
    private readonly temporary: string,
    private readonly file: number,
  ) {}

  /**
   * Creates the temporary file, named after this process and `path`, or after `alias` if that name
   * would be misleading.
   */
  static create(path: string, alias: string = basename(path)): AtomicFile {
    const temporary = join(dirname(path), `${TEMPORARY_PREFIX}${THIS_PROCESS}-${alias}`);
    refuseUnlessOwned(path);
    return withFileErrors(path, () => {
      // left by a write that failed, or a link that must not be followed
      rmSync(temporary, { force: true });
      return new AtomicFile(path, temporary, openSync(temporary, 'wx', 0o644));
    });
  }

  write(chunk: Uint8Array | string): void {
    withFileErrors(this.path, () => writeWhole(this.file, chunk));
  }

  /** Flushes the file to disk and renames it. If this fails, the temporary file is removed. */
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

  /** Removes the temporary file; does nothing after `commit`. */
  discard(): void {
    if (!this.isOpen) return;
    tidyUp(() => this.close());
    this.remove();
  }

  private close(): void {
    // even if closing fails, the file descriptor may be reused from now on
    this.isOpen = false;
    closeSync(this.file);
  }

  private remove(): void {
    tidyUp(() => rmSync(this.temporary, { force: true }));
  }
}

/** Atomically writes `value` as indented JSON with a final newline. */
export function writeJsonAtomic(path: string, value: object): void {
  writeAtomic(path, [`${JSON.stringify(value, null, 2)}\n`]);
}

/**
 * Writes a new file and flushes it to disk, not atomically.
 * @throws UserError (exit 1) if it exists or cannot be written
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
 * Writes all of `chunk` and returns the number of bytes. A single write call may write only a part
 * (full disks, more than 2 GiB), so it is repeated for the rest.
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

/** Thrown if a device accepts no bytes without an error, which would loop forever. */
const STUCK = { code: 'EIO', syscall: 'write' };

/**
 * Flushes a folder to disk: otherwise a power failure may undo a new name or a removal. Windows
 * cannot open folders and does not need this.
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
