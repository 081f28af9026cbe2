/**
 * Random search: Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", JMLR 13
 * (2012).
 */
import { RandomStream } from '../../util/random.js';
import { Untried } from './draw.js';
import { listingSampler, type SearchMethod } from './method.js';

export const random: SearchMethod<{ readonly kind: 'random' }> = {
  /** Each trial draws from its own random stream. Points of a finite space do not repeat. */
  create(space, _, seed) {
    const untried = new Untried(space);
    return listingSampler(trial => {
      const point = untried.draw(RandomStream.of(seed, `sweep/random/${trial}`));
      if (point) untried.take(point);
      return point;
    });
  },
};
