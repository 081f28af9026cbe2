/**
 * safetensors (https://github.com/huggingface/safetensors, "Format"): eight bytes little-endian
 * header length, a JSON header, then the tensors' bytes without gaps. Any deviation counts as
 * damage, except a key that occurs twice.
 *
 * Files written here also carry digests in `__metadata__`: `sha256.<tensor>` of each tensor's bytes
 * and `sha256` of the header's content, so that every flipped bit is detected. Files without
 * digests, from other programs, can be read too.
 */
import { damagedError, type UserError, usageError } from '../util/errors.js';
import { type OpenedFile, type Opening, sha256, withFile, writeAtomic } from './files.js';
import { isTooDeep } from './json.js';

/** Element types that our files can contain. */
const ARRAYS = {
  F32: Float32Array,
  F64: Float64Array,
  I64: BigInt64Array,
  I32: Int32Array,
  U8: Uint8Array,
} as const;

interface Arrays {
  readonly F32: Float32Array;
  readonly F64: Float64Array;
  readonly I64: BigInt64Array;
  readonly I32: Int32Array;
  readonly U8: Uint8Array;
}

type DType = keyof Arrays;

/** Row-major values with their shape; `[]` is a scalar, and a zero in the shape means no values. */
export type Tensor = {
  readonly [D in DType]: {
    readonly dtype: D;
    readonly shape: readonly number[];
    readonly data: Arrays[D];
  };
}[DType];

export type Tensors = ReadonlyMap<string, Tensor>;

type Metadata = Readonly<Record<string, string>>;

/** Position of a tensor; `begin` and `end` count bytes from the end of the header. */
interface Entry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

type Header = ReturnType<typeof readHeader>;

const HEADER_DIGEST = 'sha256';
const DIGEST_PREFIX = 'sha256.';
const METADATA = '__metadata__';
const LENGTH_BYTES = 8;
/** The format's own limit: a hostile length must not cause a large allocation. */
const MAX_HEADER_BYTES = 100_000_000;

/** Writes a file atomically, and returns the number of bytes. See `encodeSafetensors`. */
export function writeSafetensors(path: string, tensors: Tensors, metadata: Metadata): number {
  const chunks = encodeSafetensors(tensors, metadata);
  writeAtomic(path, chunks);
  return chunks.reduce((sum, { length }) => sum + length, 0);
}

/**
 * The bytes of a file, with sorted names so that files of equal content are byte-identical. Throws
 * RangeError if a tensor's shape does not fit its data.
 */
export function encodeSafetensors(tensors: Tensors, metadata: Metadata): Uint8Array[] {
  if (isDigested(metadata)) throw new RangeError(`metadata cannot have the keys of the digests`);
  const chunks: Uint8Array[] = [];
  const entries: Entry[] = [];
  const digests: Record<string, string> = {};
  let at = 0;
  for (const [name, { dtype, shape, data }] of sorted(tensors)) {
    if (name === METADATA) throw new RangeError(`a tensor cannot be called ${METADATA}`);
    if (elementCount(shape) !== data.length)
      throw new RangeError(`tensor '${name}' has ${data.length} values for shape [${shape.join(', ')}]`);
    // little-endian: Node runs only on such machines
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    entries.push({ name, dtype, shape, begin: at, end: at + bytes.length });
    digests[DIGEST_PREFIX + name] = sha256(bytes);
    chunks.push(bytes);
    at += bytes.length;
  }
  const described = Object.fromEntries(sorted(Object.entries({ ...metadata, ...digests })));
  const header = encodeHeader(entries, { [HEADER_DIGEST]: headerDigest(entries, described), ...described });
  return [header, ...chunks];
}

/** By their names' code units. */
function sorted<T>(entries: Iterable<readonly [string, T]>): (readonly [string, T])[] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
}

export function readSafetensors(path: string, opening: Pick<Opening, 'follow'> = {}) {
  const read = (file: OpenedFile) => {
    const header = readHeader(file, path);
    const tensors = header.entries.map(entry => [entry.name, readTensor(file, header, entry, path)] as const);
    return { tensors: new Map(tensors) as Tensors, metadata: withoutDigests(header.metadata) };
  };
  return withFile(path, read, opening);
}

/** Like `readSafetensors`, but reads and checks only the header, and returns the metadata. */
export function readSafetensorsMetadata(path: string, opening: Pick<Opening, 'follow'> = {}): Metadata {
  return withFile(path, file => withoutDigests(readHeader(file, path).metadata), opening);
}

function readTensor(file: OpenedFile, { metadata, dataStart }: Header, entry: Entry, path: string): Tensor {
  const { name, dtype, shape, begin, end } = entry;
  const bytes = file.read(dataStart + begin, end - begin);
  if (isDigested(metadata) && metadata[DIGEST_PREFIX + name] !== sha256(bytes))
    throw damagedError(
      'safetensors/digest',
      `the bytes of tensor '${name}' do not match the digest in the file`,
      { file: path, offset: dataStart + begin },
    );
  // typed arrays need an aligned start; `slice` would share memory if the bytes are a Buffer
  return { dtype, shape, data: new ARRAYS[dtype](new Uint8Array(bytes).buffer) } as Tensor;
}

