/** Arrays of numbers in the formats .npy and IDX: their headers, and how to decode values. */
import { damagedError, type UserError } from '../../util/errors.js';

export type NumberArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

export interface ArrayForm {
  readonly shape: readonly number[];
  readonly integer: boolean;
  /** NumPy's name of the type, such as `<f4`. */
  readonly dtype: string;
  readonly itemSize: number;
  readonly dataOffset: number;
  readonly fortranOrder: boolean;
  /**
   * Decodes values; may return a view of `bytes`. 64-bit integers become doubles, exact up to 2^53.
   */
  decode(bytes: Uint8Array): NumberArray;
  exactly(item: Uint8Array): string;
}

export interface ArrayPlace {
  readonly file: string;
  readonly name: string;
  readonly bytes: number;
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
  ['<u8', { integer: true, itemSize: 8, view: (b, o, n) => asDoubles(new Uint32Array(b, o, 2 * n)) }],
  ['<i8', { integer: true, itemSize: 8, view: (b, o, n) => asDoubles(new Int32Array(b, o, 2 * n)) }],
] satisfies [string, Dtype][]);

const NUMBERS = `${[...DTYPES.keys()].join(', ')}, or > for <`;
const TEXTS = '<U8, |S8, or any other length, or integers';
const MAGIC = '\x93NUMPY';
const MAX_RANK = 32;

/** Undefined if the type is not supported. */
function arrayForm(
  dtype: string,
  { shape, dataOffset, fortranOrder = false }: Pick<ArrayForm, 'shape' | 'dataOffset'> & Partial<ArrayForm>,
): ArrayForm | undefined {
  const isBigEndian = dtype.startsWith('>');
  const type = DTYPES.get(dtype.replace('>', '<'));
  if (type === undefined) return undefined;
  const { integer, itemSize, view } = type;
  const decode = (bytes: Uint8Array): NumberArray => {
    const isView = !isBigEndian && bytes.byteOffset % itemSize === 0;
    // `from` copies a Buffer too; its `slice` would return a view
    const { buffer, byteOffset } = isView ? bytes : Uint8Array.from(bytes);
    if (isBigEndian) swap(Buffer.from(buffer), itemSize);
    return view(buffer, byteOffset, bytes.length / itemSize);
  };
  const exactly = (item: Uint8Array): string => {
    if (!integer || itemSize < 8) return String(decode(item)[0]);
    const data = new DataView(item.buffer, item.byteOffset);
    return String(data[dtype.endsWith('i8') ? 'getBigInt64' : 'getBigUint64'](0, !isBigEndian));
  };
  return { shape, dtype, integer, itemSize, dataOffset, fortranOrder, decode, exactly };
}

function swap(bytes: Buffer, itemSize: number): void {
  if (itemSize === 2) bytes.swap16();
  if (itemSize === 4) bytes.swap32();
  if (itemSize === 8) bytes.swap64();
}

/** @param words low and high words of 64-bit integers; the high ones have the sign */
function asDoubles(words: Uint32Array | Int32Array): Float64Array {
  const values = new Float64Array(words.length / 2);
  for (let i = 0; i < values.length; i++) {
    const low = words[2 * i];
    values[i] = words[2 * i + 1] * 2 ** 32 + (low < 0 ? low + 2 ** 32 : low);
  }
  return values;
}

export function isNpy(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, MAGIC.length) === MAGIC;
}

/**
 * Parses the header of an array of numbers in NumPy's .npy format, versions 1 to 3: magic, version,
 * header length, a Python dict literal with `descr`, `fortran_order` and `shape`. (NumPy
 * Enhancement Proposal 1.)
 * @param head the start of the array, at least its header
 */
export function npyForm(head: Buffer, place: ArrayPlace): ArrayForm {
  const { descr, ...header } = headerOf(head, place);
  const form = arrayForm(descr, header);
  if (form === undefined) throw damaged(place, 'this type of values is not supported', NUMBERS, descr);
  checkLength(form, place);
  return form;
}

/** @throws UserError (exit 5) if the values have another length than the header says */
function checkLength(
  { shape, itemSize, dataOffset }: Pick<ArrayForm, 'shape' | 'itemSize' | 'dataOffset'>,
  place: ArrayPlace,
): void {
  const expected = shape.reduce((product, size) => product * size, itemSize);
  const got = place.bytes - dataOffset;
  if (got !== expected)
    throw damaged(place, 'the data have the wrong length', `${expected} bytes`, `${got} bytes`);
}

/**
 * Parses an array `[N]` of texts (`U`: UTF-32, `S`: bytes; padded with zeros), or of integers,
 * which become their decimal digits.
 */
export function npyTexts(bytes: Buffer, place: ArrayPlace): readonly string[] {
  const { descr, shape, dataOffset } = headerOf(bytes, place);
  const [, order, letter, digits] = /^([<>|=]?)([US])(\d{1,4})$/.exec(descr) ?? [];
  const numbers = letter === undefined ? npyForm(bytes, place) : undefined;
  if (shape.length !== 1)
    throw damaged(place, 'the array has the wrong shape', '[N]', `[${shape.join(', ')}]`);
  if (numbers?.integer === false) throw damaged(place, 'this type of values is not supported', TEXTS, descr);
  const itemSize = numbers?.itemSize ?? (letter === 'U' ? 4 : 1) * Number(digits);
  checkLength({ shape, itemSize, dataOffset }, place);
  return Array.from({ length: shape[0] }, (_, i) => {
    const from = dataOffset + i * itemSize;
    const item = bytes.subarray(from, from + itemSize);
    if (numbers) return numbers.exactly(item);
    const text = letter === 'S' ? item.toString('utf8') : utf32(item, order === '>');
    if (text === undefined) throw damaged(place, `item ${i} is not text`, 'Unicode code points', descr);
    return text.replace(/\0+$/, '');
  });
}

