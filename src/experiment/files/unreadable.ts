/** Turns system errors about reading a file into messages that name the file. */
import { lstatSync } from 'node:fs';
import { damagedError, type UserError, usageError } from '../../util/errors.js';
import { nearestFile } from '../../util/nearest.js';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'the file does not exist',
  ENOTDIR: 'a component of the path is a file',
  EISDIR: 'this is a directory, not a file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ELOOP: 'too many symbolic links in the path',
  ENAMETOOLONG: 'the path is too long',
  EMFILE: 'the file cannot be read: too many open files',
  ENFILE: 'the file cannot be read: too many open files',
  EIO: 'the disk reported an error',
  ESTALE: 'the network file system lost the file (stale handle)',
  ENODEV: 'the disk is not available',
  ERR_FS_FILE_TOO_LARGE: 'the file is larger than 2 GiB',
  ERR_INVALID_ARG_VALUE: 'the path contains a NUL character',
};

/**
 * The error to throw if reading `file` failed: exit 5 if the disk reports a read error, else exit
 * 2, because an inaccessible file may still be intact.
 */
export function unreadable(file: string, error: unknown): UserError {
  const code = codeOf(error) ?? 'unknown error';
  if (code === 'EIO' && error instanceof Error && 'syscall' in error && error.syscall === 'read')
    return damagedError({ code: 'file/unreadable', message: 'the disk reported an error', file, offset: 0 });
  const message = REASONS[code] ?? `the file cannot be read (${code})`;
  const suggestion = code === 'ENOENT' ? nearestFile(file) : undefined;
  return usageError({
    code: 'file/unreadable',
    message,
    file,
    ...(suggestion !== undefined && { suggestion }),
  });
}

/**
 * True if `path` does not exist, not even as a broken link.
 * @throws UserError (exit 2) if this cannot be determined: an inaccessible file must not count as
 *   missing
 */
export function isAbsent(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) === undefined;
  } catch (error) {
    throw unreadable(path, error);
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
