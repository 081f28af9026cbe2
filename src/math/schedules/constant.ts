import { required } from '../../util/schema.js';
import { schedule, warmup } from './schedule.js';

export const constant = schedule({
  kind: 'constant',
  description: 'Constant learning rate after the warm-up.',
  aliases: ['ConstantLR'],
  keys: {
    warmup: required(warmup),
  },
  formula: 'base; for a warmup alone',
  pytorch: '`LinearLR`',

  rate: base => base,
});
