/** Turns system errors about reading a file into messages that name the file. */
import { lstatSync } from 'node:fs';
import { damagedError, type UserError, usageError } from '../../util/errors.js';
import { nearestFile } from '../../util/nearest.js';
import { codeOf, readingReason } from '../../util/system-errors.js';

/**
 * The error to throw if reading `file` failed: exit 5 if the disk reports a read error, else exit
 * 2, because an inaccessible file may still be intact.
 */
export function unreadable(file: string, error: unknown): UserError {
  const code = codeOf(error) ?? 'unknown error';
  if (code === 'EIO' && error instanceof Error && 'syscall' in error && error.syscall === 'read')
    return damagedError({ code: 'file/unreadable', message: 'the disk reported an error', file, offset: 0 });
  const message = readingReason(error, file) ?? `the file cannot be read (${code})`;
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
