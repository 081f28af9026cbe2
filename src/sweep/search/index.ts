/** The search methods by name. */
import type { Method } from '../plan.js';
import type { Space } from '../space.js';
import { gridSampler } from './grid.js';
import { randomSampler } from './random.js';
import type { Sampler } from './sampler.js';
import { sobolSampler } from './sobol.js';
import { tpeSampler } from './tpe.js';

/**
 * What chooses the points of a sweep with seed `seed`. Throws UserError (exit 2) where the method
 * can't search the space; a grid must have been checked with `continuousParameters`.
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
