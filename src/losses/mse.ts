import { multiply } from '../ops/multiply.js';
import { subtract } from '../ops/subtract.js';
import { sum } from '../ops/sum.js';
import type { Loss } from './loss.js';

/** Mean squared error over all numbers of all rows, as torch.nn.MSELoss: mean of (z - y)^2. */
export const mse: Loss = {
  target: 'value',
  targetWidth: outputSize => outputSize,
  rows(z, y) {
    const difference = subtract(z, y);
    return sum(multiply(difference, difference), [0]);
  },
  metric: {
    name: 'mean_absolute_error',
    of: (prediction, target) =>
      prediction.reduce((total, value, i) => total + Math.abs(value - target[i]), 0) / prediction.length,
  },
};
