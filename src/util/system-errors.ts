/** Describes errors of the operating system and of Node's file functions. */
import { readlinkSync } from 'node:fs';

export const MISSING_FILE = 'the file does not exist';

/** Codes with the same meaning in every operation. */
const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is exhausted',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a component of the path is a file',
  ENAMETOOLONG: 'the path is too long',
  EIO: 'the disk reported an error',
  EFBIG: 'the file is too large for the file system',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files',
  ESTALE: 'the network file system lost the file (stale handle)',
  ENODEV: 'the disk is not available',
};

/** Codes with another meaning when a file is written or a folder created. */
const READING: Readonly<Record<string, string>> = {
  ENOENT: MISSING_FILE,
  EISDIR: 'this is a directory, not a file',
  ELOOP: 'too many symbolic links in the path',
  ERR_FS_FILE_TOO_LARGE: 'the file is larger than 2 GiB',
  ERR_INVALID_ARG_VALUE: 'the path contains a NUL character',
};

/** Errors that only another path can avoid; all others depend on the state of the machine. */
const OF_THE_PATH: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'ENAMETOOLONG']);

const OF_A_FULL_DISK: readonly string[] = ['ENOSPC', 'EDQUOT'];

export const FULL_DISK_REASONS: readonly string[] = OF_A_FULL_DISK.map(code => REASONS[code]);

/** The error's `code`, such as `ENOENT`; undefined if it has none. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** @param own reasons of codes that have another meaning in the failed operation */
export function systemReason(error: unknown, own: Readonly<Record<string, string>> = {}): string | undefined {
  const code = codeOf(error) ?? '';
  return own[code] ?? REASONS[code];
}

/** Like `systemReason`, for an error of reading the file at `path`. */
export function readingReason(error: unknown, path: string): string | undefined {
  const target = codeOf(error) === 'ENOENT' ? linkTarget(path) : undefined;
  return target === undefined ? systemReason(error, READING) : `the symbolic link to ${target} leads nowhere`;
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** Whether the path itself cannot be used, so that a retry is useless. */
export function isPathError(error: unknown): boolean {
  return OF_THE_PATH.has(codeOf(error) ?? '');
}

export function isDiskFull(error: unknown): boolean {
  return OF_A_FULL_DISK.includes(codeOf(error) ?? '');
}
