/**
 * TensorBoard's event files: records (length, masked CRC, data, masked CRC, as in TFRecord) of
 * protocol buffers, encoded by field number after tensorboard/compat/proto/event.proto,
 * summary.proto, tensor.proto and tensorboard/plugins/hparams/plugin_data.proto.
 */

import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { AtomicFile } from '../../run/files.js';

/** Records are small, so they are buffered up to this size. */
const CHUNK_BYTES = 1 << 16;

/** A file that is written piece by piece and appears under its name when complete. */
export class EventFile {
  private readonly file: AtomicFile;
  private waiting: Uint8Array[] = [];
  private bytes = 0;

  /**
   * `opened` is in seconds since 1970. During writing, the file has a name that TensorBoard
   * ignores. All methods throw the same error.
   * @throws UserError (exit 1) if the file cannot be written
   */
  constructor(path: string, opened: number) {
    this.file = AtomicFile.create(path, 'events');
    this.add(fileVersion(opened));
  }

  /** @param event a serialized Event */
  add(event: Uint8Array): void {
    const record = frame(event);
    this.waiting.push(record);
    this.bytes += record.length;
    if (this.bytes >= CHUNK_BYTES) this.hand();
  }

  commit(): void {
    this.hand();
    this.file.commit();
  }

  discard(): void {
    this.file.discard();
  }

  private hand(): void {
    this.file.write(Buffer.concat(this.waiting));
    this.waiting = [];
    this.bytes = 0;
  }
}

/** The value of a hyperparameter. */
export type Hyperparameter = string | number | boolean;

/** From hparams/api.proto. */
export const SESSION_STATUS = { unknown: 0, success: 1, failure: 2, running: 3 } as const;

export interface SessionStart {
  readonly hyperparameters: ReadonlyMap<string, Hyperparameter>;
  /** Sessions of one group differ only in the seed. */
  readonly group: string;
  /** Seconds since 1970. */
  readonly started: number;
}

/** The first event of each file, which marks it as an event file. */
function fileVersion(wallTime: number): Uint8Array {
  const event = new BinaryWriter().tag(1, WireType.Bit64).double(wallTime);
  return event.tag(3, WireType.LengthDelimited).string('brain.Event:2').finish();
}

/** An event with the values of one step. `wallTime` is in seconds since 1970. */
export function summaryEvent(wallTime: number, step: number, values: readonly Uint8Array[]): Uint8Array {
  const summary = new BinaryWriter();
  for (const value of values) summary.tag(1, WireType.LengthDelimited).bytes(value);
  const event = new BinaryWriter()
    .tag(1, WireType.Bit64)
    .double(wallTime)
    .tag(2, WireType.Varint)
    .int64(step);
  return event.tag(5, WireType.LengthDelimited).bytes(summary.finish()).finish();
}

/** One number; TensorBoard's scalars plugin needs no metadata for it. */
export function scalar(tag: string, value: number): Uint8Array {
  const written = new BinaryWriter().tag(1, WireType.LengthDelimited).string(tag);
  // the writer rejects numbers beyond float32; rounded, they are infinite
  return written.tag(2, WireType.Bit32).float(Math.fround(value)).finish();
}

/** Markdown text for the text plugin. */
export function text(tag: string, markdown: string): Uint8Array {
  const tensor = new BinaryWriter().tag(1, WireType.Varint).int32(DT_STRING);
  tensor.tag(2, WireType.LengthDelimited).bytes(shape(1));
  tensor.tag(8, WireType.LengthDelimited).string(markdown);
  return pluginValue(tag, tensor.finish(), 'text', new Uint8Array());
}

export function sessionStart({ hyperparameters, group, started }: SessionStart): Uint8Array {
  const info = new BinaryWriter();
  for (const [name, value] of hyperparameters) {
    const entry = new BinaryWriter().tag(1, WireType.LengthDelimited).string(name);
    entry.tag(2, WireType.LengthDelimited).bytes(protobufValue(value));
    info.tag(1, WireType.LengthDelimited).bytes(entry.finish());
  }
  info.tag(4, WireType.LengthDelimited).string(group).tag(5, WireType.Bit64).double(started);
  return hparams('_hparams_/session_start_info', 3, info.finish());
}

/** `ended` in seconds since 1970. */
export function sessionEnd(status: keyof typeof SESSION_STATUS, ended: number): Uint8Array {
  const info = new BinaryWriter().tag(1, WireType.Varint).int32(SESSION_STATUS[status]);
  return hparams('_hparams_/session_end_info', 4, info.tag(2, WireType.Bit64).double(ended).finish());
}

const DT_FLOAT = 1;
const DT_STRING = 7;

/** @param field field number of `info` in HParamsPluginData */
function hparams(tag: string, field: number, info: Uint8Array): Uint8Array {
  const content = new BinaryWriter().tag(field, WireType.LengthDelimited).bytes(info).finish();
  const tensor = new BinaryWriter().tag(1, WireType.Varint).int32(DT_FLOAT);
  return pluginValue(
    tag,
    tensor.tag(2, WireType.LengthDelimited).bytes(shape(0)).finish(),
    'hparams',
    content,
  );
}

/** A Summary.Value with the name of its plugin. */
function pluginValue(tag: string, tensor: Uint8Array, plugin: string, content: Uint8Array): Uint8Array {
  const data = new BinaryWriter().tag(1, WireType.LengthDelimited).string(plugin);
  data.tag(2, WireType.LengthDelimited).bytes(content);
  const metadata = new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(data.finish());
  const value = new BinaryWriter().tag(1, WireType.LengthDelimited).string(tag);
  value.tag(8, WireType.LengthDelimited).bytes(tensor);
  return value.tag(9, WireType.LengthDelimited).bytes(metadata.finish()).finish();
}

/** A TensorShapeProto of one dimension. */
function shape(size: number): Uint8Array {
  const dimension = new BinaryWriter().tag(1, WireType.Varint).int64(size).finish();
  return new BinaryWriter().tag(2, WireType.LengthDelimited).bytes(dimension).finish();
}

/** A google.protobuf.Value. */
function protobufValue(value: Hyperparameter): Uint8Array {
  const writer = new BinaryWriter();
  switch (typeof value) {
    case 'number':
      return writer.tag(2, WireType.Bit64).double(value).finish();
    case 'string':
      return writer.tag(3, WireType.LengthDelimited).string(value).finish();
    default:
      return writer.tag(4, WireType.Varint).bool(value).finish();
  }
}

const LENGTH_BYTES = 8;
const CRC_BYTES = 4;

/** `data` as a record. */
function frame(data: Uint8Array): Uint8Array {
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
