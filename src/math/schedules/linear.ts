import { number, section, tag } from '../../util/schema.js';
import { fractionDone, NUMERICS, schedule, scheduleLength, warmup } from './schedule.js';

export const linear = schedule({
  settings: section(
    {
      kind: tag('linear', { description: 'Linear.', ...NUMERICS }),
      length: scheduleLength,
      end_factor: number({
        description: 'Factor of the learning rate at the end of the decay.',
        min: 0,
        max: 1,
        default: 0,
        examples: [0.1],
        aliases: ['final_factor'],
        ...NUMERICS,
      }),
      warmup: warmup,
    },
    {
      title: 'LinearSchedule',
      description:
        'Decays the learning rate linearly to `end_factor` times its value (torch.optim.lr_scheduler.LinearLR).',
      aliases: ['LinearLR', 'linear_decay'],
    },
  ),
  formula:
    'base (1 + (`end_factor` - 1) k / n). With `length`, that length replaces n and the rate is constant after it',
  pytorch: '`LinearLR`',
  dependsOnLength: ({ length }) => length === undefined,

  rate: (base, { length, end_factor }, progress) =>
    base * (1 + (end_factor - 1) * fractionDone(length, progress)),
});
