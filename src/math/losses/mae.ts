import { absolute } from '../ops/absolute.js';
import { subtract } from '../ops/subtract.js';
import { sum } from '../ops/sum.js';
import type { Loss } from './loss.js';

/** Mean absolute error over all values of all rows, as torch.nn.L1Loss: mean of |z - y|. */
export function mae(): Loss {
  return {
    target: 'value',
    targetWidth: outputSize => outputSize,
    rows: (z, y) => sum(absolute(subtract(z, y)), [0]),
    share: outputSize => outputSize,
  };
}
