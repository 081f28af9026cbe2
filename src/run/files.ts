/**
 * Files of runs: written whole or not at all, read in parts, with system errors that name the file.
 */

import { basename, bufferLimits, createHash, dirname, fs, join, randomInt } from '../host/index.js';
import { damagedError, type UserError, usageError } from '../util/errors.js';
import { nearestFile } from '../util/nearest.js';
import {
  codeOf,
  isDiskFull,
  isPathError,
  readingReason,
  systemReason,
  tidyUp,
  withFileErrors,
  writeWhole,
} from '../util/system-errors.js';
import { refuseUnlessOwned } from './lock.js';

/** Prefix of temporary files. Readers of a folder skip them; a crash may leave one behind. */
export const TEMPORARY_PREFIX = '.tmp-';

/**
 * Not the process id: containers that share a folder number their processes alike, and each would
 * rename what the other is still writing.
 */
const THIS_PROCESS = randomInt(2 ** 47);

type Chunk = Uint8Array | string;

/**
 * Writes a file that appears under its name only when it is complete. Until then its name has this
 * process and `alias`. Throws UserError (exit 1) if the file cannot be written.
 */
export function writeAtomic(
  path: string,
  content: readonly Chunk[] | ((write: (chunk: Chunk) => void) => void),
  alias = basename(path),
): void {
  const temporary = join(dirname(path), `${TEMPORARY_PREFIX}${THIS_PROCESS}-${alias}`);
  refuseUnlessOwned(path);
  withFileErrors(path, () => {
    // left by a write that failed, or a link that must not be followed
    fs.rmSync(temporary, { force: true });
    const file = fs.openSync(temporary, 'wx', 0o644);
    try {
      try {
        if (typeof content === 'function') content(chunk => void writeWhole(file, chunk));
        else for (const chunk of content) writeWhole(file, chunk);
        fs.fsyncSync(file);
      } finally {
        fs.closeSync(file);
      }
      refuseUnlessOwned(path);
      fs.renameSync(temporary, path);
    } catch (error) {
      tidyUp(() => fs.rmSync(temporary, { force: true }));
      throw error;
    }
    flushFolder(dirname(path));
  });
}

/** Removes temporary files of killed processes. No other process may be working in `folder`. */
export function removeTemporaryFiles(folder: string): void {
  refuseUnlessOwned(join(folder, TEMPORARY_PREFIX));
  withFileErrors(folder, () => {
    for (const entry of fs.readdirSync(folder, { withFileTypes: true }))
      if (entry.isFile() && entry.name.startsWith(TEMPORARY_PREFIX)) fs.rmSync(join(folder, entry.name));
  });
}

export function writeJsonAtomic(path: string, value: object): void {
  writeAtomic(path, [`${JSON.stringify(value, null, 2)}\n`]);
}

/**
 * Flushes a folder to disk: otherwise a power failure may undo a new name or a removal. Windows
 * cannot open folders and does not need this.
 */
export function flushFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const handle = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}

export interface OpenedFile {
  readonly bytes: number;
  /** Reads `length` bytes from `position`; fewer at the end of the file. */
  read(position: number, length: number): Buffer;
}

/** The limit of Node's own whole-file reads; our weights are far smaller. */
const MAX_BYTES = 2 ** 31;

export interface Opening {
  /** Callers that read in pieces can allow more than 2 GiB. */
  readonly maxBytes?: number;
  /** False for a run's own files: a link there could expose any file of the machine. */
  readonly follow?: boolean;
}

/** V8 has no longer strings. */
const MAX_TEXT_BYTES = bufferLimits.MAX_STRING_LENGTH;

export function readText(path: string, opening: Opening = {}): string {
  const read = (file: OpenedFile): string => file.read(0, file.bytes).toString('utf8');
  return withFile(path, read, { maxBytes: MAX_TEXT_BYTES, ...opening });
}

/** The content of one of a run's own files. Throws what {@link withFile} throws. */
export function readBytes(path: string): Buffer {
  return withFile(path, file => file.read(0, file.bytes), { follow: false });
}

/** Lower-case hex. */
export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

const DIGEST_CHUNK = 1 << 20;

/** SHA-256 (hex) of a file of any size. Throws what {@link withFile} throws. */
export function digestOfFile(path: string): string {
  const hash = createHash('sha256');
  const read = (file: OpenedFile): void => {
    for (let at = 0; at < file.bytes; at += DIGEST_CHUNK)
      hash.update(file.read(at, Math.min(DIGEST_CHUNK, file.bytes - at)));
  };
  withFile(path, read, { maxBytes: Number.POSITIVE_INFINITY, follow: false });
  return hash.digest('hex');
}

