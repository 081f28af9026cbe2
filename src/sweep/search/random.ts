/** Random search: Bergstra and Bengio, JMLR 13 (2012). */
import { RandomStream } from '../../util/random.js';
import { object, tag } from '../../util/schema.js';
import { Untried } from './draw.js';
import { listingSampler, searchMethod } from './method.js';

export const random = searchMethod({
  settings: object({ kind: tag('random', { description: 'Random points.' }) }, { title: 'Random' }),
  /** Each trial draws from its own random stream. Points of a finite space do not repeat. */
  create(space, _, seed) {
    const untried = new Untried(space);
    return listingSampler(trial => {
      const point = untried.draw(RandomStream.of(seed, `sweep/random/${trial}`));
      if (point) untried.take(point);
      return point;
    });
  },
});
