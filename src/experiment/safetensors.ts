/**
 * safetensors (https://github.com/huggingface/safetensors, "Format"): eight bytes little-endian header length, a JSON
 * header, then the tensors' bytes without gaps. Reading is strict: what is not exactly such a file is damaged.
 *
 * Files written here also carry digests in `__metadata__`: `sha256.<tensor>` of each tensor's bytes and `sha256` of the
 * header's meaning, so that no flipped bit passes unseen. Files without them, as other programs write, are read too.
 */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { type Diagnostic, damagedError, type UserError, usageError } from '../errors.js';
import { writeAtomic } from './atomic.js';
import { type Entry, LENGTH_BYTES, MAX_HEADER_BYTES, parseHeader } from './safetensors-header.js';
import { elementCount, type Tensor, tensorBytes, tensorFromBytes } from './tensor-types.js';

export type { Tensor } from './tensor-types.js';

export type Tensors = ReadonlyMap<string, Tensor>;

export interface TensorFile {
  /** In the order of their bytes in the file. */
  readonly tensors: Tensors;
  /** The file's `__metadata__` without the digests. */
  readonly metadata: Readonly<Record<string, string>>;
}

const HEADER_DIGEST = 'sha256';
const DIGEST_PREFIX = 'sha256.';
const METADATA = '__metadata__';

/**
 * Writes `tensors` and `metadata` to `path`, whole or not at all, names in sorted order so that equal content is equal
 * bytes. Returns the number of bytes. A tensor whose shape does not fit its data is a defect of the caller.
 */
export function writeSafetensors(
  path: string,
  tensors: Tensors,
  metadata: Readonly<Record<string, string>>,
): number {
  if (isDigested(metadata)) throw new RangeError(`metadata cannot have the keys of the digests`);
  const names = [...tensors.keys()].sort();
  const chunks: Uint8Array[] = [];
  const entries: Entry[] = [];
  const digests: Record<string, string> = {};
  let at = 0;
  for (const name of names) {
    const tensor = tensors.get(name)!;
    checkWritable(name, tensor);
    const bytes = tensorBytes(tensor);
    entries.push({ name, dtype: tensor.dtype, shape: tensor.shape, begin: at, end: at + bytes.length });
    digests[DIGEST_PREFIX + name] = sha256(bytes);
    chunks.push(bytes);
    at += bytes.length;
  }
  const described = sortedRecord({ ...metadata, ...digests });
  const header = encodeHeader(entries, { [HEADER_DIGEST]: headerDigest(entries, described), ...described });
  writeAtomic(path, [header, ...chunks]);
  return header.length + at;
}

/**
 * Reads a whole file. Throws exit 2 where there is no such file and exit 5, with the file and the byte offset, where it
 * is not exactly a safetensors file or a digest in it does not fit.
 */
export function readSafetensors(path: string): TensorFile {
  const bytes = readBytes(path, file => readFileSync(file));
  const { entries, metadata, dataStart } = parseHeader(bytes, bytes.length, path);
  const fail = (entry: Entry, message: string): UserError =>
    damagedError({ code: 'safetensors/digest', message, file: path, offset: dataStart + entry.begin });
  const digested =
    HEADER_DIGEST in metadata || Object.keys(metadata).some(key => key.startsWith(DIGEST_PREFIX));
  if (digested) checkHeaderDigest(path, entries, metadata);
  const tensors = new Map<string, Tensor>();
  for (const entry of entries) {
    const view = bytes.subarray(dataStart + entry.begin, dataStart + entry.end);
    const expected = metadata[DIGEST_PREFIX + entry.name];
    if (digested && expected !== sha256(view))
      throw fail(entry, `the bytes of tensor '${entry.name}' do not have the digest that the file states`);
    tensors.set(entry.name, tensorFromBytes(entry.dtype, entry.shape, view));
  }
  return { tensors, metadata: withoutDigests(metadata) };
}

/** As `readSafetensors`, but reads and checks the header alone: the metadata without the cost of the values. */
export function readSafetensorsMetadata(path: string): TensorFile['metadata'] {
  const { bytes, fileBytes } = readBytes(path, readHeaderBytes);
  const { entries, metadata } = parseHeader(bytes, fileBytes, path);
  if (isDigested(metadata)) checkHeaderDigest(path, entries, metadata);
  return withoutDigests(metadata);
}

