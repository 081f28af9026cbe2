/** Turns system errors about a run's file into messages that name the file. */
import { EXIT, UserError } from '../../util/errors.js';
import { isPathError, systemReason } from '../../util/system-errors.js';

/** Meaning of these codes when a file is written. */
const OF_A_FILE: Readonly<Record<string, string>> = {
  ENOENT: 'its directory no longer exists',
  EISDIR: 'a directory with that name exists',
  ELOOP: 'a symbolic link with that name exists, which cellrun does not follow',
};

/**
 * Runs `action` on `file`. Errors other than system errors are rethrown unchanged.
 * @throws UserError (exit 1) naming the file if `action` throws a system error
 */
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
