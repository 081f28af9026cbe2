// Writes digit-strings/ beside this file: strings of 1 to 7 spoken digits, each by one speaker, joined from recordings of
// the Free Spoken Digit Dataset with random pauses. Takes 0 to 4 are the test split, 5 to 9 the validation split.
//   node configs/data/digit-strings.mjs [FOLDER]    # its recordings; 160 MB are written
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SPLITS = { train: { strings: 3000, takes: [10, 49] }, validation: { strings: 300, takes: [5, 9] }, test: { strings: 600, takes: [0, 4] } };
const LONGEST = 7;
const RATE = 8000;
/** Seconds before, between and after the digits, at most. */
const PAUSE = 0.4;
/** Largest sample of the noise of a quiet room, so that a pause is not silent. */
const NOISE = 30;
/** All recordings have the shortest header. */
const HEADER = 44;

const here = dirname(fileURLToPath(import.meta.url));
const recordings = process.argv[2] ?? join(here, 'free-spoken-digit-dataset/recordings');

/** Marsaglia's xorshift32 (2003): numbers from 0 to below 1. */
let state = 20261129;
function uniform() {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 2 ** 32;
}
const below = count => Math.floor(uniform() * count);
const drawn = list => list[below(list.length)];

const all = readdirSync(recordings).filter(name => name.endsWith('.wav')).sort().map(name => {
  const [digit, speaker, take] = name.replace('.wav', '').split('_');
  const bytes = readFileSync(join(recordings, name));
  return { digit, speaker, take: Number(take), samples: new Int16Array(bytes.buffer.slice(bytes.byteOffset + HEADER, bytes.byteOffset + bytes.length)) };
});
const speakers = [...new Set(all.map(({ speaker }) => speaker))];
const digits = [...new Set(all.map(({ digit }) => digit))];

/** A WAV file of 16 bits. */
function wav(samples) {
  const bytes = Buffer.alloc(HEADER + 2 * samples.length);
  bytes.write('RIFF');
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write('WAVEfmt ', 8);
  bytes.writeUInt32LE(16, 16);
  [1, 1].forEach((value, i) => bytes.writeUInt16LE(value, 20 + 2 * i));
  [RATE, 2 * RATE].forEach((value, i) => bytes.writeUInt32LE(value, 24 + 4 * i));
  [2, 16].forEach((value, i) => bytes.writeUInt16LE(value, 32 + 2 * i));
  bytes.write('data', 36);
  bytes.writeUInt32LE(2 * samples.length, 40);
  samples.forEach((sample, i) => bytes.writeInt16LE(sample, HEADER + 2 * i));
  return bytes;
}

for (const [split, { strings, takes: [first, last] }] of Object.entries(SPLITS)) {
  mkdirSync(join(here, 'digit-strings', split), { recursive: true });
  const rows = ['file,speaker,digits,ends'];
  for (let i = 0; i < strings; i++) {
    const speaker = drawn(speakers);
    const parts = Array.from({ length: 1 + below(LONGEST) }, () => {
      const digit = drawn(digits);
      return drawn(all.filter(one => one.speaker === speaker && one.digit === digit && one.take >= first && one.take <= last));
    });
    const joined = [];
    const ends = [];
    const pause = () => joined.push(...new Int16Array(below(PAUSE * RATE)));
    pause();
    for (const { samples } of parts) {
      for (const sample of samples) joined.push(sample);
      ends.push(joined.length / RATE);
      pause();
    }
    const noisy = joined.map(sample => Math.max(-32768, Math.min(32767, sample + below(2 * NOISE + 1) - NOISE)));
    const file = `${split}/${String(i).padStart(4, '0')}.wav`;
    writeFileSync(join(here, 'digit-strings', file), wav(noisy));
    rows.push([file, speaker, parts.map(({ digit }) => digit).join(''), ends.join(' ')].join());
  }
  const path = join(here, 'digit-strings', `${split}.csv`);
  writeFileSync(path, `${rows.join('\n')}\n`);
  console.log(`${path}: ${strings} strings`);
}
