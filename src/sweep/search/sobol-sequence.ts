/**
 * Sobol's low-discrepancy sequence in [0, 1)^d, scrambled: I. M. Sobol, USSR Comput. Math. Math.
 * Phys. 7 (1967); the scrambling is Matoušek's, "On the L2-discrepancy for anchored boxes", J.
 * Complexity 14 (1998): a random lower triangular matrix over GF(2) with ones on its diagonal, then
 * a random shift of the digits. It keeps the sequence a (t, s)-sequence, and makes every point
 * uniformly distributed.
 */
import type { RandomStream } from '../../util/random.js';
import { DIRECTION_NUMBERS } from './direction-numbers.js';

/** Number of dimensions with direction numbers. */
export const MAX_SOBOL_DIMENSIONS = DIRECTION_NUMBERS.length + 1;

const BITS = 32;
/** 2^-32. */
const UNIT = 2 ** -BITS;

export interface SobolSequence {
  /** Coordinate `dimension` of point `index`, both from 0; `index` is below 2^32. */
  coordinate(index: number, dimension: number): number;
}

/**
 * @param dimensions at most MAX_SOBOL_DIMENSIONS
 * @param random for scrambling; without it the sequence is as published, and point 0 is the origin
 */
export function sobolSequence(dimensions: number, random?: RandomStream): SobolSequence {
  const directions = Array.from({ length: dimensions }, (_, d) => directionsOf(d));
  const shifts = new Uint32Array(dimensions);
  if (random)
    for (let d = 0; d < dimensions; d++) {
      directions[d] = scrambled(directions[d], random);
      shifts[d] = random.integer(2 ** BITS);
    }
  return {
    coordinate(index, dimension) {
      let bits = shifts[dimension];
      // Gray code (Antonov and Saleev 1979): the order in which other programs list the points
      const gray = (index ^ (index >>> 1)) >>> 0;
      for (let k = 0; k < BITS; k++) if ((gray >>> k) & 1) bits ^= directions[dimension][k];
      return (bits >>> 0) * UNIT;
    },
  };
}

/**
 * v_k = m_k / 2^k as 32-bit fractions, by the recurrence of the dimension's polynomial; all m_k are
 * 1 in the first dimension.
 */
function directionsOf(dimension: number): Uint32Array {
  const v = new Uint32Array(BITS);
  if (dimension === 0) return v.map((_, k) => 2 ** (BITS - 1 - k));
  const [polynomial, initial] = DIRECTION_NUMBERS[dimension - 1];
  const degree = initial.length;
  for (let k = 0; k < BITS; k++) {
    if (k < degree) {
      v[k] = initial[k] * 2 ** (BITS - 1 - k);
      continue;
    }
    v[k] = v[k - degree] ^ (v[k - degree] >>> degree);
    for (let j = 1; j < degree; j++) if ((polynomial >>> (degree - j)) & 1) v[k] ^= v[k - j];
  }
  return v;
}

/**
 * Multiplies the direction numbers by a random matrix: digit i becomes itself plus a random sum of
 * the digits before it.
 */
function scrambled(directions: Uint32Array, random: RandomStream): Uint32Array {
  const rows = Uint32Array.from({ length: BITS }, (_, digit) => {
    const diagonal = 2 ** (BITS - 1 - digit);
    const before = digit === 0 ? 0 : random.integer(2 ** digit) * 2 ** (BITS - digit);
    return before + diagonal;
  });
  return directions.map(v => {
    let result = 0;
    for (let digit = 0; digit < BITS; digit++) if (parity(rows[digit] & v)) result += 2 ** (BITS - 1 - digit);
    return result;
  });
}

function parity(bits: number): number {
  let folded = bits;
  for (let shift = 16; shift > 0; shift >>>= 1) folded ^= folded >>> shift;
  return folded & 1;
}
