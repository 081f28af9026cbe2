/** Reading a whole data file, with a bound on its size, and its digest. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { damagedError, UserError, usageError } from '../errors.js';
import { MAX_BYTES } from './limits.js';

export interface SourceFile {
  /** The path as it was given. */
  readonly name: string;
  readonly bytes: Buffer;
  /** SHA-256 of `bytes`, lower-case hex. */
  readonly sha256: string;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the path is too long',
  EIO: 'the disk reports an input/output error',
  ERR_INVALID_ARG_VALUE: 'the path holds a NUL character',
};

/**
 * Reads the file at `path`.
 * @throws UserError exit 2 where it cannot be read, is no regular file, or is larger than `maxBytes`.
 */
export async function readSource(path: string, maxBytes = MAX_BYTES): Promise<SourceFile> {
  try {
    const info = await stat(path);
    if (!info.isFile()) {
      throw unreadable(path, info.isDirectory() ? 'it is a directory' : 'it is not a regular file');
    }
    if (info.size > maxBytes) {
      throw usageError({
        code: 'data/too-large',
        message: 'the file is too large',
        file: path,
        expected: `at most ${maxBytes} bytes`,
        got: `${info.size} bytes`,
      });
    }
    const bytes = await readFile(path);
    return { name: path, bytes, sha256: sha256(bytes) };
  } catch (error) {
    if (error instanceof UserError) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw unreadable(path, REASONS[code] ?? `the system reports ${code}`);
  }
}

/** SHA-256 over the parts one after another, lower-case hex. */
export function sha256(...parts: readonly NodeJS.ArrayBufferView[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/**
 * The content of a gzip file; any other file is returned as it is.
 * @throws UserError exit 5 where the stream is damaged or expands to more than `maxBytes`.
 */
export function decompressed(bytes: Buffer, file: string, maxBytes = MAX_BYTES): Buffer {
  if (bytes.length < 2 || bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    if (error instanceof RangeError) {
      throw damagedError({
        code: 'data/too-large',
        message: 'the gzip file expands to too much data',
        file,
        expected: `at most ${maxBytes} bytes`,
      });
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw damagedError({ code: 'data/gzip', message: `the gzip stream is damaged (${reason})`, file });
  }
}

function unreadable(path: string, reason: string): UserError {
  return usageError({ code: 'data/unreadable', message: `cannot read the file: ${reason}`, file: path });
}
