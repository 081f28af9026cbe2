/** Errors in what a model says of sequences that no split holds. */
import { plantsOf } from './plant.js';

export const predictions = plantsOf({
  'src/data/core/scaling': [
    'scaling === undefined ? split :',
    'true ? split :',
    'new sequences are not scaled as those of the training',
    'predict',
  ],
  'src/data/csv-table': [
    'compare(a, b) || a - b',
    'a - b',
    'the rows of a new sequence are not put in order',
    'predict',
  ],
  'src/predict/session': [
    ['state.set(carried.before[name])', 'state', 'a session forgets the steps that it was given', 'sessions'],
    ['carried.before[name].set(state)', 'state', 'sessions go on with the states of each other', 'sessions'],
  ],
  'src/predict/model': [
    'idle.pop() ??',
    'idle[0] ??',
    'predictions at the same time write into the same memory',
    'predict',
  ],
  'src/predict/predictor': [
    'isRejected(sequence) ? index : (sequence.position ?? index)',
    'index',
    'predictions have the positions of other sequences',
    'predict',
  ],
});
