import { described } from '../../util/schema.js';
import { sum } from '../ops/broadcast.js';
import { multiply, subtract } from '../ops/elementwise.js';
import { loss, OF_VALUES } from './loss.js';

export const mse = loss({
  kind: 'mse',
  ...described({
    description: 'Mean squared error of value targets.',
    aliases: ['MSELoss', 'mean_squared_error', 'l2', 'L2Loss'],
    formula: '(1/(N C)) sum_n sum_k (z_nk - y_nk)^2',
    pytorch: 'MSELoss',
  }),
  keys: {},
  task: 'values',
  make: () => ({
    ...OF_VALUES,
    rows(z, y) {
      const difference = subtract(z, y);
      return sum(multiply(difference, difference), [0]);
    },
  }),
});
