import { required, section, tag } from '../../util/schema.js';
import {
  atIntervals,
  NUMERICS,
  schedule,
  scheduleEpochs,
  scheduleFactor,
  scheduleSteps,
  warmup,
} from './schedule.js';

export const exponential = schedule({
  settings: section(
    {
      kind: tag('exponential', { description: 'Multiplied after each epoch.', ...NUMERICS }),
      every: section(
        { steps: scheduleSteps, epochs: scheduleEpochs },
        {
          title: 'ExponentialEvery',
          description:
            'How often to multiply the learning rate by `factor`: every N updates or every N epochs.',
          minKeys: 1,
          maxKeys: 1,
          default: { epochs: 1 },
          examples: [{ epochs: 1 }, { steps: 1 }],
          aliases: ['interval', 'decay_every', 'decay_steps'],
        },
      ),
      factor: required(scheduleFactor),
      warmup: warmup,
    },
    {
      title: 'ExponentialSchedule',
      description:
        'Multiplies the learning rate by `factor` after each epoch, or at the interval set by `every` (torch.optim.lr_scheduler.ExponentialLR).',
      aliases: ['ExponentialLR', 'exponential_decay'],
    },
  ),
  formula: 'base `factor`^floor(k / `every`)',
  pytorch: '`ExponentialLR`',
  rate: atIntervals,
});
