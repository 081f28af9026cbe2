/** Writes whole chunks, and turns system errors about a file into messages that name it. */
import { writeSync } from 'node:fs';
import { EXIT, UserError } from '../util/errors.js';
import { isPathError, systemReason } from '../util/system-errors.js';

/** Meaning of these codes when a file is written. */
const OF_A_FILE: Readonly<Record<string, string>> = {
  ENOENT: 'its directory no longer exists',
  EISDIR: 'a directory with that name exists',
  ELOOP: 'a symbolic link with that name exists, which cellrun does not follow',
};

/** Runs `action` on `file`. Errors other than system errors are rethrown unchanged. */
export function withFileErrors<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw fileError(file, error);
  }
}

/**
 * Runs `action`, which writes to a path that the user named. If that path cannot be written to, the
 * error of `withFileErrors` gets exit 2 instead of exit 1.
 */
export function atNamedPlace<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof UserError && isPathError(error.cause))) throw error;
    throw new UserError(EXIT.usage, error.diagnostics, { cause: error.cause });
  }
}

/**
 * Cleans up after an error, which is the one to report. System errors in `action` are ignored;
 * other errors are defects and are thrown.
 */
export function tidyUp(action: () => void): void {
  try {
    action();
  } catch (error) {
    const refused = error instanceof UserError ? error.cause : error;
    if (!isSystemError(refused)) throw error;
  }
}

function isSystemError(error: unknown): error is Error & { readonly code: unknown } {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}

function fileError(file: string, error: unknown): unknown {
  if (!isSystemError(error)) return error;
  const message = `the file cannot be written: ${systemReason(error, OF_A_FILE) ?? error.message}`;
  return new UserError(EXIT.unexpected, [{ code: 'file/unwritable', message, file }], { cause: error });
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
