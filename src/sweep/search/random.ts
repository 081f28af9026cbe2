/** Random search: Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 13 (2012). */
import { RandomStream } from '../../random.js';
import type { Space } from '../space.js';
import { drawPoint, takenPoints } from './draw.js';
import type { Sampler } from './sampler.js';

/** Each trial draws from a stream of its own. Of a finite space no point comes twice. */
export function randomSampler(space: Space, seed: number): Sampler {
  return {
    suggest: (trial, finished, pending) =>
      drawPoint(space, takenPoints(space, finished, pending), RandomStream.of(seed, `sweep/random/${trial}`)),
  };
}
