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
import { damagedError, type UserError, usageError } from '../util/errors.js';
import { type OpenedFile, type Opening, withFile, writeAtomic } from './files.js';
import { notJson } from './json.js';

export type Tensors = ReadonlyMap<string, Tensor>;

export interface TensorFile {
  /** In file order. */
  readonly tensors: Tensors;
  readonly metadata: Readonly<Record<string, string>>;
}

const HEADER_DIGEST = 'sha256';
const DIGEST_PREFIX = 'sha256.';
const METADATA = '__metadata__';

/**
 * Writes `tensors` and `metadata` to `path`, atomically, with sorted names so that files of equal
 * content are byte-identical. Returns the number of bytes. Throws RangeError if a tensor's shape
 * does not fit its data.
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

/** Reads a whole file. */
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

/*
 * Parses the header of a safetensors file and checks every rule of the format before any value is
 * read.
 */

/** Position of a tensor; `begin` and `end` count bytes from the end of the header. */
export interface Entry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** Size of the header length at the start of the file. */
export const LENGTH_BYTES = 8;

export interface Header {
  readonly entries: readonly Entry[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Offset of the tensors' bytes in the file. */
  readonly dataStart: number;
}

/** The format's own limit: a hostile length must not cause a large allocation. */
export const MAX_HEADER_BYTES = 100_000_000;

/**
 * Parses the start of `file`. `bytes` has at least the whole header, or the whole file if that is
 * shorter; `fileBytes` is the file's length.
 */
export function parseHeader(bytes: Buffer, fileBytes: number, file: string): Header {
  const damaged = (offset: number, message: string): UserError =>
    damagedError({ code: 'safetensors/damaged', message, file, offset });
  if (isPyTorch(bytes)) throw pyTorchFile(file);
  const length = headerLength(bytes, damaged);
  const dataStart = LENGTH_BYTES + length;
  const text = decodeHeader(bytes.subarray(LENGTH_BYTES, dataStart), damaged);
  const header = parseObject(text, damaged);
  const repeated = repeatedKey(text);
  if (repeated !== undefined) throw damaged(LENGTH_BYTES, `the header contains '${repeated}' twice`);
  const metadata = metadataOf(header, damaged);
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => entryOf(name, value, message => damaged(LENGTH_BYTES, message)))
    // empty tensors start where their neighbor does, so the end breaks ties
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkLayout(entries, fileBytes - dataStart, (at, message) => damaged(dataStart + at, message));
  return { entries, metadata, dataStart };
}

/**
 * Recognizes files of `torch.save`: a zip archive, or a pickle from before version 1.6. A
 * safetensors header length may have the same first bytes (640 is 80 02), but then a brace follows
 * it.
 */
function isPyTorch(bytes: Buffer): boolean {
  if (bytes[LENGTH_BYTES] === 0x7b) return false;
  const start = bytes.toString('latin1', 0, 4);
  return start === 'PK\x03\x04' || start.startsWith('\x80\x02');
}

/** Pickles can run any code, so they are left to Python to convert. */
function pyTorchFile(file: string): UserError {
  const target = `${file.replace(/\.[^./\\]*$/, '')}.safetensors`;
  const command = `import torch, safetensors.torch as s; s.save_file({k: v.contiguous().clone() for k, v in torch.load(${JSON.stringify(file)}, map_location="cpu", weights_only=True).items()}, ${JSON.stringify(target)})`;
  return usageError({
    code: 'safetensors/pytorch',
    message: 'this file was written by torch.save; weights are read from safetensors files',
    file,
    expected: `a safetensors file; if this one holds a state_dict, run: python3 -c '${command}'`,
  });
}

type Damaged = (offset: number, message: string) => UserError;

function headerLength(bytes: Buffer, damaged: Damaged): number {
  if (bytes.length < LENGTH_BYTES) throw damaged(bytes.length, 'the file ends inside the header length');
  const length = bytes.readBigUInt64LE(0);
  if (length > MAX_HEADER_BYTES)
    throw damaged(0, `a header of ${length} bytes exceeds the format's ${MAX_HEADER_BYTES}`);
  if (LENGTH_BYTES + Number(length) > bytes.length)
    throw damaged(bytes.length, `the file ends inside its header of ${length} bytes`);
  return Number(length);
}

function decodeHeader(bytes: Buffer, damaged: Damaged): string {
  if (bytes[0] !== 0x7b) throw damaged(LENGTH_BYTES, "the header does not begin with '{'");
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw damaged(LENGTH_BYTES, 'the header is not UTF-8');
  }
}

function parseObject(text: string, damaged: Damaged): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    throw damaged(LENGTH_BYTES, notJson('the header', error));
  }
  if (!isRecord(header)) throw damaged(LENGTH_BYTES, 'the header is not a JSON object');
  return header;
}

/**
 * Finds a repeated key by walking the tokens of valid JSON: JSON.parse silently keeps the last one.
 */
function repeatedKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    const token = text[at];
    if (token === '{' || token === '[') open.push(new Set());
    else if (token === '}' || token === ']') open.pop();
    else if (token === '"') {
      const end = stringEnd(text, at);
      // in a list no colon follows a string, so its set stays empty
      if (text[skipSpace(text, end)] === ':') {
        const key = String(JSON.parse(text.slice(at, end)));
        if (open.at(-1)?.has(key)) return key;
        open.at(-1)?.add(key);
      }
      at = end - 1;
    }
  }
  return undefined;
}

