import { described, list, number } from '../../util/schema.js';
import { broadcast, sum } from '../ops/broadcast.js';
import { add, affine, multiply, relu, scale, subtract } from '../ops/elementwise.js';
import { type Loss, loss, OF_VALUES } from './loss.js';

/**
 * Koenker and Bassett (1978). Outputs: the quantiles of the first target, then those of the second,
 * and so on.
 */
export const quantile = loss({
  kind: 'quantile',
  ...described({
    description:
      'Quantile (pinball) loss of value targets. The model has one output for each quantile of each target.',
    aliases: ['QuantileLoss', 'pinball', 'PinballLoss'],
    formula:
      '(1/(N C)) sum_n sum_k of q (y - z) if y > z, else (1 - q) (z - y). Each target has one output for each q of `quantiles`, in their order; the outputs of the first target come first',
  }),
  keys: {
    quantiles: list(number({ above: 0, below: 1 }), {
      description: 'Quantiles to predict. Metrics compare the one nearest to 0.5 with the target.',
      minItems: 1,
      maxItems: 100,
      unique: true,
      default: [0.1, 0.5, 0.9],
      examples: [[0.1, 0.5, 0.9]],
      aliases: ['levels'],
    }),
  },
  task: 'values',
  bestConstant: 'quantiles',
  outputs: ({ quantiles }) => quantiles?.length ?? 1,
  make({ quantiles = [0.1, 0.5, 0.9] }): Loss {
    const predicted = quantiles.map((level, k) => ({
      level,
      point: (outputs: Float32Array) => outputs.filter((_, i) => i % quantiles.length === k),
    }));
    return {
      ...OF_VALUES,
      constants: outputSize => ({
        quantiles: Array.from({ length: outputSize }, (_, i) => quantiles[i % quantiles.length]),
      }),
      rows(z, y, constants) {
        const q = broadcast(constants.quantiles, z.shape, [1]);
        const above = subtract(y, z);
        const below = scale(above, -1);
        return sum(add(multiply(q, relu(above)), multiply(affine(q, -1, 1), relu(below))), [0]);
      },
      point: predicted[nearest(quantiles, 0.5)].point,
      quantiles: predicted,
    };
  },
});

function nearest(values: readonly number[], to: number): number {
  const distances = values.map(value => Math.abs(value - to));
  return distances.indexOf(Math.min(...distances));
}
