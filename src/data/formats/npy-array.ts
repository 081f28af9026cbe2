/**
 * NumPy's .npy format, versions 1 to 3: magic, version, header length, a Python dict literal with
 * `descr`, `fortran_order` and `shape`, then the values. (NumPy Enhancement Proposal 1.)
 */
import { damagedError, type UserError } from '../../util/errors.js';
import { MAX_ELEMENTS } from '../reading/limits.js';
import type { NumberArray } from '../reading/row-feed.js';

export interface NpyArray {
  readonly shape: readonly number[];
  /** True for integer types (bool included), false for floats. */
  readonly integer: boolean;
  /** NumPy's name of the type, such as `<f4`. */
  readonly dtype: string;
  /** In C order. 64-bit integers are converted to doubles, exact up to 2^53. */
  readonly values: NumberArray;
  /** Formats the value at `index` of `values` with all digits. */
  exactly(index: number): string;
}

interface Dtype {
  readonly integer: boolean;
  readonly itemSize: number;
  view(buffer: ArrayBufferLike, offset: number, count: number): NumberArray;
}

const DTYPES: ReadonlyMap<string, Dtype> = new Map([
  ['<f4', { integer: false, itemSize: 4, view: (b, o, n) => new Float32Array(b, o, n) }],
  ['<f8', { integer: false, itemSize: 8, view: (b, o, n) => new Float64Array(b, o, n) }],
  ['|b1', { integer: true, itemSize: 1, view: (b, o, n) => new Uint8Array(b, o, n) }],
  ['|u1', { integer: true, itemSize: 1, view: (b, o, n) => new Uint8Array(b, o, n) }],
  ['|i1', { integer: true, itemSize: 1, view: (b, o, n) => new Int8Array(b, o, n) }],
  ['<u2', { integer: true, itemSize: 2, view: (b, o, n) => new Uint16Array(b, o, n) }],
  ['<i2', { integer: true, itemSize: 2, view: (b, o, n) => new Int16Array(b, o, n) }],
  ['<u4', { integer: true, itemSize: 4, view: (b, o, n) => new Uint32Array(b, o, n) }],
  ['<i4', { integer: true, itemSize: 4, view: (b, o, n) => new Int32Array(b, o, n) }],
  ['<u8', { integer: true, itemSize: 8, view: uint64AsDoubles }],
  ['<i8', { integer: true, itemSize: 8, view: int64AsDoubles }],
] satisfies [string, Dtype][]);

const MAGIC = '\x93NUMPY';
const MAX_RANK = 32;

interface Header {
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
}

interface Layout<Type> {
  readonly header: Header;
  readonly dataOffset: number;
  readonly type: Type;
  readonly count: number;
}

export function isNpy(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, MAGIC.length) === MAGIC;
}

/** Supported types of an array, by NumPy's names. */
interface Types<Type> {
  of(descr: string): Type | undefined;
  /** List of all types, for messages. */
  readonly words: string;
}

const NUMBERS: Types<Dtype> = {
  of: descr => DTYPES.get(descr.replace('>', '<')),
  words: `${[...DTYPES.keys()].join(', ')}, or > for <`,
};

interface TextType {
  readonly itemSize: number;
  /** Undefined if the item is not text. */
  decode(item: Buffer): string | undefined;
}

/** `U`: UTF-32, `S`: bytes; both are padded with zeros. */
const TEXTS: Types<TextType> = {
  of(descr) {
    const [, order, letter, digits] = /^([<>|=]?)([US])(\d{1,4})$/.exec(descr) ?? [];
    const length = Number(digits);
    if (letter === 'S')
      return { itemSize: length, decode: item => item.toString('utf8').replace(/\0+$/, '') };
    if (letter === 'U') return { itemSize: 4 * length, decode: item => utf32(item, order === '>') };
    return undefined;
  },
  words: '<U8, |S8, or any other length',
};

function utf32(item: Buffer, isBigEndian: boolean): string | undefined {
  const codes: number[] = [];
  for (let at = 0; at < item.length; at += 4) {
    const code = isBigEndian ? item.readUInt32BE(at) : item.readUInt32LE(at);
    if (code > 0x10ffff) return undefined;
    codes.push(code);
  }
  return String.fromCodePoint(...codes).replace(/\0+$/, '');
}

/**
 * Checks that the header of an array is supported and matches the array's size.
 * @param bytes the start of the array, at least its header
 * @param total size of the whole array in bytes, including the header
 * @param options.texts true if the array may contain texts as well
 * @throws UserError (exit 5) if not, naming `file` and the array `name`
 */
export function checkNpyLayout(
  bytes: Uint8Array,
  total: number,
  file: string,
  name: string,
  { texts }: { readonly texts: boolean },
): void {
  npyLayout<{ readonly itemSize: number }>(bytes, total, file, name, texts ? TEXTS_OR_NUMBERS : NUMBERS);
}

const TEXTS_OR_NUMBERS: Types<TextType | Dtype> = {
  of: descr => TEXTS.of(descr) ?? NUMBERS.of(descr),
  words: `${TEXTS.words}, or integers`,
};

