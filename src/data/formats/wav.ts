/**
 * Recordings in WAV files (RIFF and RF64): PCM, floating point, A-law and mu-law. Samples are read
 * by ranges, so that a long recording need not be in memory. Sizes in headers are never trusted.
 */

import { type Details, damagedError, type UserError, usageError } from '../../util/errors.js';
import { type ByteSource, beginning, STDIN_NAME } from '../reading/byte-sources.js';
import { AUDIO_NAME, MAX_RATE, MIN_RATE, RECORDING_NAME } from '../reading/facts.js';
import type { Bytes } from '../reading/ranged-file.js';

/** Returns the sample at `at` of `bytes`, -1 to 1 unless it is a floating-point number. */
type Decode = (bytes: DataView, at: number) => number;

interface Encoding {
  readonly bytes: number;
  readonly decode: Decode;
  /** True if a sample may be no finite float32 number. */
  readonly mayOverflow?: boolean;
}

const PCM = 1;
const FLOAT = 3;
const A_LAW = 6;
const MU_LAW = 7;
/** The encoding is in the first bytes of the subformat. */
const EXTENSIBLE = 0xfffe;

const SUBFORMAT = 24;

/** Encodings by tag, then by number of bits. */
const ENCODINGS: Readonly<Record<number, Readonly<Record<number, Encoding>>>> = {
  [PCM]: {
    8: { bytes: 1, decode: (bytes, at) => (bytes.getUint8(at) - 2 ** 7) / 2 ** 7 },
    16: { bytes: 2, decode: (bytes, at) => bytes.getInt16(at, true) / 2 ** 15 },
    24: {
      bytes: 3,
      decode: (bytes, at) => (bytes.getUint8(at) + bytes.getInt16(at + 1, true) * 2 ** 8) / 2 ** 23,
    },
    32: { bytes: 4, decode: (bytes, at) => bytes.getInt32(at, true) / 2 ** 31 },
  },
  [FLOAT]: {
    32: { bytes: 4, decode: (bytes, at) => bytes.getFloat32(at, true), mayOverflow: true },
    64: { bytes: 8, decode: (bytes, at) => bytes.getFloat64(at, true), mayOverflow: true },
  },
  [A_LAW]: { 8: tabled(aLaw) },
  [MU_LAW]: { 8: tabled(muLaw) },
};

function tabled(sampleOf: (code: number) => number): Encoding {
  const samples = Float64Array.from({ length: 256 }, (_, code) => sampleOf(code) / 2 ** 15);
  return { bytes: 1, decode: (bytes, at) => samples[bytes.getUint8(at)] };
}

/** A-law of ITU-T G.711, as a 16-bit sample: sign, 3 bits of exponent, 4 of mantissa. */
function aLaw(code: number): number {
  const bits = code ^ 0x55;
  const exponent = (bits >> 4) & 7;
  const mantissa = ((bits & 15) << 4) + 8;
  const size = exponent === 0 ? mantissa : (mantissa + 0x100) << (exponent - 1);
  return bits & 0x80 ? size : -size;
}

/** Mu-law of ITU-T G.711, as a 16-bit sample: the same fields, inverted. */
function muLaw(code: number): number {
  const bits = ~code;
  const size = ((((bits & 15) << 3) + 0x84) << ((bits >> 4) & 7)) - 0x84;
  return bits & 0x80 ? -size : size;
}

/** Sizes that programs write to a pipe: ffmpeg, and sox and espeak-ng. Others write 0. */
const UNKNOWN_SIZES: readonly number[] = [0xffffffff, 0x7ffff000];
/** Bytes that tell a WAV file from tables. */
export const MAGIC_BYTES = 4;
const RIFF_BYTES = 12;
const CHUNK_BYTES = 8;
const MIN_FORMAT_BYTES = 16;
const MAX_FORMAT_BYTES = 40;
/** Number of zeros after which the rest is taken for padding. */
const MAX_PADDING = 2 ** 12;
const CHUNK_NAME = /^[ -~]{4}$/;
/** ID3, which some programs append. */
const TAG = /^(?:TAG|ID3)$/;
/** Approximate number of bytes to decode at a time. */
const PIECE_BYTES = 2 ** 16;

/** First bytes of other formats, and the position of these bytes. */
const OTHERS: readonly (readonly [start: string, at: number, name: string])[] = [
  ['fLaC', 0, 'FLAC'],
  ['OggS', 0, 'Ogg'],
  ['ID3', 0, 'MP3'],
  ['\xff\xfb', 0, 'MP3'],
  ['\xff\xf3', 0, 'MP3'],
  ['ftyp', 4, 'MPEG-4'],
  ['FORM', 0, 'AIFF'],
  ['.snd', 0, 'AU'],
  ['RIFX', 0, 'big-endian WAV'],
];

export class WavFile {
  /** Samples per second. */
  readonly rate: number;
  readonly channels: number;
  /** Number of samples of each channel, at least 1. */
  readonly length: number;
  private readonly encoding: Encoding;
  private readonly start: number;

