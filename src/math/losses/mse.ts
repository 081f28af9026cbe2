import { multiply } from '../ops/multiply.js';
import { subtract } from '../ops/subtract.js';
import { sum } from '../ops/sum.js';
import type { Loss } from './loss.js';

/** Mean squared error over all values of all rows, as torch.nn.MSELoss: mean of (z - y)^2. */
export function mse(): Loss {
  return {
    target: 'value',
    targetWidth: outputSize => outputSize,
    rows(z, y) {
      const difference = subtract(z, y);
      return sum(multiply(difference, difference), [0]);
    },
    share: outputSize => outputSize,
  };
}
