/**
 * TensorBoard's event files: records (length, masked CRC, data, masked CRC, as in TFRecord) of
 * protocol buffers, encoded by field number after tensorboard/compat/proto/event.proto,
 * summary.proto, tensor.proto and tensorboard/plugins/hparams/plugin_data.proto. All times are in
 * seconds since 1970.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** The value of a hyperparameter. */
export type Hyperparameter = string | number | boolean;

/** From hparams/api.proto. */
export const SESSION_STATUS = { unknown: 0, success: 1, failure: 2, running: 3 } as const;

const field = (number: number, type: WireType) => new BinaryWriter().tag(number, type);
const double = (number: number, value: number) => field(number, WireType.Bit64).double(value).finish();
const integer = (number: number, value: number) => field(number, WireType.Varint).int64(value).finish();
const string = (number: number, value: string) =>
  field(number, WireType.LengthDelimited).string(value).finish();
const message = (number: number, ...fields: readonly Uint8Array[]) =>
  field(number, WireType.LengthDelimited).bytes(Buffer.concat(fields)).finish();

/** The first event of each file, which marks it as an event file. */
export function fileVersion(wallTime: number): Uint8Array {
  return Buffer.concat([double(1, wallTime), string(3, 'brain.Event:2')]);
}

/** An event with the values of one step. */
export function summaryEvent(wallTime: number, step: number, values: readonly Uint8Array[]): Uint8Array {
  const summary = message(5, ...values.map(value => message(1, value)));
  return Buffer.concat([double(1, wallTime), integer(2, step), summary]);
}

/** One number; TensorBoard's scalars plugin needs no metadata for it. */
export function scalar(tag: string, value: number): Uint8Array {
  // the writer rejects numbers beyond float32; rounded, they are infinite
  const simple = field(2, WireType.Bit32).float(Math.fround(value)).finish();
  return Buffer.concat([string(1, tag), simple]);
}

const DT_FLOAT = 1;
const DT_STRING = 7;

/** Markdown text for the text plugin. */
export function text(tag: string, markdown: string): Uint8Array {
  const tensor = [integer(1, DT_STRING), message(2, message(2, integer(1, 1))), string(8, markdown)];
  return pluginValue(tag, tensor, 'text', []);
}

/** @param group of sessions that differ only in the seed */
export function sessionStart(
  hyperparameters: readonly (readonly [name: string, value: Hyperparameter])[],
  group: string,
  started: number,
): Uint8Array {
  const entries = hyperparameters.map(([name, value]) =>
    message(1, string(1, name), message(2, protobufValue(value))),
  );
  const info = message(3, ...entries, string(4, group), double(5, started));
  return pluginValue('_hparams_/session_start_info', NO_TENSOR, 'hparams', [info]);
}

export function sessionEnd(status: keyof typeof SESSION_STATUS, ended: number): Uint8Array {
  const info = message(4, integer(1, SESSION_STATUS[status]), double(2, ended));
  return pluginValue('_hparams_/session_end_info', NO_TENSOR, 'hparams', [info]);
}

const NO_TENSOR = [integer(1, DT_FLOAT), message(2, message(2, integer(1, 0)))];

type Fields = readonly Uint8Array[];

/** A Summary.Value with the name of its plugin. */
function pluginValue(tag: string, tensor: Fields, plugin: string, content: Fields): Uint8Array {
  const metadata = message(9, message(1, string(1, plugin), message(2, ...content)));
  return Buffer.concat([string(1, tag), message(8, ...tensor), metadata]);
}

/** A google.protobuf.Value. */
function protobufValue(value: Hyperparameter): Uint8Array {
  if (typeof value === 'number') return double(2, value);
  return typeof value === 'string' ? string(3, value) : integer(4, Number(value));
}

const LENGTH_BYTES = 8;
const CRC_BYTES = 4;

/** An event as a record of a file. */
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

/**
 * CRC-32C (Castagnoli), as in RFC 3720, appendix B.4: reflected polynomial 0x82F63B78. Node's zlib
 * only has the other CRC-32.
 */

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC of `bytes` from `from` to `to` (exclusive). */
export function crc32c(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let crc = 0xffffffff;
  for (let i = from; i < to; i++) crc = TABLE[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}
