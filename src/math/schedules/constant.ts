import { required, section, tag } from '../../util/schema.js';
import { NUMERICS, schedule, warmup } from './schedule.js';

export const constant = schedule({
  settings: section(
    {
      kind: tag('constant', { description: 'Constant after the warm-up.', ...NUMERICS }),
      warmup: required(warmup),
    },
    {
      title: 'ConstantSchedule',
      description: 'Constant learning rate after the warm-up.',
      aliases: ['ConstantLR'],
    },
  ),
  formula: 'base; for a warmup alone',
  pytorch: '`LinearLR`',

  rate: base => base,
});
