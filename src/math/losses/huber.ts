import { absolute } from '../ops/absolute.js';
import { relu } from '../ops/activate.js';
import { multiply } from '../ops/multiply.js';
import { affine, scale } from '../ops/polynomial.js';
import { subtract } from '../ops/subtract.js';
import { sum } from '../ops/sum.js';
import type { Loss, SettingsOf } from './loss.js';

/**
 * Huber loss over all values of all rows, as torch.nn.HuberLoss: with a = |z - y|, the mean of
 *
 *     a^2 / 2                 if a <= delta
 *     delta (a - delta / 2)   else
 */
export function huber({ delta = 1 }: SettingsOf<'huber'>): Loss {
  return {
    target: 'value',
    targetWidth: outputSize => outputSize,
    rows(z, y) {
      const a = absolute(subtract(z, y));
      // both cases are m (a - m / 2) with m = min(a, delta)
      const m = subtract(a, relu(affine(a, 1, -delta)));
      return sum(multiply(m, subtract(a, scale(m, 0.5))), [0]);
    },
    share: outputSize => outputSize,
  };
}