/** Header of an array of numbers whose values are not in memory. */
export interface StoredLayout extends Pick<NpyArray, 'shape' | 'integer' | 'dtype'> {
  readonly fortranOrder: boolean;
  /** Offset of the values, after the header. */
  readonly dataOffset: number;
  readonly itemSize: number;
  /** Decodes values; the result may be a view of `bytes`. */
  decode(bytes: Uint8Array): NumberArray;
  /** Formats the value at `index` of `bytes` with all digits. */
  exactly(bytes: Uint8Array, index: number): string;
}

/**
 * Parses the header of an array of numbers of any size.
 * @param bytes the start of the array, at least its header
 * @param total size of the whole array in bytes, including the header
 * @throws UserError (exit 5) if the header is damaged or unsupported, naming `file` and the array
 *   `name`
 */
export function storedLayout(
  bytes: Uint8Array,
  total: number,
  file: string,
  name: string,
  maxElements = Number.MAX_SAFE_INTEGER,
): StoredLayout {
  const { header, dataOffset, type } = npyLayout(bytes, total, file, name, NUMBERS, maxElements);
  const { descr, fortranOrder, shape } = header;
  const { integer, itemSize } = type;
  const isBigEndian = descr.startsWith('>');
  const decode = (values: Uint8Array): NumberArray => {
    const count = values.length / itemSize;
    return isBigEndian ? type.view(swapped(values, itemSize), 0, count) : viewOf(values, count, type);
  };
  const exactly = (values: Uint8Array, index: number): string =>
    integer && itemSize === 8
      ? exactInteger(values, 8 * index, descr)
      : String(decode(values.subarray(index * itemSize, (index + 1) * itemSize))[0]);
  return { shape, integer, dtype: descr, fortranOrder, dataOffset, itemSize, decode, exactly };
}

function exactInteger(bytes: Uint8Array, at: number, descr: string): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const isLittle = !descr.startsWith('>');
  return String(descr.endsWith('i8') ? view.getBigInt64(at, isLittle) : view.getBigUint64(at, isLittle));
}

function npyLayout<Type extends { readonly itemSize: number }>(
  bytes: Uint8Array,
  total: number,
  file: string,
  name: string,
  types: Types<Type>,
  maxElements = MAX_ELEMENTS,
): Layout<Type> {
  const fail = (message: string, expected?: string, got?: string): UserError =>
    damagedError({ code: 'data/npy', message: `array ${name}: ${message}`, file, expected, got });
  const { text, dataOffset } = headerText(bytes, fail);
  const header = parseHeader(text);
  if (header === undefined) {
    throw fail('the .npy header is damaged', "a dict of 'descr', 'fortran_order' and 'shape'", text.trim());
  }
  const type = types.of(header.descr);
  if (type === undefined) throw fail('this type of values is not supported', types.words, header.descr);
  const { shape } = header;
  const count = shape.reduce((product, size) => product * size, 1);
  if (!(count <= maxElements)) {
    throw fail('the array is too large', `at most ${maxElements} values`, `[${shape.join(', ')}]`);
  }
  const length = total - dataOffset;
  if (length !== count * type.itemSize) {
    throw fail('the data have the wrong length', `${count * type.itemSize} bytes`, `${length} bytes`);
  }
  return { header, dataOffset, type, count };
}

/**
 * Parses an .npy file or member of an archive. Values are a view of `bytes` if their alignment
 * allows it.
 * @throws UserError (exit 5) if it is damaged or unsupported, naming `file` and the array `name`
 */
export function parseNpy(bytes: Uint8Array, file: string, name: string): NpyArray {
  const layout = storedLayout(bytes, bytes.length, file, name, MAX_ELEMENTS);
  const { shape, integer, dtype, fortranOrder } = layout;
  const data = bytes.subarray(layout.dataOffset);
  const values = layout.decode(data);
  return {
    ...{ shape, integer, dtype },
    values: fortranOrder ? fromFortranOrder(values, shape) : values,
    exactly: index => layout.exactly(data, fortranOrder ? fortranIndex(index, shape) : index),
  };
}

/**
 * Parses an array `[N]` of texts, or of integers, which become their decimal digits.
 * @throws UserError (exit 5) if it is damaged or unsupported, naming `file` and the array `name`
 */
export function parseNpyTexts(bytes: Uint8Array, file: string, name: string): readonly string[] {
  const { header, dataOffset, type, count } = npyLayout(bytes, bytes.length, file, name, TEXTS_OR_NUMBERS);
  const fail = (message: string, expected: string, got: string): UserError =>
    damagedError({ code: 'data/npy', message: `array ${name}: ${message}`, file, expected, got });
  if (header.shape.length !== 1)
    throw fail('the array has the wrong shape', '[N]', `[${header.shape.join(', ')}]`);
  if ('view' in type) {
    if (!type.integer)
      throw fail('this type of values is not supported', TEXTS_OR_NUMBERS.words, header.descr);
    const { exactly } = parseNpy(bytes, file, name);
    return Array.from({ length: count }, (_, i) => exactly(i));
  }
  const { itemSize, decode } = type;
  const data = Buffer.from(bytes.buffer, bytes.byteOffset + dataOffset, count * itemSize);
  return Array.from({ length: count }, (_, i) => {
    const text = decode(data.subarray(i * itemSize, (i + 1) * itemSize));
    if (text === undefined) throw fail(`item ${i} is not text`, 'Unicode code points', header.descr);
    return text;
  });
}

