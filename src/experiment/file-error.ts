/** What the system refuses about a file of a run, as a message that names the file. */
import { EXIT, UserError } from '../errors.js';

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  EIO: 'the disk reports an error',
  EFBIG: 'the file is too large for the file system',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files',
  ENOENT: 'the folder that it stands in is gone',
  ENOTDIR: 'a part of the path is a file',
  EISDIR: 'there is a folder of that name',
  ELOOP: 'there is a link of that name, which is not followed',
  ESTALE: 'the network file system has lost it',
  ENODEV: 'the disk is gone',
};

/** What is said where there is no room to write. */
export const NO_SPACE: readonly string[] = [REASONS.ENOSPC, REASONS.EDQUOT];

/** Runs `action` on `file`. What the system refuses meanwhile is thrown as exit 1 with the file; anything else as it is. */
export function naming<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw fileError(file, error);
  }
}

/**
 * Tidies up where something has gone wrong already, which is what will be said. What the system refuses of that is left as it is, for
 * whoever comes next to deal with; anything else is a defect and comes out.
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
  const code = String(error.code);
  const message = `the file cannot be written: ${REASONS[code] ?? error.message}`;
  return new UserError(EXIT.unexpected, [{ code: 'file/unwritable', message, file }], { cause: error });
}
