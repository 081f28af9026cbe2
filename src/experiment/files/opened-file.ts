/**
 * Reading parts of a file whose size is not to be trusted to fit into memory, nor its name to be
 * that of a file.
 */
import { constants as buffers } from 'node:buffer';
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, statSync } from 'node:fs';
import { UserError, usageError } from '../../util/errors.js';
import { unreadable } from './unreadable.js';

export interface OpenedFile {
  /** Its length. */
  readonly bytes: number;
  /** `length` bytes from `position` on; fewer where the file ends. */
  read(position: number, length: number): Buffer;
}

/** What Node's own reading of a whole file takes; weights of ours are far smaller. */
const MAX_BYTES = 2 ** 31;

export interface Opening {
  /** Who reads piece by piece may take more than 2 GiB. */
  readonly maxBytes?: number;
  /** False for a run's own files: a link in the place of one could show anything of the machine. */
  readonly follow?: boolean;
}

/** Longer texts are no string of V8's. */
const MAX_TEXT_BYTES = buffers.MAX_STRING_LENGTH;

/**
 * The text of the file at `path`. Throws as {@link withFile} does, and exit 2 if it is longer than
 * a string can be.
 */
export function readText(path: string, opening: Opening = {}): string {
  const read = (file: OpenedFile): string => file.read(0, file.bytes).toString('utf8');
  return withFile(path, read, { maxBytes: MAX_TEXT_BYTES, ...opening });
}

/** Windows has no such flag, and no links without special rights. */
const WITHOUT_LINKS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0);

/**
 * Runs `use` on the file at `path`, opened.
 * @throws UserError (exit 2) if it cannot be read, is no regular file, a link that is not to be
 *   followed or larger than `maxBytes`
 * @throws UserError (exit 5) if the disk cannot give its bytes; whatever else `use` throws
 */
export function withFile<T>(
  path: string,
  use: (file: OpenedFile) => T,
  { maxBytes = MAX_BYTES, follow = true }: Opening = {},
): T {
  try {
    // asked before opening: a pipe that nobody writes to would keep us waiting for ever
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