function headerText(
  bytes: Uint8Array,
  fail: (message: string, expected?: string, got?: string) => UserError,
) {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (data.length < 12 || data.toString('latin1', 0, 6) !== MAGIC) throw fail('this is not .npy data');
  const version = data[6];
  if (version < 1 || version > 3) throw fail('unknown .npy version', '1, 2 or 3', String(version));
  const start = version === 1 ? 10 : 12;
  const dataOffset = start + (version === 1 ? data.readUInt16LE(8) : data.readUInt32LE(8));
  if (dataOffset > data.length) throw fail('the .npy header is cut off');
  return { text: data.toString(version === 3 ? 'utf8' : 'latin1', start, dataOffset), dataOffset };
}

/** An entry of the dict: a quoted key, then a string, a boolean or a tuple of sizes. */
const ENTRY =
  /\s*(['"])(descr|fortran_order|shape)\1\s*:\s*(?:'([^'"]*)'|"([^'"]*)"|(True|False)|\(([\d,\s]*)\))\s*(,|(?=\s*\}))/y;

function parseHeader(text: string): Header | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  let at = text.indexOf('{') + 1;
  let descr: string | undefined;
  let fortranOrder: boolean | undefined;
  let shape: readonly number[] | undefined;
  for (let i = 0; i < 3; i++) {
    ENTRY.lastIndex = at;
    const match = ENTRY.exec(text);
    if (match === null) return undefined;
    const [, , key, single, double, truth, tuple] = match;
    if (key === 'descr') descr = single ?? double;
    if (key === 'fortran_order' && truth !== undefined) fortranOrder = truth === 'True';
    if (key === 'shape') shape = parseShape(tuple);
    at = ENTRY.lastIndex;
  }
  if (!/^\s*\}\s*$/.test(text.slice(at))) return undefined;
  if (descr === undefined || fortranOrder === undefined || shape === undefined) return undefined;
  return { descr, fortranOrder, shape };
}

function parseShape(tuple: string | undefined): readonly number[] | undefined {
  if (tuple === undefined) return undefined;
  if (tuple.trim() === '') return [];
  const parts = tuple.split(',').map(part => part.trim());
  // A tuple of one needs a comma: `(3)` is a number in Python.
  if (parts.length === 1) return undefined;
  if (parts.at(-1) === '') parts.pop();
  if (parts.length > MAX_RANK || parts.some(part => !/^\d{1,15}$/.test(part))) return undefined;
  return parts.map(Number);
}

function viewOf(bytes: Uint8Array, count: number, type: Dtype): NumberArray {
  if (bytes.byteOffset % type.itemSize === 0) return type.view(bytes.buffer, bytes.byteOffset, count);
  // `from` copies a Buffer too; its `slice` would return a view
  return type.view(Uint8Array.from(bytes).buffer, 0, count);
}

/** Copies `bytes` with the byte order of each item reversed. */
function swapped(bytes: Uint8Array, itemSize: number): ArrayBuffer {
  const copy = new Uint8Array(bytes);
  const view = Buffer.from(copy.buffer);
  if (itemSize === 2) view.swap16();
  if (itemSize === 4) view.swap32();
  if (itemSize === 8) view.swap64();
  return copy.buffer;
}

function uint64AsDoubles(buffer: ArrayBufferLike, offset: number, count: number): Float64Array {
  const words = new Uint32Array(buffer, offset, 2 * count);
  return Float64Array.from({ length: count }, (_, i) => words[2 * i + 1] * 2 ** 32 + words[2 * i]);
}

function int64AsDoubles(buffer: ArrayBufferLike, offset: number, count: number): Float64Array {
  const words = new Int32Array(buffer, offset, 2 * count);
  return Float64Array.from({ length: count }, (_, i) => words[2 * i + 1] * 2 ** 32 + (words[2 * i] >>> 0));
}

/** Position in Fortran order of the value at `index` in C order. */
function fortranIndex(index: number, shape: readonly number[]): number {
  let stride = shape.reduce((product, size) => product * size, 1);
  let rest = index;
  let at = 0;
  for (const size of shape.toReversed()) {
    stride /= size;
    at += (rest % size) * stride;
    rest = Math.floor(rest / size);
  }
  return at;
}

/** Rearranges values from Fortran order (first index varies fastest) to C order (last index). */
function fromFortranOrder(values: NumberArray, shape: readonly number[]): NumberArray {
  const strides: number[] = [];
  shape.reduce((stride, size) => {
    strides.push(stride);
    return stride * size;
  }, 1);
  const out = values.slice();
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < out.length; to++) {
    out[to] = values[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}