function readBytes<T>(path: string, read: (path: string) => T): T {
  try {
    return read(path);
  } catch (error) {
    throw usageError(unreadable(path, error));
  }
}

/** The length and as much of the header as the file has. */
function readHeaderBytes(path: string): { bytes: Buffer; fileBytes: number } {
  const file = openSync(path, 'r');
  try {
    const fileBytes = fstatSync(file).size;
    const length = readAt(file, 0, Math.min(LENGTH_BYTES, fileBytes));
    if (length.length < LENGTH_BYTES) return { bytes: length, fileBytes };
    const stated = length.readBigUInt64LE(0);
    const headerBytes = stated > MAX_HEADER_BYTES ? 0 : Math.min(Number(stated), fileBytes - LENGTH_BYTES);
    return { bytes: Buffer.concat([length, readAt(file, LENGTH_BYTES, headerBytes)]), fileBytes };
  } finally {
    closeSync(file);
  }
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

/** The complaint about a file that cannot be opened at all; other causes than the usual ones keep the system's words. */
function unreadable(path: string, error: unknown): Diagnostic {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file',
    EISDIR: 'this is a folder, not a file',
    EACCES: 'the file may not be read (permission denied)',
    ERR_FS_FILE_TOO_LARGE: 'the file is larger than 2 GiB',
  };
  return {
    code: 'safetensors/unreadable',
    message: reasons[code] ?? `the file cannot be read (${code})`,
    file: path,
  };
}

function checkWritable(name: string, tensor: Tensor): void {
  if (name === METADATA) throw new RangeError(`a tensor cannot be called ${METADATA}`);
  if (elementCount(tensor.shape) !== tensor.data.length) {
    throw new RangeError(
      `tensor '${name}' has ${tensor.data.length} values for shape [${tensor.shape.join(', ')}]`,
    );
  }
}

/** Length, JSON and spaces up to a multiple of eight, so that the data begin aligned. */
function encodeHeader(entries: readonly Entry[], metadata: Readonly<Record<string, string>>): Buffer {
  const described = entries.map(e => [
    e.name,
    { dtype: e.dtype, shape: e.shape, data_offsets: [e.begin, e.end] },
  ]);
  const json = Buffer.from(JSON.stringify(Object.fromEntries([[METADATA, metadata], ...described])));
  const padded = Math.ceil(json.length / 8) * 8;
  const header = Buffer.alloc(8 + padded, ' ');
  header.writeBigUInt64LE(BigInt(padded), 0);
  json.copy(header, 8);
  return header;
}

function isDigested(metadata: Readonly<Record<string, string>>): boolean {
  return Object.keys(metadata).some(key => isDigestKey(key));
}

function isDigestKey(key: string): boolean {
  return key === HEADER_DIGEST || key.startsWith(DIGEST_PREFIX);
}

function checkHeaderDigest(
  path: string,
  entries: readonly Entry[],
  metadata: Readonly<Record<string, string>>,
): void {
  const { [HEADER_DIGEST]: stated, ...described } = metadata;
  if (stated === headerDigest(entries, described)) return;
  throw damagedError({
    code: 'safetensors/digest',
    message: 'the header does not have the digest that it states',
    file: path,
    offset: 8,
  });
}

/** SHA-256 over names, element types, shapes and the whole metadata, each in sorted order. */
function headerDigest(entries: readonly Entry[], metadata: Readonly<Record<string, string>>): string {
  const tensors = entries
    .map(e => [e.name, e.dtype, e.shape] as const)
    .sort((a, b) => (a[0] < b[0] ? -1 : 1));
  return sha256(Buffer.from(JSON.stringify([tensors, Object.entries(sortedRecord(metadata))])));
}

function sortedRecord(record: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).sort((a, b) => (a[0] < b[0] ? -1 : 1)));
}

function withoutDigests(metadata: Readonly<Record<string, string>>): Record<string, string> {
  const kept = Object.entries(metadata).filter(([key]) => !isDigestKey(key));
  return Object.fromEntries(kept);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
