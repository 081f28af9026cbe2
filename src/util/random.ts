/**
 * The only source of randomness: xoroshiro128+ streams split from a seed. Every consumer requests
 * its own stream by name, so that a new draw in one place never shifts the draws of another.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';
import type { JumpableRandomGenerator } from 'pure-rand/types/JumpableRandomGenerator';

/** A generator's complete state: four 32-bit integers. */
export type RandomState = readonly number[];

export class RandomStream {
  private constructor(private readonly generator: JumpableRandomGenerator) {}

  static of(seed: number, name: string): RandomStream {
    return RandomStream.restore(wordsOf(seed, name).slice(0, 4));
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
    [this.seed] = wordsOf(seed, name);
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

/** The SHA-256 of a seed and a name, as eight little-endian words. */
function wordsOf(seed: number, name: string): number[] {
  const digest = new DataView(sha256(new TextEncoder().encode(`${seed}/${name}`)).buffer);
  return Array.from({ length: 8 }, (_, i) => digest.getInt32(4 * i, true));
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
