import { described } from '../../util/schema.js';
import { sum } from '../ops/broadcast.js';
import { absolute, subtract } from '../ops/elementwise.js';
import { loss, OF_VALUES } from './loss.js';

export const mae = loss({
  kind: 'mae',
  ...described({
    description: 'Mean absolute error of value targets; robust against outliers.',
    aliases: ['L1Loss', 'l1', 'mean_absolute_error'],
    formula: '(1/(N C)) sum_n sum_k a_nk, where a = abs(z - y)',
    pytorch: 'L1Loss',
  }),
  keys: {},
  task: 'values',
  bestConstant: 'median',
  make: () => ({ ...OF_VALUES, rows: (z, y) => sum(absolute(subtract(z, y)), [0]) }),
});
