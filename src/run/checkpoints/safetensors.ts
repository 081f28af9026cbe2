/**
 * safetensors (https://github.com/huggingface/safetensors, "Format"): eight bytes little-endian
 * header length, a JSON header, then the tensors' bytes without gaps. Reading is strict: any
 * deviation counts as damage.
 *
 * Files written here also carry digests in `__metadata__`: `sha256.<tensor>` of each tensor's bytes
 * and `sha256` of the header's content, so that every flipped bit is detected. Files without
 * digests, from other programs, can be read too.
 */
import { createHash } from 'node:crypto';
import { damagedError } from '../../util/errors.js';
import { writeAtomic } from '../files/atomic.js';
import { type OpenedFile, type Opening, withFile } from '../files/opened-file.js';
import {
  type Entry,
  type Header,
  LENGTH_BYTES,
  MAX_HEADER_BYTES,
  parseHeader,
} from './safetensors-header.js';
import { elementCount, type Tensor, tensorBytes, tensorFromBytes } from './tensor-types.js';

export type { Tensor } from './tensor-types.js';

export type Tensors = ReadonlyMap<string, Tensor>;

export interface TensorFile {
  /** In file order. */
  readonly tensors: Tensors;
  /** The file's `__metadata__` without the digests. */
  readonly metadata: Readonly<Record<string, string>>;
}

const HEADER_DIGEST = 'sha256';
const DIGEST_PREFIX = 'sha256.';
const METADATA = '__metadata__';

/**
 * Writes `tensors` and `metadata` to `path`, atomically, with sorted names so that files of equal
 * content are byte-identical. Returns the number of bytes. Throws RangeError if a tensor's shape
 * does not fit its data.
 * @throws UserError (exit 1) if the file cannot be written
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
 * Reads a whole file.
 * @throws UserError (exit 2) if it cannot be read
 * @throws UserError (exit 5) with the byte offset if it is not a valid safetensors file or a digest
 *   does not match
 */
export function readSafetensors(path: string, opening: Pick<Opening, 'follow'> = {}): TensorFile {
  const read = (file: OpenedFile): TensorFile => {
    const header = readHeader(file, path);
    const { entries, metadata } = header;
    const bytesOf = isDigested(metadata) ? digestedBytes : plainBytes;
    const tensors = entries.map(
      entry =>
        [entry.name, tensorFromBytes(entry.dtype, entry.shape, bytesOf(file, header, entry, path))] as const,
    );
    return { tensors: new Map(tensors), metadata: withoutDigests(metadata) };
  };
  return withFile(path, read, opening);
}

/** Like `readSafetensors`, but reads and checks only the header, and returns the metadata. */
export function readSafetensorsMetadata(
  path: string,
  opening: Pick<Opening, 'follow'> = {},
): TensorFile['metadata'] {
  return withFile(path, file => withoutDigests(readHeader(file, path).metadata), opening);
}

/**
 * Reads the header and checks the format's rules and its digest. Reads no more of the file,
 * whatever length the header states.
 */
function readHeader(file: OpenedFile, path: string): Header {
  const length = file.read(0, Math.min(LENGTH_BYTES, file.bytes));
  const stated = length.length < LENGTH_BYTES ? 0n : length.readBigUInt64LE(0);
  const headerBytes = stated > MAX_HEADER_BYTES ? 0 : Math.min(Number(stated), file.bytes - LENGTH_BYTES);
  const bytes = Buffer.concat([length, file.read(LENGTH_BYTES, Math.max(0, headerBytes))]);
  const header = parseHeader(bytes, file.bytes, path);
  if (isDigested(header.metadata)) checkHeaderDigest(path, header.entries, header.metadata);
  return header;
}

function plainBytes(file: OpenedFile, { dataStart }: Header, { begin, end }: Entry): Buffer {
  return file.read(dataStart + begin, end - begin);
}

function digestedBytes(file: OpenedFile, header: Header, entry: Entry, path: string): Buffer {
  const bytes = plainBytes(file, header, entry);
  if (header.metadata[DIGEST_PREFIX + entry.name] === sha256(bytes)) return bytes;
  throw damagedError({
    code: 'safetensors/digest',
    message: `the bytes of tensor '${entry.name}' do not match the digest in the file`,
    file: path,
    offset: header.dataStart + entry.begin,
  });
}

function checkWritable(name: string, tensor: Tensor): void {
  if (name === METADATA) throw new RangeError(`a tensor cannot be called ${METADATA}`);
  if (elementCount(tensor.shape) !== tensor.data.length) {
    throw new RangeError(
      `tensor '${name}' has ${tensor.data.length} values for shape [${tensor.shape.join(', ')}]`,
    );
  }
}

/** Length, JSON, and spaces up to a multiple of eight, so that the data start aligned. */
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
    message: 'the header does not match its digest',
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