  /** @throws UserError (exit 5) if the header is damaged, or the encoding is not supported */
  constructor(private readonly source: Bytes) {
    const { format, data } = this.chunks();
    const tag = format.readUInt16LE(0);
    this.channels = format.readUInt16LE(2);
    this.rate = format.readUInt32LE(4);
    const [frame, bits] = [format.readUInt16LE(12), format.readUInt16LE(14)];
    const isExtensible = tag === EXTENSIBLE && format.length >= MAX_FORMAT_BYTES;
    const encoding = ENCODINGS[isExtensible ? format.readUInt16LE(SUBFORMAT) : tag]?.[bits];
    if (encoding === undefined) {
      throw this.damage('the encoding of the recording is not supported', {
        expected: `PCM, floating point, A-law or mu-law; to convert it: ${conversion(source.name)}`,
        got: `format ${tag} with ${bits} bits`,
      });
    }
    if (this.channels === 0) throw this.damage('the recording has no channels');
    if (this.rate < MIN_RATE || this.rate > MAX_RATE)
      throw this.damage('the sample rate is out of range', {
        expected: `${MIN_RATE} to ${MAX_RATE} Hz`,
        got: `${this.rate} Hz`,
      });
    if (frame !== this.channels * encoding.bytes) {
      throw this.damage('the header contradicts itself', {
        expected: `${this.channels * encoding.bytes} bytes per sample of all channels`,
        got: `${frame}`,
      });
    }
    this.encoding = encoding;
    this.start = data.from;
    const rest = (data.to - data.from) % frame;
    this.length = (data.to - data.from - rest) / frame;
    if (rest > 0 && !data.isOpen)
      throw this.damage('the recording ends within a sample', { offset: data.to - rest });
    if (this.length === 0) throw this.damage('the recording has no samples', { offset: data.from });
  }

  /**
   * Yields the samples from `from` to `to` in pieces.
   * @param channel absent: the mean of all channels
   */
  *samples(range: SampleRange = {}): Generator<Float64Array, void> {
    const { from = 0, to = this.length, channel } = range;
    const { source, channels, start, encoding } = this;
    if (channel !== undefined && channel >= channels)
      throw this.damage(`the recording has no channel ${channel}`, { got: `${channels} channels` });
    const frame = channels * encoding.bytes;
    const most = Math.max(1, Math.floor(PIECE_BYTES / frame));
    for (let at = from; at < to; at += most) {
      const end = Math.min(to, at + most);
      const piece = source.readNow({ from: start + at * frame, to: start + end * frame });
      const samples = decoded(piece, encoding, channels, channel);
      for (let i = 0; encoding.mayOverflow && i < samples.length; i++) {
        if (Number.isFinite(Math.fround(samples[i]))) continue;
        const offset = start + (at + i) * frame;
        throw damagedError('data/not-finite', 'a sample is not a finite float32 number', {
          file: source.name,
          offset,
          got: String(samples[i]),
        });
      }
      yield samples;
    }
  }

  /** Finds the format of the samples, and where they are. */
  private chunks() {
    const { source } = this;
    if (source.size === 0) throw this.damage('the file is empty');
    const head = source.readNow({ from: 0, to: Math.min(RIFF_BYTES, source.size) });
    if (isWav(head) && head.length < RIFF_BYTES) throw this.cut(0, RIFF_BYTES);
    if (!isWav(head) || head.toString('latin1', 8) !== 'WAVE') throw otherFormat(source.name, head);
    let [format, size64]: [Buffer | undefined, number | undefined] = [undefined, undefined];
    for (let at = RIFF_BYTES; at + CHUNK_BYTES <= source.size; ) {
      const header = this.read(at, CHUNK_BYTES);
      const [name, size] = [header.toString('latin1', 0, 4), header.readUInt32LE(4)];
      const from = at + CHUNK_BYTES;
      if (name === 'data') {
        if (format === undefined) break;
        // 0: the program that wrote the file was stopped, or could not go back to its header
        const isUnknown = UNKNOWN_SIZES.includes(size) || (size === 0 && !this.hasChunks(from));
        const isOpen = size64 === undefined && isUnknown;
        const to = isOpen ? source.size : from + (size === 0xffffffff ? (size64 ?? size) : size);
        if (to > source.size) throw this.cut(from, to - from);
        if (!isOpen && !this.hasChunks(to, size > 0)) {
          throw this.damage('the samples end here by the header, but what follows is no chunk', {
            offset: to,
            expected: `the size of all samples; to write it: ${withSize(source.name)}`,
            got: `${source.size - to} more bytes`,
          });
        }
        return { format, data: { from, to, isOpen } };
      }
      if (name === 'ds64') size64 = Number(this.read(from + 8, 8).readBigUInt64LE());
      if (name === 'fmt ' && size >= MIN_FORMAT_BYTES)
        format = Buffer.from(this.read(from, Math.min(size, MAX_FORMAT_BYTES)));
      // chunks begin at even offsets
      at = from + size + (size % 2);
    }
    throw this.damage(
      `the file has no ${format ? 'samples' : 'format'} (chunk "${format ? 'data' : 'fmt '}")`,
    );
  }