/**
 * The index after the closing quote of the string that opens at `start`. Not a regular expression,
 * because those overflow the stack on long strings.
 */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (at < text.length && text[at].trim() === '') at++;
  return at;
}

function metadataOf(header: Readonly<Record<string, unknown>>, damaged: Damaged): Record<string, string> {
  const metadata = header.__metadata__ ?? {};
  if (!isRecord(metadata)) throw damaged(LENGTH_BYTES, '__metadata__ is not an object');
  return Object.fromEntries(
    Object.entries(metadata).map(([key, value]) => {
      if (typeof value !== 'string') throw damaged(LENGTH_BYTES, `__metadata__ '${key}' is not a string`);
      return [key, value];
    }),
  );
}

function entryOf(name: string, value: unknown, damaged: (message: string) => UserError): Entry {
  if (!isRecord(value)) throw damaged(`tensor '${name}' is not described by an object`);
  const { dtype, shape, data_offsets: offsets, ...unknown } = value;
  const [extra] = Object.keys(unknown);
  if (extra !== undefined) throw damaged(`tensor '${name}' has an unknown field '${extra}'`);
  if (!isDType(dtype)) {
    throw damaged(
      `tensor '${name}' has element type ${JSON.stringify(dtype)}; known are ${Object.keys(ELEMENT_BYTES).join(', ')}`,
    );
  }
  if (!isNumbers(shape)) throw damaged(`the shape of tensor '${name}' is not a list of numbers`);
  const count = elementCount(shape);
  if (count === undefined)
    throw damaged(`the shape of tensor '${name}' is not possible: [${shape.join(', ')}]`);
  if (!isNumbers(offsets) || offsets.length !== 2)
    throw damaged(`the data_offsets of tensor '${name}' are not two numbers`);
  const [begin, end] = offsets;
  if (!Number.isSafeInteger(begin) || !Number.isSafeInteger(end) || begin < 0 || end < begin) {
    throw damaged(`the data_offsets of tensor '${name}' are not possible: [${begin}, ${end}]`);
  }
  if (end - begin !== count * ELEMENT_BYTES[dtype]) {
    throw damaged(
      `tensor '${name}' has ${end - begin} bytes, but ${dtype} [${shape.join(', ')}] takes ${count * ELEMENT_BYTES[dtype]}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

function checkLayout(entries: readonly Entry[], dataBytes: number, damaged: Damaged): void {
  let at = 0;
  for (const entry of entries) {
    if (entry.begin !== at) {
      throw damaged(
        at,
        `tensor '${entry.name}' ${entry.begin < at ? 'overlaps the one before it' : 'leaves a gap before it'}`,
      );
    }
    if (entry.end > dataBytes) throw damaged(dataBytes, `the file ends inside tensor '${entry.name}'`);
    at = entry.end;
  }
  if (at !== dataBytes) throw damaged(at, `${dataBytes - at} bytes follow the last tensor`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(entry => typeof entry === 'number');
}

/*
 * Tensors that our safetensors files can contain: five element types, each with its typed array.
 */

interface Arrays {
  readonly F32: Float32Array;
  readonly F64: Float64Array;
  readonly I64: BigInt64Array;
  readonly I32: Int32Array;
  readonly U8: Uint8Array;
}

/** Element type, by its safetensors name. */
export type DType = keyof Arrays;

/** Row-major values with their shape; `[]` is a scalar, and a zero in the shape means no values. */
export type Tensor = {
  readonly [D in DType]: { readonly dtype: D; readonly shape: readonly number[]; readonly data: Arrays[D] };
}[DType];

/** Bytes per element. */
export const ELEMENT_BYTES: Readonly<Record<DType, number>> = { F32: 4, F64: 8, I64: 8, I32: 4, U8: 1 };

export function isDType(name: unknown): name is DType {
  return typeof name === 'string' && Object.hasOwn(ELEMENT_BYTES, name);
}

/** The number of values of `shape`; `undefined` if it is invalid or too large to count exactly. */
export function elementCount(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) return undefined;
    count *= size;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}

/**
 * A tensor over a copy of little-endian `bytes`, whose length must be a multiple of the element
 * size.
 */
export function tensorFromBytes(dtype: DType, shape: readonly number[], bytes: Uint8Array): Tensor {
  // typed arrays need an aligned start; `slice` would share memory if the bytes are a Buffer
  const copy = new Uint8Array(bytes).buffer;
  switch (dtype) {
    case 'F32':
      return { dtype, shape, data: new Float32Array(copy) };
    case 'F64':
      return { dtype, shape, data: new Float64Array(copy) };
    case 'I64':
      return { dtype, shape, data: new BigInt64Array(copy) };
    case 'I32':
      return { dtype, shape, data: new Int32Array(copy) };
    case 'U8':
      return { dtype, shape, data: new Uint8Array(copy) };
  }
}

/**
 * The tensor's bytes, without a copy. In practice Node runs only on little-endian machines, as the
 * format requires.
 */
export function tensorBytes(tensor: Tensor): Uint8Array {
  const { buffer, byteOffset, byteLength } = tensor.data;
  return new Uint8Array(buffer, byteOffset, byteLength);
}
