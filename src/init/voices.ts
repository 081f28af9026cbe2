/** Recordings that `init --template voice` writes: vowels that glide into another. */

import { RandomStream } from '../util/random.js';
import { wavBytes } from '../util/wav.js';

const RATE = 8000;
/** First three formants of vowels, in hertz (Peterson and Barney, 1952). */
const VOWELS = { a: [730, 1090, 2440], i: [270, 2290, 3010], u: [300, 870, 2240] } as const;
const BANDWIDTHS = [60, 90, 150];
const WORDS = [
  ['a', 'i'],
  ['i', 'a'],
  ['a', 'u'],
  ['u', 'a'],
  ['i', 'u'],
  ['u', 'i'],
] as const;
const SPEAKERS = ['anna', 'ben', 'carla', 'dan', 'eva', 'finn', 'gina', 'hugo'];
const TAKES = 4;

/** The recordings by name: words by speakers who each have a pitch and a size of their own. */
export function voices(): Map<string, Uint8Array> {
  const random = RandomStream.of(0, 'init voices');
  const recordings = new Map<string, Uint8Array>();
  for (const speaker of SPEAKERS) {
    const [pitch, size] = [100 + 120 * random.uniform(), 0.9 + 0.2 * random.uniform()];
    for (const word of WORDS)
      for (let take = 1; take <= TAKES; take++)
        recordings.set(
          `${word.join('')}_${speaker}_${take}.wav`,
          wavBytes(spoken(word, pitch, size, random), RATE),
        );
  }
  return recordings;
}

/**
 * A train of pulses through a resonator for each formant (Klatt, Software for a cascade/parallel
 * formant synthesizer, 1980), which moves from that of the first vowel to that of the second.
 */
function spoken(
  [from, to]: (typeof WORDS)[number],
  pitch: number,
  size: number,
  random: RandomStream,
): Float64Array {
  const length = Math.round(RATE * (0.25 + 0.15 * random.uniform()));
  const [start, ownPitch] = [0.2 + 0.2 * random.uniform(), pitch * (0.9 + 0.2 * random.uniform())];
  const [last, before] = [new Float64Array(BANDWIDTHS.length), new Float64Array(BANDWIDTHS.length)];
  const samples = new Float64Array(length);
  let phase = 0;
  for (let n = 0; n < length; n++) {
    const moved = Math.min(1, Math.max(0, (n / length - start) / 0.4));
    phase += ownPitch / RATE;
    let sample = phase >= 1 ? 1 : 0;
    phase %= 1;
    for (const [k, bandwidth] of BANDWIDTHS.entries()) {
      const hertz = size * (VOWELS[from][k] * (1 - moved) + VOWELS[to][k] * moved);
      const decay = Math.exp((-Math.PI * bandwidth) / RATE);
      const turn = 2 * decay * Math.cos((2 * Math.PI * hertz) / RATE);
      sample = (1 - turn + decay ** 2) * sample + turn * last[k] - decay ** 2 * before[k];
      [before[k], last[k]] = [last[k], sample];
    }
    samples[n] = sample * Math.sin((Math.PI * n) / length) + 0.001 * random.normal();
  }
  const loudest = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  return samples.map(sample => (0.5 * sample) / loudest);
}
