import { section, tag } from '../../util/schema.js';
import {
  alongCosine,
  fractionDone,
  minLearningRate,
  NUMERICS,
  schedule,
  scheduleLength,
  warmup,
} from './schedule.js';

/** Loshchilov and Hutter (2017), without restarts. */
export const cosine = schedule({
  settings: section(
    {
      kind: tag('cosine', { description: 'Half a cosine.', ...NUMERICS }),
      length: scheduleLength,
      min_learning_rate: minLearningRate,
      warmup: warmup,
    },
    {
      title: 'CosineSchedule',
      description:
        'Decays the learning rate along half a cosine to `min_learning_rate` (torch.optim.lr_scheduler.CosineAnnealingLR).',
      aliases: ['CosineAnnealingLR', 'cosine_annealing', 'cosine_decay'],
    },
  ),
  formula:
    'min + (base - min) (1 + cos(pi k / n)) / 2, where min = `min_learning_rate`. With `length`, that length replaces n and the rate stays at min after it',
  pytorch: '`CosineAnnealingLR`',
  dependsOnLength: ({ length }) => length === undefined,

  rate: (base, { length, min_learning_rate }, progress) =>
    alongCosine(base, min_learning_rate, fractionDone(length, progress)),
});
