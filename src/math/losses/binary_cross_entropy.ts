import { add } from '../ops/add.js';
import { broadcast } from '../ops/broadcast.js';
import { multiply } from '../ops/multiply.js';
import { affine, scale } from '../ops/polynomial.js';
import { softplus } from '../ops/softplus.js';
import { sum } from '../ops/sum.js';
import type { Loss, SettingsOf } from './loss.js';

/**
 * Binary cross-entropy of several labels, each with its own logit, as torch.nn.BCEWithLogitsLoss:
 * with logits z, targets y between 0 and 1 and weights p of the positive labels, the mean over all
 * labels of
 *
 *     -p y log(sigmoid(z)) - (1 - y) log(1 - sigmoid(z)) = (1 - y) z + (1 + (p - 1) y) softplus(-z)
 */
export function binaryCrossEntropy({ positive_weights: weights }: SettingsOf<'binary_cross_entropy'>): Loss {
  return {
    target: 'value',
    targetWidth: outputSize => outputSize,
    ...(weights && { constants: () => ({ weights }) }),
    rows(z, y, constants) {
      const negative = softplus(scale(z, -1));
      const p = constants.weights && broadcast(constants.weights, z.shape, [1]);
      const weighted = p ? multiply(affine(multiply(affine(p, 1, -1), y), 1, 1), negative) : negative;
      return sum(add(multiply(affine(y, -1, 1), z), weighted), [0]);
    },
    share: outputSize => outputSize,
    point: outputs => outputs.map(z => 1 / (1 + Math.exp(-z))),
  };
}
