/** What the system refuses about a file of a run, as a message that names the file. */
import { EXIT, UserError } from '../../util/errors.js';
import { isOfThePlace, refusal } from './refusals.js';

/** What these mean where a file is to be written. */
const OF_A_FILE: Readonly<Record<string, string>> = {
  ENOENT: 'its directory no longer exists',
  EISDIR: 'a directory with that name exists',
  ELOOP: 'a symbolic link with that name exists, which cellrun does not follow',
};

/**
 * Runs `action` on `file`. What the system refuses meanwhile is thrown as exit 1 with the file;
 * anything else as it is.
 */
export function withFileErrors<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw fileError(file, error);
  }
}

/**
 * Runs `action`, which writes what the user named: where that place cannot be written to, the exit
 * 1 of `withFileErrors` becomes exit 2.
 */
export function atNamedPlace<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof UserError && isOfThePlace(error.cause))) throw error;
    throw new UserError(EXIT.usage, error.diagnostics, { cause: error.cause });
  }
}

/**
 * Tidies up where something has gone wrong already, which is what will be said. What the system
 * refuses of that is left as it is, for whoever comes next to deal with; anything else is a defect
 * and comes out.
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
  const message = `the file cannot be written: ${refusal(error, OF_A_FILE) ?? error.message}`;
  return new UserError(EXIT.unexpected, [{ code: 'file/unwritable', message, file }], { cause: error });
}
