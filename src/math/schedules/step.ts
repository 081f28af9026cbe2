import { number, required, section, tag } from '../../util/schema.js';
import { atIntervals, NUMERICS, schedule, scheduleEvery, warmup } from './schedule.js';

export const step = schedule({
  settings: section(
    {
      kind: tag('step', { description: 'Multiplied at fixed intervals.', ...NUMERICS }),
      every: required(scheduleEvery),
      factor: number({
        description: 'Factor that the learning rate is multiplied by.',
        above: 0,
        max: 1,
        default: 0.1,
        examples: [0.5],
        aliases: ['gamma', 'decay', 'decay_rate', 'decay_factor'],
        ...NUMERICS,
      }),
      warmup: warmup,
    },
    {
      title: 'StepSchedule',
      description:
        'Multiplies the learning rate by `factor` every N updates or epochs (torch.optim.lr_scheduler.StepLR).',
      aliases: ['StepLR', 'step_decay'],
    },
  ),
  formula: 'base `factor`^floor(k / `every`)',
  pytorch: '`StepLR`',

  rate: atIntervals,
});
