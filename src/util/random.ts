/**
 * The only source of randomness: xoroshiro128+ streams split from a seed. Every consumer requests
 * its own stream by name, so that a new draw in one place never shifts the draws of another.
 */
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';
import type { JumpableRandomGenerator } from 'pure-rand/types/JumpableRandomGenerator';

/** A generator's complete state: four 32-bit integers. */
export type RandomState = readonly number[];

export class RandomStream {
  private constructor(private readonly generator: JumpableRandomGenerator) {}

  static of(seed: number, name: string): RandomStream {
    return RandomStream.restore(Array.from(sha256(`${seed}/${name}`).subarray(0, 4), littleEndian));
  }

  static restore(state: RandomState): RandomStream {
    return new RandomStream(xoroshiro128plusFromState(state));
  }

  get state(): RandomState {
    return this.generator.getState();
  }

  /** Uniform in [0, 1) with 53 random bits. */
  uniform(): number {
    const high = this.generator.next() >>> 5;
    const low = this.generator.next() >>> 6;
    return (high * 0x4000000 + low) / 0x20000000000000;
  }

  /** Normal with mean 0 and variance 1: Box and Muller (1958). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Uniform in [0, bound), for a bound of at most 2^32. */
  integer(bound: number): number {
    return Math.floor(this.uniform() * bound);
  }

  /** Fisher-Yates, in place. */
  shuffle(values: Uint32Array): Uint32Array {
    for (let i = values.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const kept = values[i];
      values[i] = values[j];
      values[j] = kept;
    }
    return values;
  }
}

/**
 * Random numbers as a function of counters, such as the step and row of a dropout mask: equal in
 * any order of computation. The mixing is the finalizer of MurmurHash3 (Appleby, 2011).
 */
export class CounterRandom {
  private readonly seed: number;

  constructor(seed: number, name: string) {
    this.seed = littleEndian(sha256(`${seed}/${name}`)[0]);
  }

  /** A key for {@link uniform}, which depends on each of `counters` and on their order. */
  key(...counters: readonly number[]): number {
    return counters.reduce((key, counter) => mix(key ^ mix(counter + GOLDEN)), this.seed);
  }
}

/** Uniform in [0, 1) with 32 random bits. */
export function uniform(key: number, counter: number): number {
  return (mix(key ^ mix(counter + GOLDEN)) >>> 0) / 0x100000000;
}

/** `word` with its bytes in reverse. */
function littleEndian(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

/** 2^32 over the golden ratio: neighbouring counters differ in many bits. */
const GOLDEN = 0x9e3779b9;

/** The finalizer of MurmurHash3 (Appleby, 2011). */
export function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** The first 32 bits of the fractional part of `root` of each of the first `count` primes. */
function ofPrimes(count: number, root: (prime: number) => number): Int32Array {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n++) if (primes.every(prime => n % prime !== 0)) primes.push(n);
  return Int32Array.from(primes, prime => (root(prime) % 1) * 2 ** 32);
}

const START = ofPrimes(8, Math.sqrt);
const ROUNDS = ofPrimes(64, Math.cbrt);

const rotated = (word: number, by: number) => (word >>> by) | (word << (32 - by));

/** The digest of the UTF-8 of `text`, as eight big-endian words. */
function sha256(text: string): Int32Array {
  const bytes = new TextEncoder().encode(text);
  const padded = new DataView(new ArrayBuffer(64 * Math.ceil((bytes.length + 9) / 64)));
  for (const [at, byte] of bytes.entries()) padded.setUint8(at, byte);
  padded.setUint8(bytes.length, 0x80);
  padded.setUint32(padded.byteLength - 4, 8 * bytes.length);
  const state = START.slice();
  const w = new Int32Array(64);
  for (let block = 0; block < padded.byteLength; block += 64) {
    for (let t = 0; t < 16; t++) w[t] = padded.getInt32(block + 4 * t);
    for (let t = 16; t < 64; t++) {
      const [a, b] = [w[t - 15], w[t - 2]];
      const early = rotated(a, 7) ^ rotated(a, 18) ^ (a >>> 3);
      const late = rotated(b, 17) ^ rotated(b, 19) ^ (b >>> 10);
      w[t] = w[t - 16] + early + w[t - 7] + late;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let t = 0; t < 64; t++) {
      const choice = (e & f) ^ (~e & g);
      const first = h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + choice + ROUNDS[t] + w[t];
      const two = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + two) | 0];
    }
    for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) state[i] += word;
  }
  return state;
}
