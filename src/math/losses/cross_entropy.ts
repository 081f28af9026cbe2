import type { Node } from '../graph/node.js';
import { add } from '../ops/add.js';
import { broadcast } from '../ops/broadcast.js';
import { logSumExp } from '../ops/log_sum_exp.js';
import { multiply } from '../ops/multiply.js';
import { oneHot } from '../ops/one_hot.js';
import { scale } from '../ops/polynomial.js';
import { subtract } from '../ops/subtract.js';
import { sum } from '../ops/sum.js';
import type { Loss, SettingsOf } from './loss.js';

/**
 * Cross-entropy between softmax(z) and the class y, as torch.nn.CrossEntropyLoss. With weights w
 * and label smoothing s, the loss of a prediction is
 *
 *     (1 - s) w_y l_y + s / C * (sum over k of w_k l_k)
 *     l_k = log(sum over j of e^z_j) - z_k
 *
 * and the mean is the sum of these divided by the sum of w_y. Without weights, every w is 1.
 */
export function crossEntropy({
  class_weights: weights,
  label_smoothing: smoothing = 0,
}: SettingsOf<'cross_entropy'>): Loss {
  return {
    target: 'class',
    targetWidth: () => null,
    ...(weights && { constants: () => ({ weights }) }),
    rows(z, y, constants) {
      const classes = oneHot(y, z.shape[1]);
      const w: Node | undefined = constants.weights && broadcast(constants.weights, z.shape, [1]);
      const total = logSumExp(z);
      const weighted = (x: Node) => (w ? multiply(w, x) : x);
      const chosen = subtract(total, sum(multiply(z, classes), [0]));
      const row = w ? multiply(sum(weighted(classes), [0]), chosen) : chosen;
      if (smoothing === 0) return row;
      const all = sum(weighted(subtract(broadcast(total, z.shape, [0]), z)), [0]);
      return add(scale(row, 1 - smoothing), scale(all, smoothing / z.shape[1]));
    },
    share: (_outputSize, label) => weights?.[label] ?? 1,
  };
}
