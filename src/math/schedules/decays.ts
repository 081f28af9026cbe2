/** Decays to the end of training, or of a set length. */

import { number } from '../../util/schema.js';
import {
  alongCosine,
  minLearningRate,
  type Progress,
  schedule,
  type UpdatesOrEpochs,
  updatesIn,
  updatesOrEpochs,
  warmup,
} from './schedule.js';

/** Completed fraction of a decay, which ends after `length`, by default all planned updates. */
function fractionDone(length: UpdatesOrEpochs | undefined, progress: Progress): number {
  const updates = length === undefined ? progress.total : updatesIn(length, progress);
  return Math.min(1, progress.done / updates);
}

const length = updatesOrEpochs('schedule_length', {
  description:
    'Length of the decay in updates or epochs, without the warm-up. The rate is constant afterwards. Default: until the planned end of training.',
  examples: [{ epochs: 100 }],
  aliases: ['t_max', 'total_steps', 'total_iters', 'decay_steps', 'duration'],
});

/** Loshchilov and Hutter (2017), without restarts. */
export const cosine = schedule({
  kind: 'cosine',
  description:
    'Decays the learning rate along half a cosine to `min_learning_rate` (torch.optim.lr_scheduler.CosineAnnealingLR).',
  aliases: ['CosineAnnealingLR', 'cosine_annealing', 'cosine_decay'],
  keys: {
    length,
    min_learning_rate: minLearningRate,
    warmup,
  },
  formula:
    'min + (base - min) (1 + cos(pi k / n)) / 2, where min = `min_learning_rate`. With `length`, that length replaces n and the rate stays at min after it',
  pytorch: '`CosineAnnealingLR`',
  dependsOnLength: ({ length }) => length === undefined,

  rate: (base, { length, min_learning_rate }, progress) =>
    alongCosine(base, min_learning_rate, fractionDone(length, progress)),
});

export const linear = schedule({
  kind: 'linear',
  description:
    'Decays the learning rate linearly to `end_factor` times its value (torch.optim.lr_scheduler.LinearLR).',
  aliases: ['LinearLR', 'linear_decay'],
  keys: {
    length,
    end_factor: number({
      description: 'Factor of the learning rate at the end of the decay.',
      min: 0,
      max: 1,
      default: 0,
      examples: [0.1],
      aliases: ['final_factor'],
    }),
    warmup,
  },
  formula:
    'base (1 + (`end_factor` - 1) k / n). With `length`, that length replaces n and the rate is constant after it',
  pytorch: '`LinearLR`',
  dependsOnLength: ({ length }) => length === undefined,

  rate: (base, { length, end_factor }, progress) =>
    base * (1 + (end_factor - 1) * fractionDone(length, progress)),
});
