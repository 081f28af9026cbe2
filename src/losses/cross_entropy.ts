import { logSumExp } from '../ops/log_sum_exp.js';
import { multiply } from '../ops/multiply.js';
import { oneHot } from '../ops/one_hot.js';
import { subtract } from '../ops/subtract.js';
import { sum } from '../ops/sum.js';
import { type Loss, predictedClass } from './loss.js';

/**
 * Cross-entropy between softmax(z) and the class y, as torch.nn.CrossEntropyLoss (mean over the rows that are not ignored):
 * log(sum over k of e^z_k) - z_y.
 */
export const crossEntropy: Loss = {
  target: 'class',
  targetWidth: () => null,
  rows(z, y) {
    const chosen = sum(multiply(z, oneHot(y, z.shape[1])), [0]);
    return subtract(logSumExp(z), chosen);
  },
  metric: {
    name: 'accuracy',
    of: (logits, [label]) => (predictedClass(logits) === label ? 1 : 0),
  },
};
