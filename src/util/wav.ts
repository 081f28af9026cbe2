/** Writes WAV files; pages do, too. */

const HEADER_BYTES = 44;
const BYTES = 2;
const MOST = 2 ** (8 * BYTES - 1);

/** A WAV file of one channel with 16 bits per sample. @param samples -1 to 1 */
export function wavBytes(samples: ArrayLike<number>, rate: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES + BYTES * samples.length);
  bytes.set(new TextEncoder().encode('RIFF    WAVEfmt '));
  bytes.set(new TextEncoder().encode('data'), 36);
  const view = new DataView(bytes.buffer);
  const uint32 = [
    [4, bytes.length - 8],
    [16, 16], // bytes of the format
    [24, rate],
    [28, BYTES * rate],
    [40, BYTES * samples.length],
  ];
  const uint16 = [
    [20, 1], // PCM
    [22, 1], // channels
    [32, BYTES],
    [34, 8 * BYTES],
  ];
  for (const [at, value] of uint32) view.setUint32(at, value, true);
  for (const [at, value] of uint16) view.setUint16(at, value, true);
  for (let i = 0; i < samples.length; i++) {
    const value = Math.max(-MOST, Math.min(MOST - 1, Math.round(MOST * samples[i])));
    view.setInt16(HEADER_BYTES + BYTES * i, value, true);
  }
  return bytes;
}
