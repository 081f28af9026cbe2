/** Reads whole data files, with a size limit, and computes their digests. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, read as readCallback, readFileSync, statSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { type Diagnostic, damagedError, EXIT, UserError, usageError } from '../../util/errors.js';
import { nearestFile } from '../../util/nearest.js';
import { codeOf, MISSING_FILE, readingReason } from '../../util/system-errors.js';
import { defaultMemory, expansionLimit, MAX_BYTES } from './limits.js';

export interface SourceFile {
  /** The path as given. */
  readonly name: string;
  readonly bytes: Buffer;
  /** SHA-256 of `bytes`, lower-case hex. */
  readonly sha256: string;
}

const read = promisify(readCallback);

/** Maximum number of bytes that operating systems read at once. */
const MAX_REQUEST = 2 ** 30;

/** Reads the file at `path`. */
export async function readSource(path: string, maxBytes = MAX_BYTES): Promise<SourceFile> {
  try {
    const info = statSync(path);
    if (!info.isFile()) {
      throw unreadable(
        path,
        info.isDirectory() ? 'this is a directory, not a file' : 'this is not a regular file',
      );
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
    const bytes = await readWhole(path, info.size);
    return { name: path, bytes, sha256: sha256(bytes) };
  } catch (error) {
    throw unreadableFile(path, error);
  }
}

/**
 * Reads in one request to Node's thread pool, so that this thread can work meanwhile: `readFile`
 * returns to it after every 512 KiB.
 */
async function readWhole(path: string, size: number): Promise<Buffer> {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.allocUnsafeSlow(size);
    let at = 0;
    while (at < size) {
      const { bytesRead } = await read(file, bytes, at, Math.min(size - at, MAX_REQUEST), null);
      if (bytesRead === 0) return bytes.subarray(0, at);
      at += bytesRead;
    }
    // some files have no known size, and others grow
    const rest = readFileSync(file);
    return rest.length === 0 ? bytes : Buffer.concat([bytes, rest]);
  } finally {
    closeSync(file);
  }
}

/** Reads the file at `path`, decompressed if it is gzip. The digest is that of the file itself. */
export async function readContent(path: string, maxBytes = MAX_BYTES): Promise<SourceFile> {
  const source = await readSource(path, maxBytes);
  return { ...source, bytes: decompressed(source.bytes, path, Math.min(maxBytes, expansionLimit())) };
}

/**
 * Converts an error of reading `path`, of the system or of a program's stream, to a `UserError`
 * (exit 2) with that cause; returns a `UserError` unchanged.
 */
export function unreadableFile(path: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  return unreadable(path, readingReason(error, path) ?? reasonOf(error), error);
}

/** SHA-256 over the concatenated parts, lower-case hex. */
export function sha256(...parts: readonly NodeJS.ArrayBufferView[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/** Returns the content of a gzip file; any other file unchanged. */
export function decompressed(bytes: Buffer, file: string, maxBytes = expansionLimit()): Buffer {
  if (!isGzip(bytes)) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    if (error instanceof RangeError) {
      throw damagedError({
        code: 'data/too-large',
        message: 'the gzip file expands to too much data',
        file,
        expected: `at most ${maxBytes} bytes`,
        got: `more than that from ${bytes.length} bytes`,
      });
    }
    throw damagedGzip(file, error);
  }
}

export function isGzip(bytes: Buffer): boolean {
  return bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** The error (exit 5) of a gzip stream. */
export function damagedGzip(file: string, error: unknown): UserError {
  const reason = error instanceof Error ? error.message : String(error);
  const isCut = codeOf(error) === 'Z_BUF_ERROR';
  const message = isCut ? 'the gzip stream ends too early' : `the gzip stream is damaged (${reason})`;
  return damagedError({ code: 'data/gzip', message, file });
}

function reasonOf(error: unknown): string {
  return (error instanceof Error && error.message) || `the system reported ${codeOf(error) ?? String(error)}`;
}

function unreadable(path: string, reason: string, cause?: unknown): UserError {
  const isMissing = reason === MISSING_FILE;
  const suggestion = isMissing ? nearestFile(path) : undefined;
  const diagnostic: Diagnostic = {
    code: 'data/unreadable',
    message: isMissing ? reason : `cannot read the file: ${reason}`,
    file: path,
    ...(suggestion !== undefined && { suggestion }),
  };
  return new UserError(EXIT.usage, [diagnostic], { cause });
}

/**
 * True if the files must be read from disk: their total exceeds the configured `memory` (in MiB),
 * or one exceeds `maxBytes`. False if any of them is gzip.
 */
export async function staysOnDisk(
  paths: readonly string[],
  { memory = defaultMemory() }: { readonly memory?: number },
  maxBytes: number,
): Promise<boolean> {
  const files = (await Promise.all(paths.map(sizeOf))).filter(file => file !== undefined);
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const isLarge = total > memory * 2 ** 20 || files.some(({ size }) => size > maxBytes);
  return isLarge && !files.some(({ isCompressed }) => isCompressed);
}

/** Undefined for a missing or unreadable file, which the reader reports. */
async function sizeOf(path: string): Promise<{ size: number; isCompressed: boolean } | undefined> {
  const info = await stat(path).catch(() => undefined);
  const file = info?.isFile() ? await open(path).catch(() => undefined) : undefined;
  if (!info || !file) return undefined;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return { size: info.size, isCompressed: isGzip(buffer.subarray(0, bytesRead)) };
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}
