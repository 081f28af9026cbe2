/**
 * The IDX format of the MNIST files: two zero bytes, a type byte, the number of dimensions, each
 * dimension as a big-endian 32-bit integer, then the values in C order, big-endian. (LeCun, Cortes,
 * Burges: THE MNIST DATABASE.)
 */
import { type Diagnostic, damagedError, type UserError } from '../../util/errors.js';
import { MAX_BYTES } from '../reading/limits.js';

export type IdxValues = Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;

/** The source that offsets in messages refer to. */
interface IdxOrigin {
  readonly file: string;
  /** True if the content was decompressed, so that offsets do not refer to the file on disk. */
  readonly zipped?: boolean;
}

export interface IdxSource extends IdxOrigin {
  readonly bytes: Uint8Array;
}

export interface IdxArray {
  readonly dims: readonly number[];
  readonly values: IdxValues;
  /**
   * Byte offset of the first value and bytes per value: value `i` is at `dataOffset + i *
   * itemSize`.
   */
  readonly dataOffset: number;
  readonly itemSize: number;
  /** As in {@link IdxSource}. */
  readonly zipped?: boolean;
}

interface IdxType {
  readonly itemSize: number;
  decode(data: DataView, count: number): IdxValues;
}

const TYPES: ReadonlyMap<number, IdxType> = new Map([
  [0x08, { itemSize: 1, decode: (d, n) => new Uint8Array(d.buffer, d.byteOffset, n) }],
  [0x09, { itemSize: 1, decode: (d, n) => new Int8Array(d.buffer, d.byteOffset, n) }],
  [0x0b, { itemSize: 2, decode: (d, n) => filled(new Int16Array(n), i => d.getInt16(2 * i)) }],
  [0x0c, { itemSize: 4, decode: (d, n) => filled(new Int32Array(n), i => d.getInt32(4 * i)) }],
  [0x0d, { itemSize: 4, decode: (d, n) => filled(new Float32Array(n), i => d.getFloat32(4 * i)) }],
  [0x0e, { itemSize: 8, decode: (d, n) => filled(new Float64Array(n), i => d.getFloat64(8 * i)) }],
] satisfies [number, IdxType][]);

const HEADER_BYTES = 4;

/**
 * Parses the decompressed bytes of an IDX file that must have `rank` dimensions. Byte values are a
 * view, not a copy.
 * @throws UserError (exit 5) if the file is damaged, with the byte offset
 */
export function parseIdx(source: IdxSource, rank: number): IdxArray {
  const { bytes } = source;
  const { decode, ...form } = idxForm(source, bytes.length, rank, MAX_BYTES);
  return { ...form, values: decode(bytes.subarray(form.dataOffset)) };
}

/** Header of an array whose values are not in memory. */
export interface IdxForm extends Omit<IdxArray, 'values'> {
  decode(bytes: Uint8Array): IdxValues;
}

/**
 * Parses the header of an IDX file of any size.
 * @param source the start of the file, at least its header
 * @param total size of the whole file in bytes
 * @throws UserError (exit 5) if the header is damaged or does not match `total`, with the byte
 *   offset
 */
export function idxForm(
  source: IdxSource,
  total: number,
  rank: number,
  maxBytes = Number.MAX_SAFE_INTEGER,
): IdxForm {
  const { bytes } = source;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = checkMagic(view, source, rank);
  const dataOffset = HEADER_BYTES + 4 * rank;
  if (view.byteLength < dataOffset) throw truncated(source, view.byteLength, dataOffset);
  const dims = Array.from({ length: rank }, (_, i) => view.getUint32(HEADER_BYTES + 4 * i));
  dims.forEach((size, i) => {
    if (size === 0) {
      throw idxDamage('data/idx-empty', source, HEADER_BYTES + 4 * i, {
        message: `dimension ${i} has size 0`,
      });
    }
  });
  const count = dims.reduce((product, size) => product * size, 1);
  if (count * type.itemSize > maxBytes) {
    throw idxDamage('data/too-large', source, HEADER_BYTES, {
      message: 'the header declares more data than fits in memory',
      got: dims.join(' x '),
      expected: `at most ${maxBytes} bytes`,
    });
  }
  checkLength(total, source, dataOffset + count * type.itemSize, dims);
  const { itemSize } = type;
  return {
    ...{ dims, dataOffset, itemSize, zipped: source.zipped },
    decode: values =>
      type.decode(
        new DataView(values.buffer, values.byteOffset, values.byteLength),
        values.byteLength / itemSize,
      ),
  };
}

/**
 * Returns the size of the whole file according to its header; undefined if `beginning` is not a
 * complete header.
 */
export function statedBytes(beginning: Uint8Array): number | undefined {
  const view = new DataView(beginning.buffer, beginning.byteOffset, beginning.byteLength);
  if (view.byteLength < HEADER_BYTES || view.getUint16(0) !== 0) return undefined;
  const type = TYPES.get(view.getUint8(2));
  const rank = view.getUint8(3);
  const dataOffset = HEADER_BYTES + 4 * rank;
  if (type === undefined || view.byteLength < dataOffset) return undefined;
  const dims = Array.from({ length: rank }, (_, i) => view.getUint32(HEADER_BYTES + 4 * i));
  return dataOffset + dims.reduce((product, size) => product * size, type.itemSize);
}

function checkMagic(view: DataView, source: IdxSource, rank: number): IdxType {
  if (view.byteLength < HEADER_BYTES) throw truncated(source, view.byteLength, HEADER_BYTES);
  const type = TYPES.get(view.getUint8(2));
  if (view.getUint16(0) !== 0 || type === undefined || view.getUint8(3) !== rank) {
    throw idxDamage('data/idx-magic', source, 0, {
      message: `wrong magic number for an IDX file of ${rank} dimension${rank === 1 ? '' : 's'}`,
      expected: `0x0000080${rank} (or another type: 09, 0b, 0c, 0d, 0e in the third byte)`,
      got: `0x${view.getUint32(0).toString(16).padStart(8, '0')}`,
    });
  }
  return type;
}

function checkLength(total: number, source: IdxSource, expected: number, dims: readonly number[]): void {
  if (total < expected) throw truncated(source, total, expected);
  if (total > expected) {
    throw idxDamage('data/idx-length', source, expected, {
      message: `bytes follow the last value of ${dims.join(' x ')}`,
      expected: `${expected} bytes`,
      got: `${total} bytes`,
    });
  }
}

function truncated(source: IdxSource, length: number, expected: number): UserError {
  return idxDamage('data/truncated', source, length, {
    message: 'the file ends too early',
    expected: `${expected} bytes${expected === HEADER_BYTES ? ' or more' : ''}`,
    got: `${length} bytes`,
  });
}

/** Returns the error (exit 5) for damage at a byte offset. */
export function idxDamage(
  code: string,
  origin: IdxOrigin,
  offset: number,
  { message, ...rest }: Omit<Diagnostic, 'code'>,
): UserError {
  return damagedError({
    code,
    file: origin.file,
    offset,
    message: `${message}${offsetNote(origin)}`,
    ...rest,
  });
}

/** Note for messages with an offset that does not refer to the file on disk. */
export function offsetNote({ zipped }: Pick<IdxOrigin, 'zipped'>): string {
  return zipped ? ' (the offset is that of the decompressed content)' : '';
}

function filled<T extends IdxValues>(values: T, at: (index: number) => number): T {
  for (let i = 0; i < values.length; i++) values[i] = at(i);
  return values;
}