function utf32(item: Buffer, isBigEndian: boolean): string | undefined {
  const codes: number[] = [];
  for (let at = 0; at < item.length; at += 4)
    codes.push(isBigEndian ? item.readUInt32BE(at) : item.readUInt32LE(at));
  return codes.some(code => code > 0x10ffff) ? undefined : String.fromCodePoint(...codes);
}

interface Header extends Pick<ArrayForm, 'shape' | 'dataOffset' | 'fortranOrder'> {
  readonly descr: string;
}

function headerOf(data: Buffer, place: ArrayPlace): Header {
  if (data.length < 12 || !isNpy(data)) throw damaged(place, 'this is not .npy data');
  const version = data[6];
  if (version < 1 || version > 3) throw damaged(place, 'unknown .npy version', '1, 2 or 3', String(version));
  const start = version === 1 ? 10 : 12;
  const dataOffset = npyHeaderBytes(data);
  if (dataOffset > data.length) throw damaged(place, 'the .npy header is truncated');
  const text = data.toString(version === 3 ? 'utf8' : 'latin1', start, dataOffset).trim();
  const header = dictOf(text);
  if (header) return { ...header, dataOffset };
  throw damaged(place, 'the .npy header is damaged', "a dict of 'descr', 'fortran_order' and 'shape'", text);
}

/** Size of the header that starts with `head`, at least 12 bytes. */
export function npyHeaderBytes(head: Buffer): number {
  return head[6] === 1 ? 10 + head.readUInt16LE(8) : 12 + head.readUInt32LE(8);
}

/** Reads the dict as JSON, after its literals have been rewritten. */
function dictOf(text: string): Omit<Header, 'dataOffset'> | undefined {
  const json = text
    .replaceAll("'", '"')
    .replaceAll(/\b(True|False)\b/g, word => word.toLowerCase())
    .replaceAll('(', '[')
    .replaceAll(')', ']')
    .replaceAll(/,\s*([\]}])/g, '$1');
  try {
    const { descr, fortran_order: fortranOrder, shape } = JSON.parse(json);
    const isSize = (size: unknown) => Number.isSafeInteger(size) && (size as number) >= 0;
    const isShape = Array.isArray(shape) && shape.length <= MAX_RANK && shape.every(isSize);
    if (typeof descr !== 'string' || typeof fortranOrder !== 'boolean' || !isShape) return undefined;
    return { descr, fortranOrder, shape };
  } catch {
    return undefined;
  }
}

function damaged({ file, name }: ArrayPlace, message: string, expected?: string, got?: string): UserError {
  return damagedError('data/npy', `array ${name}: ${message}`, { file, expected, got });
}

const IDX_TYPES: Readonly<Record<number, string>> = {
  8: '|u1',
  9: '|i1',
  11: '>i2',
  12: '>i4',
  13: '>f4',
  14: '>f8',
};
const IDX_HEADER_BYTES = 4;

/**
 * Parses the header of an array in the IDX format of the MNIST files: two zero bytes, a type byte,
 * the number of dimensions, each dimension as a big-endian 32-bit integer; then the values in C
 * order, big-endian. (LeCun, Cortes, Burges: THE MNIST DATABASE.)
 * @param head the start of the file, at least its header
 */
export function idxForm(head: Buffer, { file, bytes }: ArrayPlace): ArrayForm {
  const fail = (code: string, offset: number, message: string, expected: string, got: string): UserError =>
    damagedError(code, message, { file, offset, expected, got });
  const cutAt = (length: number) =>
    fail('data/truncated', bytes, 'the file ends too early', `${length} bytes or more`, `${bytes} bytes`);
  if (head.length < IDX_HEADER_BYTES) throw cutAt(IDX_HEADER_BYTES);
  const rank = head[3];
  const dataOffset = IDX_HEADER_BYTES + 4 * rank;
  const type = IDX_TYPES[head[2]];
  if (head.readUInt16BE(0) !== 0 || type === undefined || rank === 0) {
    const expected = '0x000008 and the number of dimensions (or another type: 09, 0b, 0c, 0d, 0e)';
    throw fail('data/idx-magic', 0, 'this is not an IDX file', expected, `0x${head.toString('hex', 0, 4)}`);
  }
  if (head.length < dataOffset) throw cutAt(dataOffset);
  const shape = Array.from({ length: rank }, (_, i) => head.readUInt32BE(IDX_HEADER_BYTES + 4 * i));
  const form = arrayForm(type, { shape, dataOffset }) as ArrayForm;
  const expected = dataOffset + shape.reduce((product, size) => product * size, form.itemSize);
  if (bytes < expected) throw cutAt(expected);
  if (bytes === expected) return form;
  const message = `bytes follow the last value of ${shape.join(' x ')}`;
  throw fail('data/idx-length', expected, message, `${expected} bytes`, `${bytes} bytes`);
}
