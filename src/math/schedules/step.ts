import { like, required, section, tag } from '../../util/schema.js';
import { atIntervals, NUMERICS, schedule, scheduleEvery, scheduleFactor, warmup } from './schedule.js';

export const step = schedule({
  settings: section(
    {
      kind: tag('step', { description: 'Multiplied at fixed intervals.', ...NUMERICS }),
      every: required(scheduleEvery),
      factor: like(scheduleFactor, { default: 0.1 }),
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
