/**
 * Quasi-random search: the points of a scrambled Sobol sequence, which fill the space more evenly
 * than random ones.
 */
import { usageError } from '../../util/errors.js';
import { RandomStream } from '../../util/random.js';
import type { Point, Space } from '../space.js';
import { MAX_DRAWS, pointAtFractions } from './draw.js';
import type { Sampler } from './sampler.js';
import { MAX_SOBOL_DIMENSIONS, sobolSequence } from './sobol-sequence.js';
import { Untried } from './untried.js';

/**
 * Trial n is the n-th point of the sequence that `exclude` allows and, in a finite space, that is
 * new. The last points of a finite space, which the sequence reaches slowly, are drawn at random.
 * Each parameter has its own dimension, used or not.
 * @throws UserError (exit 2) for more than MAX_SOBOL_DIMENSIONS parameters
 */
export function sobolSampler(space: Space, seed: number): Sampler {
  const dimensions = space.parameters.length;
  if (dimensions > MAX_SOBOL_DIMENSIONS) throw tooManyError(dimensions);
  const sequence = sobolSequence(dimensions, RandomStream.of(seed, 'sweep/sobol'));
  const untried = new Untried(space);
  const listed: Point[] = [];
  let index = 0;

  const next = (): Point | undefined => {
    for (let refused = 0; refused < MAX_DRAWS; refused++) {
      const at = index++;
      const point = pointAtFractions(space, dimension => sequence.coordinate(at, dimension));
      if (untried.has(point)) return point;
    }
    return untried.draw(RandomStream.of(seed, `sweep/sobol/${listed.length}`));
  };
  return {
    suggest(trial) {
      while (listed.length <= trial) {
        const point = next();
        if (!point) return undefined;
        listed.push(point);
        untried.take(point);
      }
      return listed[trial];
    },
  };
}

function tooManyError(dimensions: number) {
  return usageError({
    code: 'sweep/sobol-dimensions',
    message: `Sobol search supports at most ${MAX_SOBOL_DIMENSIONS} parameters`,
    expected: `at most ${MAX_SOBOL_DIMENSIONS} parameters, or another method`,
    got: `${dimensions} parameters`,
  });
}