/** Length, JSON, and spaces up to a multiple of eight, so that the data start aligned. */
function encodeHeader(entries: readonly Entry[], metadata: Metadata): Buffer {
  const described = entries.map(({ name, dtype, shape, begin, end }) => [
    name,
    { dtype, shape, data_offsets: [begin, end] },
  ]);
  const json = Buffer.from(JSON.stringify(Object.fromEntries([[METADATA, metadata], ...described])));
  const padded = Math.ceil(json.length / 8) * 8;
  const header = Buffer.alloc(LENGTH_BYTES + padded, ' ');
  header.writeBigUInt64LE(BigInt(padded), 0);
  json.copy(header, LENGTH_BYTES);
  return header;
}

function isDigestKey(key: string): boolean {
  return key === HEADER_DIGEST || key.startsWith(DIGEST_PREFIX);
}

function isDigested(metadata: Metadata): boolean {
  return Object.keys(metadata).some(isDigestKey);
}

function withoutDigests(metadata: Metadata): Metadata {
  return Object.fromEntries(Object.entries(metadata).filter(([key]) => !isDigestKey(key)));
}

/** SHA-256 over names, element types, shapes and the whole metadata, each in sorted order. */
function headerDigest(entries: readonly Entry[], metadata: Metadata): string {
  const tensors = sorted(entries.map(({ name, dtype, shape }) => [name, [dtype, shape]] as const));
  const flat = tensors.map(([name, [dtype, shape]]) => [name, dtype, shape]);
  return sha256(Buffer.from(JSON.stringify([flat, sorted(Object.entries(metadata))])));
}

/** Reads the header, and no more of the file whatever length it states, and checks every rule. */
function readHeader(file: OpenedFile, path: string) {
  const damaged = (offset: number, message: string): UserError =>
    damagedError('safetensors/damaged', message, { file: path, offset });
  const start = file.read(0, LENGTH_BYTES + 1);
  if (isPyTorch(start)) throw pyTorchFile(path);
  if (start.length < LENGTH_BYTES) throw damaged(start.length, 'the file ends within the header length');
  const length = Number(start.readBigUInt64LE(0));
  const dataStart = LENGTH_BYTES + length;
  if (length > MAX_HEADER_BYTES)
    throw damaged(
      0,
      `this is not a safetensors file: a header of ${length} bytes exceeds ${MAX_HEADER_BYTES}`,
    );
  if (dataStart > file.bytes) throw damaged(file.bytes, `the file ends within its header of ${length} bytes`);
  const header = parseHeader(file.read(LENGTH_BYTES, length), message => damaged(LENGTH_BYTES, message));
  const { [METADATA]: metadata = {}, ...tensors } = header;
  if (!isRecord(metadata) || Object.values(metadata).some(value => typeof value !== 'string'))
    throw damaged(LENGTH_BYTES, `${METADATA} is not an object of strings`);
  const entries = Object.entries(tensors)
    .map(([name, value]) => entryOf(name, value, message => damaged(LENGTH_BYTES, message)))
    // empty tensors start where their neighbor does, so the end breaks ties
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = dataStart;
  for (const { name, begin, end } of entries) {
    if (dataStart + begin !== at)
      throw damaged(at, `tensor '${name}' does not start where the one before it ends`);
    at = dataStart + end;
  }
  if (at !== file.bytes)
    throw damaged(Math.min(at, file.bytes), `the tensors end at ${at}, but the file at ${file.bytes}`);
  const { [HEADER_DIGEST]: stated, ...described } = metadata as Metadata;
  if (isDigested(metadata as Metadata) && stated !== headerDigest(entries, described))
    throw damagedError('safetensors/digest', 'the header does not match its digest', {
      file: path,
      offset: LENGTH_BYTES,
    });
  return { entries, metadata: metadata as Metadata, dataStart };
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
  return usageError(
    'safetensors/pytorch',
    'this file was written by torch.save; weights are read from safetensors files',
    { file, expected: `a safetensors file; if this one holds a state_dict, run: python3 -c '${command}'` },
  );
}

function parseHeader(
  bytes: Buffer,
  damaged: (message: string) => UserError,
): Readonly<Record<string, unknown>> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw damaged('the header is not JSON');
  }
  if (!isRecord(header)) throw damaged('the header is not a JSON object');
  if (isTooDeep(header)) throw damaged('the nesting of the header is too deep');
  return header;
}

function entryOf(name: string, value: unknown, damaged: (message: string) => UserError): Entry {
  const { dtype, shape, data_offsets: offsets, ...unknown } = isRecord(value) ? value : {};
  if (typeof dtype === 'string' && !Object.hasOwn(ARRAYS, dtype))
    throw damaged(`tensor '${name}' has element type ${dtype}; known are ${Object.keys(ARRAYS).join(', ')}`);
  const [begin, end] = isSizes(offsets) && offsets.length === 2 ? offsets : [-1, -1];
  const count = isSizes(shape) ? elementCount(shape) : undefined;
  const size = ARRAYS[dtype as DType]?.BYTES_PER_ELEMENT;
  const isSound = begin >= 0 && end - begin === Number(count) * size && Object.keys(unknown).length === 0;
  if (isSound) return { name, dtype: dtype as DType, shape: shape as number[], begin, end };
  throw damaged(
    `tensor '${name}' is not described by an element type, a shape and data_offsets that fit: ${JSON.stringify(value).slice(0, 200)}`,
  );
}

function elementCount(shape: readonly number[]): number | undefined {
  const count = shape.reduce((product, size) => product * size, 1);
  return Number.isSafeInteger(count) ? count : undefined;
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every(entry => Number.isSafeInteger(entry) && entry >= 0);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
