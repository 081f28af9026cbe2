/** Describes errors of the operating system and of Node's file functions; writes whole chunks. */
import { fs } from '../host/index.js';
import { EXIT, UserError } from './errors.js';

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

/** @param reasons reasons of codes that have another meaning in the failed operation */
export function systemReason(
  error: unknown,
  reasons: Readonly<Record<string, string>> = {},
): string | undefined {
  const code = codeOf(error) ?? '';
  return reasons[code] ?? REASONS[code];
}

/** Like `systemReason`, for an error of reading the file at `path`. */
export function readingReason(error: unknown, path: string): string | undefined {
  const target = codeOf(error) === 'ENOENT' ? linkTarget(path) : undefined;
  return target === undefined ? systemReason(error, READING) : `the symbolic link to ${target} leads nowhere`;
}

function linkTarget(path: string): string | undefined {
  try {
    return fs.readlinkSync(path);
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
    if (!isSystemError(error)) throw error;
    const message = `the file cannot be written: ${systemReason(error, OF_A_FILE) ?? error.message}`;
    throw new UserError(EXIT.unexpected, [{ code: 'file/unwritable', message, file }], { cause: error });
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

export function isSystemError(error: unknown): error is Error & { readonly code: unknown } {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}

/**
 * Writes all of `chunk` and returns the number of bytes. A single write call may write only a part
 * (full disks, more than 2 GiB), so it is repeated for the rest.
 */
export function writeWhole(file: number, chunk: Uint8Array | string): number {
  const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
  let done = 0;
  while (done < bytes.length) {
    const written = fs.writeSync(file, bytes, done);
    if (written === 0) throw Object.assign(new Error('a write took no bytes'), STUCK);
    done += written;
  }
  return done;
}

/** Thrown if a device accepts no bytes without an error, which would loop forever. */
const STUCK = { code: 'EIO', syscall: 'write' };
