/** Quasi-random search: a scrambled Sobol sequence fills the space evenly. */
import { usageError } from '../../util/errors.js';
import { RandomStream } from '../../util/random.js';
import { section, tag } from '../../util/schema.js';
import { listingSampler, MAX_DRAWS, pointAtFractions, searchMethod, Untried } from './grid.js';
import type { Point } from './space.js';

/**
 * Trial n is the n-th point of the sequence that `exclude` allows and, in a finite space, that is
 * new. The last points of a finite space, which the sequence reaches slowly, are drawn at random.
 * Each parameter has its own dimension, used or not.
 */
export const sobol = searchMethod({
  settings: section({ kind: tag('sobol', { description: 'Scrambled Sobol points.' }) }, {}),
  create(space, _, seed) {
    const dimensions = space.parameters.length;
    if (dimensions > MAX_SOBOL_DIMENSIONS) {
      const limit = `at most ${MAX_SOBOL_DIMENSIONS} parameters`;
      const more = { expected: `${limit}, or another method`, got: `${dimensions} parameters` };
      throw usageError('sweep/sobol-dimensions', `Sobol search supports ${limit}`, more);
    }
    const sequence = sobolSequence(dimensions, RandomStream.of(seed, 'sweep/sobol'));
    const untried = new Untried(space);
    let index = 0;
    const nextOfSequence = (): Point | undefined => {
      for (let refused = 0; refused < MAX_DRAWS; refused++) {
        const at = index++;
        const point = pointAtFractions(space, dimension => sequence.coordinate(at, dimension));
        if (untried.has(point)) return point;
      }
      return undefined;
    };
    return listingSampler(trial => {
      const point = nextOfSequence() ?? untried.draw(RandomStream.of(seed, `sweep/sobol/${trial}`));
      if (point) untried.take(point);
      return point;
    });
  },
});

const BITS = 32;
/** 2^-32. */
const UNIT = 2 ** -BITS;

/**
 * Sobol's low-discrepancy sequence in [0, 1)^d, scrambled: I. M. Sobol, USSR Comput. Math. Math.
 * Phys. 7 (1967); the scrambling is Matoušek's, "On the L2-discrepancy for anchored boxes", J.
 * Complexity 14 (1998): a random lower triangular matrix over GF(2) with ones on its diagonal, then
 * a random shift of the digits. It keeps the sequence a (t, s)-sequence, and makes every point
 * uniformly distributed.
 * @param dimensions at most MAX_SOBOL_DIMENSIONS
 * @param random for scrambling; without it the sequence is as published, and point 0 is the origin
 */
export function sobolSequence(dimensions: number, random?: RandomStream) {
  const directions = Array.from({ length: dimensions }, (_, d) => directionsOf(d));
  const shifts = new Uint32Array(dimensions);
  if (random)
    for (let d = 0; d < dimensions; d++) {
      directions[d] = scrambled(directions[d], random);
      shifts[d] = random.integer(2 ** BITS);
    }
  return {
    /** Coordinate `dimension` of point `index`, both from 0; `index` is below 2^32. */
    coordinate(index: number, dimension: number): number {
      let bits = shifts[dimension];
      // Gray code (Antonov and Saleev 1979): the order in which other programs list the points
      const gray = (index ^ (index >>> 1)) >>> 0;
      for (let k = 0; k < BITS; k++) if ((gray >>> k) & 1) bits ^= directions[dimension][k];
      return (bits >>> 0) * UNIT;
    },
  };
}

/** v_k = m_k / 2^k as 32-bit fractions; all m_k are 1 in the first dimension. */
function directionsOf(dimension: number): Uint32Array {
  const v = new Uint32Array(BITS);
  if (dimension === 0) return v.map((_, k) => 2 ** (BITS - 1 - k));
  const [polynomial, ...initial] = DIRECTION_NUMBERS[dimension - 1];
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

/** Multiplies by a random matrix: each digit gets a random sum of those before it. */
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

/**
 * The first direction numbers of Sobol sequences as published: S. Joe and F. Y. Kuo, "Constructing
 * Sobol sequences with better two-dimensional projections", SIAM J. Sci. Comput. 30 (2008), table
 * new-joe-kuo-6.21201. For each dimension after the first the primitive polynomial over GF(2), all
 * its coefficients as the bits of a number, and the initial numbers m_1, m_2, ….
 */
const DIRECTION_NUMBERS = `
  3:1 7:1,3 11:1,3,1 13:1,1,1 19:1,1,3,3 25:1,3,5,13 37:1,1,5,5,17 41:1,1,5,5,5 47:1,1,7,11,19
  55:1,1,5,1,1 59:1,1,1,3,11 61:1,3,5,5,31 67:1,3,3,9,7,49 91:1,1,1,15,21,21 97:1,3,1,13,27,49
  103:1,1,1,15,7,5 109:1,3,1,15,13,25 115:1,1,5,5,19,61 131:1,3,7,11,23,15,103
  137:1,3,7,13,13,15,69 143:1,1,3,13,7,35,63 145:1,3,5,9,1,25,53 157:1,3,1,13,9,35,107
  167:1,3,1,5,27,61,31 171:1,1,5,11,19,41,61 185:1,3,5,3,3,13,69 191:1,1,7,13,1,19,1
  193:1,3,7,5,13,19,59 203:1,1,3,9,25,29,41 211:1,3,5,13,23,1,55 213:1,3,7,3,13,59,17
  229:1,3,1,3,5,53,69 239:1,1,5,5,23,33,13 241:1,1,7,7,1,61,123 247:1,1,7,9,13,61,49
  253:1,3,3,5,3,55,33 285:1,3,1,15,31,13,49,245 299:1,3,5,15,31,59,63,97 301:1,3,1,11,11,11,77,249
  333:1,3,1,11,27,43,71,9 351:1,1,7,15,21,11,81,45 355:1,3,7,3,25,31,65,79 357:1,3,1,1,19,11,3,205
  361:1,1,5,9,19,21,29,157 369:1,3,7,11,1,33,89,185 391:1,3,3,3,15,9,79,71
  397:1,3,7,11,15,39,119,27 425:1,1,3,1,11,31,97,225 451:1,1,1,3,23,43,57,177
  463:1,3,7,7,17,17,37,71 487:1,3,1,5,27,63,123,213 501:1,1,3,5,11,43,53,133
  529:1,3,5,5,29,17,47,173,479 539:1,3,3,11,3,1,109,9,69 545:1,1,1,5,17,39,23,5,343
  557:1,3,1,5,25,15,31,103,499 563:1,1,1,11,11,17,63,105,183 601:1,1,5,11,9,29,97,231,363
  607:1,1,5,15,19,45,41,7,383 617:1,3,7,7,31,19,83,137,221 623:1,1,1,3,23,15,111,223,83
  631:1,1,5,13,31,15,55,25,161 637:1,1,3,13,25,47,39,87,257
`
  .trim()
  .split(/\s+/)
  .map(entry => entry.split(/[:,]/).map(Number));

export const MAX_SOBOL_DIMENSIONS = DIRECTION_NUMBERS.length + 1;
