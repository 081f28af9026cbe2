/**
 * The framing of TensorBoard's files, same as TFRecord: length, its masked CRC, data, their masked
 * CRC; all little-endian.
 */
import { crc32c } from './crc32c.js';

const LENGTH_BYTES = 8;
const CRC_BYTES = 4;

/** `data` as a record. */
export function frame(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(LENGTH_BYTES + CRC_BYTES + data.length + CRC_BYTES);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(LENGTH_BYTES, masked(crc32c(record, 0, LENGTH_BYTES)), true);
  record.set(data, LENGTH_BYTES + CRC_BYTES);
  view.setUint32(record.length - CRC_BYTES, masked(crc32c(data)), true);
  return record;
}

/**
 * CRCs of data that contain CRCs are weak, so TensorFlow rotates them and adds a constant
 * (tsl/lib/hash/crc32c.h).
 */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
