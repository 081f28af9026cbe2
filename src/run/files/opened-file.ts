/** Reads parts of a file that may be too large for memory, or that may not be a regular file. */
import { constants as buffers } from 'node:buffer';
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, statSync } from 'node:fs';
import { UserError, usageError } from '../../util/errors.js';
import { unreadable } from './unreadable.js';

export interface OpenedFile {
  /** The file's length. */
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
const MAX_TEXT_BYTES = buffers.MAX_STRING_LENGTH;

/**
 * Reads the text of the file at `path`. Throws like {@link withFile}, and with exit 2 if the file
 * is longer than a string can be.
 */
export function readText(path: string, opening: Opening = {}): string {
  const read = (file: OpenedFile): string => file.read(0, file.bytes).toString('utf8');
  return withFile(path, read, { maxBytes: MAX_TEXT_BYTES, ...opening });
}

/** Windows has no such flag, and needs special rights to create links. */
const WITHOUT_LINKS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0);

/**
 * Opens the file at `path` and runs `use` on it. Errors that `use` throws are rethrown.
 * @throws UserError (exit 2) if it cannot be read, is no regular file, is a link and `follow` is
 *   false, or has `maxBytes` or more
 * @throws UserError (exit 5) if the disk reports a read error
 */
export function withFile<T>(
  path: string,
  use: (file: OpenedFile) => T,
  { maxBytes = MAX_BYTES, follow = true }: Opening = {},
): T {
  try {
    // checked before opening, because opening a pipe without a writer would block forever
    refuseUnlessFile(path, follow ? statSync(path) : lstatSync(path), maxBytes);
    const file = openSync(path, follow ? 'r' : WITHOUT_LINKS);
    try {
      return use(opened(file));
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw isOfSystem(error) ? unreadable(path, error) : error;
  }
}

function refuseUnlessFile(
  path: string,
  info: { isFile(): boolean; isDirectory(): boolean; isSymbolicLink(): boolean; size: number },
  maxBytes: number,
): void {
  const refused = (message: string, expected?: string): UserError =>
    usageError({ code: 'file/unreadable', message, file: path, ...(expected !== undefined && { expected }) });
  if (info.isSymbolicLink())
    throw refused('this is a symbolic link, which cellrun does not follow', 'a copy of the file itself');
  if (info.isDirectory()) throw refused('this is a directory, not a file');
  if (!info.isFile()) throw refused('this is not a regular file');
  if (info.size >= maxBytes) throw refused(`the file is larger than ${Math.ceil(maxBytes / 2 ** 20)} MiB`);
}

function opened(file: number): OpenedFile {
  const { size } = fstatSync(file);
  return { bytes: size, read: (position, length) => readAt(file, position, length) };
}

function readAt(file: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const read = readSync(file, bytes, done, length - done, position + done);
    if (read === 0) break;
    done += read;
  }
  return bytes.subarray(0, done);
}

function isOfSystem(error: unknown): boolean {
  return !(error instanceof UserError) && error instanceof Error && 'code' in error;
}
