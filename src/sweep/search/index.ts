/** The search methods by name. */
import type { Method } from '../plan.js';
import type { Space } from '../space.js';
import { gridSampler } from './grid.js';
import { randomSampler } from './random.js';
import type { Sampler } from './sampler.js';
import { sobolSampler } from './sobol.js';
import { tpeSampler } from './tpe.js';

/**
 * Creates the sampler of a sweep with seed `seed`. A grid must have been checked with
 * `continuousParameters`.
 * @throws UserError (exit 2) if the method cannot search the space
 */
export function createSampler(space: Space, method: Method, seed: number): Sampler {
  switch (method.kind) {
    case 'grid':
      return gridSampler(space);
    case 'random':
      return randomSampler(space, seed);
    case 'sobol':
      return sobolSampler(space, seed);
    case 'tpe':
      return tpeSampler(space, method, seed);
    default:
      return method satisfies never;
  }
}
