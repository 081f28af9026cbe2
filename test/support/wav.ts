/** WAV files, written independently of the reader. */

export interface WavOptions {
  readonly rate?: number;
  readonly channels?: number;
}

/** 16-bit PCM. @param samples of all channels in turn, -1 to 1 */
export function wav(samples: readonly number[], { rate = 8000, channels = 1 }: WavOptions = {}): Buffer {
  const head = Buffer.alloc(44);
  head.write('RIFF....WAVEfmt ', 'latin1');
  head.writeUInt32LE(36 + 2 * samples.length, 4);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(channels, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(2 * channels * rate, 28);
  head.writeUInt16LE(2 * channels, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36, 'latin1');
  head.writeUInt32LE(2 * samples.length, 40);
  const data = Int16Array.from(samples, sample => Math.round(sample * 32767));
  return Buffer.concat([head, new Uint8Array(data.buffer)]);
}

/** A sine with an overtone. */
export const tone = (hertz: number, length: number, rate = 8000): number[] =>
  Array.from({ length }, (_, i) => {
    const phase = (2 * Math.PI * hertz * i) / rate;
    return 0.4 * Math.sin(phase) + 0.1 * Math.sin(3 * phase);
  });
