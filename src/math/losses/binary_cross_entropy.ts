import { described, list, number } from '../../util/schema.js';
import { broadcast, sum } from '../ops/broadcast.js';
import { add, affine, multiply, scale, softplus } from '../ops/elementwise.js';
import { loss, OF_VALUES } from './loss.js';

/** For weights p of positive labels, computed as (1 - y) z + (1 + (p - 1) y) softplus(-z). */
export const binaryCrossEntropy = loss({
  kind: 'binary_cross_entropy',
  ...described({
    description:
      'Mean binary cross-entropy of independent labels (value targets from 0 to 1), computed from one logit each, as torch.nn.BCEWithLogitsLoss.',
    aliases: ['BCELoss', 'BCEWithLogitsLoss', 'binary_crossentropy', 'MultiLabelSoftMarginLoss'],
    formula:
      '(1/(N C)) sum_n sum_k [ -p_k y_nk log sigma(z_nk) - (1 - y_nk) log(1 - sigma(z_nk)) ], where p = `positive_weights` or 1',
    pytorch: 'BCEWithLogitsLoss',
  }),
  keys: {
    positive_weights: list(number({ above: 0, max: 1e9 }), {
      description: 'Weight of the positive case of each label. The negative case has weight 1.',
      minItems: 1,
      maxItems: 100000,
      examples: [[1, 3]],
      aliases: ['pos_weight', 'positive_weight'],
    }),
  },
  task: 'labels',
  make: ({ positive_weights: weights }) => ({
    ...OF_VALUES,
    ...(weights && { constants: () => ({ weights }) }),
    rows(z, y, constants) {
      const negative = softplus(scale(z, -1));
      const p = constants.weights && broadcast(constants.weights, z.shape, [1]);
      const weighted = p ? multiply(affine(multiply(affine(p, 1, -1), y), 1, 1), negative) : negative;
      return sum(add(multiply(affine(y, -1, 1), z), weighted), [0]);
    },
    point: outputs => outputs.map(z => 1 / (1 + Math.exp(-z))),
  }),
});
