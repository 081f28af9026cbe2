import { described, number } from '../../util/schema.js';
import { sum } from '../ops/broadcast.js';
import { absolute, affine, multiply, relu, scale, subtract } from '../ops/elementwise.js';
import { loss, OF_VALUES } from './loss.js';

export const huber = loss({
  kind: 'huber',
  ...described({
    description:
      'Huber loss of value targets, as torch.nn.HuberLoss: half the squared error up to `delta`, linear beyond.',
    aliases: ['HuberLoss', 'SmoothL1Loss'],
    formula: '(1/(N C)) sum_n sum_k h_nk, where h = a^2 / 2 if a <= d, else d (a - d / 2), and d = `delta`',
    pytorch: 'HuberLoss',
  }),
  keys: {
    delta: number({
      description: 'Absolute error at which the loss becomes linear, in the units of the (scaled) targets.',
      above: 0,
      max: 1e9,
      default: 1,
      examples: [0.5],
      aliases: ['beta'],
    }),
  },
  task: 'values',
  bestConstant: 'median',
  make: ({ delta = 1 }) => ({
    ...OF_VALUES,
    rows(z, y) {
      const a = absolute(subtract(z, y));
      // both cases are m (a - m / 2) with m = min(a, delta)
      const m = subtract(a, relu(affine(a, 1, -delta)));
      return sum(multiply(m, subtract(a, scale(m, 0.5))), [0]);
    },
  }),
});
