/**
 * The IDX format of the MNIST files: two zero bytes, a type byte, the number of dimensions, each
 * dimension as a big-endian 32-bit integer, then the values in C order, big-endian. (LeCun, Cortes,
 * Burges: THE MNIST DATABASE.)
 */
import { damagedError, type UserError } from '../../util/errors.js';
import { type ArrayForm, type ArrayPlace, arrayForm } from './npy-array.js';

const TYPES: Readonly<Record<number, string>> = {
  8: '|u1',
  9: '|i1',
  11: '>i2',
  12: '>i4',
  13: '>f4',
  14: '>f8',
};
const HEADER_BYTES = 4;

/**
 * Parses the header of an array.
 * @param head the start of the file, at least its header
 */
export function idxForm(head: Buffer, { file, bytes }: ArrayPlace): ArrayForm {
  const fail = (code: string, offset: number, message: string, expected: string, got: string): UserError =>
    damagedError({ code, message, file, offset, expected, got });
  const cutAt = (length: number) =>
    fail('data/truncated', bytes, 'the file ends too early', `${length} bytes or more`, `${bytes} bytes`);
  if (head.length < HEADER_BYTES) throw cutAt(HEADER_BYTES);
  const rank = head[3];
  const dataOffset = HEADER_BYTES + 4 * rank;
  const type = TYPES[head[2]];
  if (head.readUInt16BE(0) !== 0 || type === undefined || rank === 0) {
    const expected = '0x000008 and the number of dimensions (or another type: 09, 0b, 0c, 0d, 0e)';
    throw fail('data/idx-magic', 0, 'this is no IDX file', expected, `0x${head.toString('hex', 0, 4)}`);
  }
  if (head.length < dataOffset) throw cutAt(dataOffset);
  const shape = Array.from({ length: rank }, (_, i) => head.readUInt32BE(HEADER_BYTES + 4 * i));
  const form = arrayForm(type, { shape, dataOffset }) as ArrayForm;
  const expected = dataOffset + shape.reduce((product, size) => product * size, form.itemSize);
  if (bytes < expected) throw cutAt(expected);
  if (bytes === expected) return form;
  const message = `bytes follow the last value of ${shape.join(' x ')}`;
  throw fail('data/idx-length', expected, message, `${expected} bytes`, `${bytes} bytes`);
}
