/**
 * Random search: Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 13
 * (2012).
 */
import { RandomStream } from '../../util/random.js';
import type { Point, Space } from '../space.js';
import type { Sampler } from './sampler.js';
import { Untried } from './untried.js';

/**
 * Each trial draws from its own random stream, regardless of results. Points of a finite space do
 * not repeat.
 */
export function randomSampler(space: Space, seed: number): Sampler {
  const untried = new Untried(space);
  const listed: Point[] = [];
  return {
    suggest(trial) {
      while (listed.length <= trial) {
        const point = untried.draw(RandomStream.of(seed, `sweep/random/${listed.length}`));
        if (!point) return undefined;
        listed.push(point);
        untried.take(point);
      }
      return listed[trial];
    },
  };
}