/** Windows has no such flag, and needs special rights to create links. */
const WITHOUT_LINKS = fs.constants.O_RDONLY | (fs.constants.O_NOFOLLOW ?? 0);

/** Opens the file at `path` and runs `use` on it. Errors that `use` throws are rethrown. */
export function withFile<T>(
  path: string,
  use: (file: OpenedFile) => T,
  { maxBytes = MAX_BYTES, follow = true }: Opening = {},
): T {
  try {
    // checked before opening, because opening a pipe without a writer would block forever
    refuseUnlessFile(path, follow ? fs.statSync(path) : fs.lstatSync(path), maxBytes);
    const file = fs.openSync(path, follow ? 'r' : WITHOUT_LINKS);
    try {
      const read = (position: number, length: number) => readAt(file, position, length);
      return use({ bytes: fs.fstatSync(file).size, read });
    } finally {
      fs.closeSync(file);
    }
  } catch (error) {
    throw error instanceof Error && 'code' in error ? unreadable(path, error) : error;
  }
}

function refuseUnlessFile(path: string, info: fs.Stats, maxBytes: number): void {
  const refused = (message: string, expected?: string): UserError =>
    usageError('file/unreadable', message, { file: path, expected });
  if (info.isSymbolicLink())
    throw refused('this is a symbolic link, which cellrun does not follow', 'a copy of the file itself');
  if (info.isDirectory()) throw refused('this is a directory, not a file');
  if (!info.isFile()) throw refused('this is not a regular file');
  if (info.size >= maxBytes) throw refused(`the file is larger than ${Math.ceil(maxBytes / 2 ** 20)} MiB`);
}

export function readAt(file: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const read = fs.readSync(file, bytes, done, length - done, position + done);
    if (read === 0) break;
    done += read;
  }
  return bytes.subarray(0, done);
}

/**
 * The error to throw if reading `file` failed: exit 5 if the disk reports a read error, else exit
 * 2, because an inaccessible file may still be intact.
 */
export function unreadable(file: string, error: unknown): UserError {
  const code = codeOf(error) ?? 'unknown error';
  if (code === 'EIO' && error instanceof Error && 'syscall' in error && error.syscall === 'read')
    return damagedError('file/unreadable', 'the disk reported an error', { file, offset: 0 });
  const message = readingReason(error, file) ?? `the file cannot be read (${code})`;
  const suggestion = code === 'ENOENT' ? nearestFile(file) : undefined;
  return usageError('file/unreadable', message, { file, suggestion });
}

/**
 * True if `path` does not exist, not even as a broken link. Throws if this cannot be determined: an
 * inaccessible file must not count as missing.
 */
export function isAbsent(path: string): boolean {
  try {
    return fs.lstatSync(path, { throwIfNoEntry: false }) === undefined;
  } catch (error) {
    throw unreadable(path, error);
  }
}

export function makeFolder(path: string, named: string, what = 'the output directory'): void {
  try {
    makeFolders(path);
  } catch (error) {
    throw outputError(error, named, what);
  }
}

const OF_A_FOLDER: Readonly<Record<string, string>> = {
  EEXIST: 'a file or a broken symbolic link with that name exists',
  ENOENT: 'cannot create a directory here',
  ELOOP: 'too many symbolic links in the path',
  ERR_INVALID_ARG_VALUE: 'the path contains a NUL character',
};

export function outputError(error: unknown, named: string, what = 'the output directory'): unknown {
  const isCommon = isPathError(error) || isDiskFull(error);
  const reason = isCommon ? systemReason(error) : OF_A_FOLDER[codeOf(error) ?? ''];
  if (reason === undefined) return error;
  return usageError('run/output', `${what} cannot be created: ${reason}`, { file: named });
}

/**
 * Creates one folder after the other, from the first missing one. Node's `recursive` loops forever
 * if a file system reports "no such folder" when creating one, as /proc does.
 */
function makeFolders(path: string): void {
  if (!fs.existsSync(dirname(path))) makeFolders(dirname(path));
  try {
    fs.mkdirSync(path);
    // otherwise a power failure may remove the folder and everything flushed in it
    flushFolder(dirname(path));
  } catch (error) {
    // it exists, or another run has just created it
    if (codeOf(error) !== 'EEXIST' || !fs.statSync(path, { throwIfNoEntry: false })?.isDirectory())
      throw error;
  }
}
