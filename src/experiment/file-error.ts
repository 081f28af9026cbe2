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
  ESTALE: 'the network file system has lost it',
  ENODEV: 'the disk is gone',
};

/** Runs `action` on `file`. What the system refuses meanwhile is thrown as exit 1 with the file; anything else as it is. */
export function naming<T>(file: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw fileError(file, error);
  }
}

function fileError(file: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return error;
  const code = String(error.code);
  const message = `the file cannot be written: ${REASONS[code] ?? error.message}`;
  return new UserError(EXIT.unexpected, [{ code: 'file/unwritable', message, file }], { cause: error });
}