  /**
   * False if the bytes from `from` on are no chunks: then they are samples, and their size in the
   * header is too small.
   * @param mayBePadding true if they may also be zeros
   */
  private hasChunks(from: number, mayBePadding = false): boolean {
    const { source } = this;
    for (let at = from; at + CHUNK_BYTES <= source.size; ) {
      const rest = source.readNow({ from: at, to: Math.min(source.size, at + MAX_PADDING) });
      if (mayBePadding && rest.every(byte => byte === 0)) return true;
      // not all programs pad chunks to even sizes
      const start = [0, 1].find(skipped => CHUNK_NAME.test(rest.toString('latin1', skipped, skipped + 4)));
      if (start !== undefined && TAG.test(rest.toString('latin1', start, start + 3))) return true;
      if (start === undefined || start + CHUNK_BYTES > rest.length) return false;
      at += start + CHUNK_BYTES + rest.readUInt32LE(start + 4);
      if (at > source.size) return false;
    }
    return true;
  }

  private read(from: number, length: number): Buffer {
    const { source } = this;
    if (from + length > source.size) throw this.cut(from, length);
    return source.readNow({ from, to: from + length });
  }

  private cut(from: number, length: number): UserError {
    const [expected, got] = [length, Math.max(0, this.source.size - from)].map(size => `${size} bytes`);
    return this.damage('the file ends too early', { offset: from, expected, got });
  }

  /** The error (exit 5) with the place of the file. */
  damage(message: string, details: Details = {}): UserError {
    return damagedError('data/wav', message, { file: this.source.name, ...details });
  }
}

/**
 * Returns the complete samples of `piece`.
 * @param channel absent: the mean of all channels
 */
function decoded(
  piece: Buffer,
  { bytes, decode }: Encoding,
  channels: number,
  channel?: number,
): Float64Array {
  const view = new DataView(piece.buffer, piece.byteOffset, piece.length);
  const [first, count] = channel === undefined ? [0, channels] : [channel, 1];
  const frame = channels * bytes;
  const length = Math.floor(piece.length / frame);
  const samples = new Float64Array(length);
  for (let c = first; c < first + count; c++)
    for (let i = 0; i < length; i++) samples[i] += decode(view, i * frame + c * bytes);
  if (count > 1) for (let i = 0; i < length; i++) samples[i] /= count;
  return samples;
}

/**
 * Yields the samples of a stream without a header: PCM of 16 bits, little-endian, one channel. A
 * sample that is cut off at the end is left out.
 * @throws UserError (exit 2) if it is a WAV file
 */
export async function* rawSamples(given: ByteSource): AsyncGenerator<Float64Array, void> {
  const { start, source } = await beginning(given, MAGIC_BYTES);
  if (isWav(start)) {
    const message = 'the input is a WAV file, whose header has its rate';
    throw usageError('data/wav-header', message, { file: given.name, expected: 'no `--rate`' });
  }
  const encoding = ENCODINGS[PCM][16];
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source.chunks) {
    const all = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const samples = decoded(all, encoding, 1);
    yield samples;
    rest = all.subarray(samples.length * encoding.bytes);
  }
}

/** True for the first bytes of a WAV file. */
export function isWav(start: Buffer): boolean {
  return ['RIFF', 'RF64'].includes(start.toString('latin1', 0, MAGIC_BYTES));
}

export interface SampleRange {
  readonly from?: number;
  /** Exclusive. */
  readonly to?: number;
  readonly channel?: number | undefined;
}

function otherFormat(file: string, head: Buffer): UserError {
  const text = head.toString('latin1');
  const name = OTHERS.find(([start, at]) => text.startsWith(start, at))?.[2];
  const message = name ? `the file is ${name}, not WAV` : 'the file is not a WAV recording';
  return damagedError('data/audio-format', message, {
    file,
    expected: `WAV; to convert it: ${conversion(file)}${file === STDIN_NAME && !name ? '; samples without a header need --rate' : ''}`,
  });
}

/** Returns `files` without recordings in other formats that have a WAV file of the same name. */
export function unconverted(files: readonly string[]): string[] {
  const stemOf = (file: string): string => file.replace(/\.\w+(\.gz)?$/, '');
  const isOther = (file: string): boolean => AUDIO_NAME.test(file) && !RECORDING_NAME.test(file);
  const converted = new Set(files.filter(file => RECORDING_NAME.test(file)).map(stemOf));
  return files.filter(file => !isOther(file) || !converted.has(stemOf(file)));
}

/** The command that converts a file. */
function conversion(file: string): string {
  if (file === STDIN_NAME) return 'ffmpeg -i - -f wav - before it in the pipe';
  return `ffmpeg -i ${JSON.stringify(file)} ${JSON.stringify(besides(file))}`;
}

/** The command that writes the sizes of a file. */
function withSize(file: string): string {
  if (file === STDIN_NAME) return 'sox --ignore-length -t wav - -t wav - before it in the pipe';
  return `sox --ignore-length ${JSON.stringify(file)} ${JSON.stringify(besides(file))}`;
}

/** The name of a WAV file made of another one. */
function besides(file: string): string {
  return `${file.replace(/\.wav$/, '-pcm').replace(/\.\w+$/, '')}.wav`;
}
