/** Reads the bytes of an input: a file, a pipe or standard input; raw or gzip. */
import type { Readable } from 'node:stream';
import { files, gunzipChunks, readChunks } from '../../host/index.js';
import { type Diagnostic, damagedError } from '../../util/errors.js';
import { codeOf } from '../../util/system-errors.js';
import {
  damagedGzip,
  isGzip,
  MAX_BYTES,
  MAX_TEXT_BYTES,
  readContent,
  shortNames,
  unreadableFile,
} from './files.js';
import { RangedFile } from './ranged-file.js';

/** The name of standard input in messages. */
export const STDIN_NAME = '<stdin>';

/** The bytes of a file, or of a stream that may never end. */
export interface ByteSource {
  /** Name for messages, as given by the user. */
  readonly name: string;
  /** True for a file, raw or gzip; a stream may never end. */
  readonly isFile: boolean;
  /** Path of the file that has exactly these bytes; absent for a stream and for a gzip file. */
  readonly path?: string;
  readonly chunks: AsyncIterable<Buffer>;
}

/** A source of bytes that have been read. */
export function oneChunk(name: string, bytes: Buffer): ByteSource {
  return { name, isFile: true, chunks: once(bytes) };
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** A file or stream of an input, opened when its turn comes. */
export interface InputSource {
  /** As in {@link ByteSource}. */
  readonly name: string;
  open(): Promise<ByteSource>;
  /** Its file, once it is open, if that is then read by ranges. */
  readonly ranged?: RangedFile | undefined;
}

/** A text file to train on, which is read like an input. */
export class TrainingFile implements InputSource {
  ranged: RangedFile | undefined;
  private digest = '';

  /** @param isOnDisk true if it is too large for memory */
  constructor(
    readonly name: string,
    private readonly isOnDisk = false,
  ) {}

  /** SHA-256 of its bytes, lower-case hex; empty until it has been read. */
  get sha256(): string {
    return this.ranged?.sha256 ?? this.digest;
  }

  async open(): Promise<ByteSource> {
    const { name } = this;
    if (this.isOnDisk) {
      this.ranged = await RangedFile.open(name);
      return { name, isFile: true, chunks: this.ranged.scan() };
    }
    const { bytes, sha256 } = await readContent(name, MAX_TEXT_BYTES);
    this.digest = sha256;
    return oneChunk(name, bytes);
  }
}

/**
 * Reads the file at `path`, which may be a pipe. The errors may also occur while chunks are read.
 */
export async function fileBytes(path: string): Promise<ByteSource> {
  try {
    const info = await files.stat(path);
    if (info.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    return await streamBytes(path, await readChunks(path), info.isFile() ? path : undefined);
  } catch (error) {
    throw unreadableFile(path, error);
  }
}

/** Its chunks are strings if it is a text stream. */
type Stream = Readable | AsyncIterable<Buffer>;

/**
 * Reads `stream`, decompressed if it is gzip. The errors may also occur while chunks are read.
 * @param name of the source, for messages
 * @param path of a file
 */
export async function streamBytes(name: string, stream: Stream, path?: string): Promise<ByteSource> {
  const common = { name, isFile: path !== undefined };
  const { start, source } = await beginning({ ...common, chunks: namedErrors(name, stream) }, 2);
  if (isGzip(start)) return { ...common, chunks: decompressed(name, source.chunks) };
  return path === undefined ? source : { ...source, path };
}

/** Reads `stream` as it is. The errors occur while chunks are read. */
export function rawBytes(name: string, stream: Readable): ByteSource {
  return { name, isFile: false, chunks: namedErrors(name, stream) };
}

export async function allBytes({ name, chunks }: ByteSource, maxBytes = MAX_BYTES): Promise<Buffer> {
  const parts: Buffer[] = [];
  let total = 0;
  for await (const chunk of chunks) {
    total += chunk.length;
    if (total > maxBytes) {
      throw damagedError('data/too-large', 'too much data', {
        file: name,
        expected: `at most ${maxBytes} bytes`,
      });
    }
    parts.push(chunk);
  }
  return parts.length === 1 ? parts[0] : Buffer.concat(parts);
}

/**
 * Returns the first bytes of `source`, fewer than `length` only if it ends before, and a source of
 * all its bytes.
 */
export async function beginning(
  source: ByteSource,
  length: number,
): Promise<{ readonly start: Buffer; readonly source: ByteSource }> {
  const chunks = source.chunks[Symbol.asyncIterator]();
  const parts: Buffer[] = [];
  for (let total = 0; total < length; ) {
    const next = await chunks.next();
    if (next.done) break;
    parts.push(next.value);
    total += next.value.length;
  }
  const start = parts.length === 1 ? parts[0] : Buffer.concat(parts);
  const rest: AsyncIterable<Buffer> = { [Symbol.asyncIterator]: () => chunks };
  return { start, source: { ...source, chunks: prepended(start, rest) } };
}

async function* namedErrors(name: string, stream: Stream): AsyncGenerator<Buffer, void> {
  try {
    // a text stream (for example in a test) yields strings
    for await (const chunk of stream) yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
  } catch (error) {
    throw unreadableFile(name, error);
  }
}

async function* prepended(first: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const chunks = rest[Symbol.asyncIterator]();
  try {
    if (first.length > 0) yield first;
    yield* { [Symbol.asyncIterator]: () => chunks };
  } finally {
    // also if the reader stops at the first bytes
    await chunks.return?.();
  }
}

async function* decompressed(name: string, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of gunzipChunks(chunks)) yield chunk;
  } catch (error) {
    throw codeOf(error)?.startsWith('Z_') ? damagedGzip(name, error) : error;
  }
}

/** Opens each source once the one before it has been read. */
export async function* inTurn(sources: readonly InputSource[]): AsyncGenerator<ByteSource> {
  for (const source of sources) yield source.open();
}

/** Takes a file or stream in chunks, each valid only during the call. */
export interface Pieces {
  push(chunk: Buffer): void;
  /** Call after the last chunk. */
  end(): void;
}

/** Passes each source to the pieces of its name; yields what is `done` after each chunk. */
export async function* readInTurn<T>(
  sources: readonly InputSource[],
  piecesOf: (name: string) => Pieces,
  done: T[] = [],
): AsyncGenerator<readonly T[]> {
  for await (const { name, chunks } of inTurn(sources)) {
    const pieces = piecesOf(name);
    for await (const chunk of chunks) {
      pieces.push(chunk);
      yield done.splice(0);
    }
    pieces.end();
    yield done.splice(0);
  }
}

/** Position of a sequence in an input. */
type Place = Required<Pick<Diagnostic, 'file'>> & Pick<Diagnostic, 'line' | 'row'>;

/**
 * Returns the function from the place of a sequence of an input of `files` to its name: `line 5`,
 * or `b.csv:5` if there are several files. Rows of a file without lines are `row 5`.
 */
export function placeNames(files: readonly string[]): (place: Place) => string {
  const names = shortNames(files);
  return ({ file, line, row }) => {
    if (files.length > 1) return `${names.get(file)}:${line ?? row}`;
    return line === undefined ? `row ${row}` : `line ${line}`;
  };
}
