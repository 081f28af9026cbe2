/** Errors in what a model says of sequences that no split holds. */
import type { Plant } from './plant.js';

export const predictions: readonly Plant[] = [
  {
    file: 'src/data/core/scaling',
    find: 'scaling === undefined ? split :',
    replace: 'true ? split :',
    why: 'new sequences are not scaled as those of the training',
    tests: ['predict'],
  },
  {
    file: 'src/data/csv-input-rows',
    find: 'compare(a, b) || a.row - b.row',
    replace: 'a.row - b.row',
    why: 'the rows of a new sequence are not put in order',
    tests: ['predict'],
  },
  {
    file: 'src/predict/session',
    find: 'state.set(carried.before[name])',
    replace: 'state',
    why: 'a session forgets the steps that it was given',
    tests: ['sessions'],
  },
  {
    file: 'src/predict/session',
    find: 'carried.before[name].set(state)',
    replace: 'state',
    why: 'sessions go on with the states of each other',
    tests: ['sessions'],
  },
  {
    file: 'src/predict/model',
    find: 'idle.pop() ??',
    replace: 'idle[0] ??',
    why: 'predictions at the same time write into the same memory',
    tests: ['predict'],
  },
  {
    file: 'src/predict/predictor',
    find: 'position: index => waiting[index].position,',
    replace: 'position: index => index,',
    why: 'predictions have the positions of other sequences',
    tests: ['predict'],
  },
];
