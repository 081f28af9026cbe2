/** Fields of protocol buffers, encoded by number. */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

const field = (number: number, type: WireType) => new BinaryWriter().tag(number, type);

export const double = (number: number, value: number) => field(number, WireType.Bit64).double(value).finish();
/** Numbers beyond float32, which the writer would refuse, become infinite. */
export const float = (number: number, value: number) =>
  field(number, WireType.Bit32).float(Math.fround(value)).finish();
export const integer = (number: number, value: number) =>
  field(number, WireType.Varint).int64(value).finish();
export const string = (number: number, value: string) =>
  field(number, WireType.LengthDelimited).string(value).finish();
export const bytes = (number: number, value: Uint8Array) =>
  field(number, WireType.LengthDelimited).bytes(value).finish();
export const message = (number: number, ...fields: readonly Uint8Array[]) =>
  bytes(number, Buffer.concat(fields));
