import { list, number, section } from '../../util/schema.js';
import type { Node } from '../graph/node.js';
import { add, multiply, sign } from '../ops/elementwise.js';
import { NUMERICS, optimizer, optimizerKeys } from './optimizer.js';
import { chain, decoupledDecay, descend, type MeanSettings, type Part, rate } from './parts.js';

export interface LionSettings extends MeanSettings {
  readonly weight_decay: number;
}

const signOfMean: Part<LionSettings> = {
  state: () => ['exp_avg'],

  scalars: ({ betas: [beta1, beta2] }) => ({ beta1, rest1: 1 - beta1, beta2, rest2: 1 - beta2 }),

  apply(_settings, { gradient }, { state: { exp_avg }, scalars: { beta1, rest1, beta2, rest2 } }) {
    const mix = (old: Node, rest: Node) => add(multiply(exp_avg, old), multiply(gradient, rest));
    return { direction: sign(mix(beta1, rest1)), state: { exp_avg: mix(beta2, rest2) } };
  },
};

/**
 * Lion (Chen et al., 2023, algorithm 2); with gradient g and weight decay lambda:
 *
 *     theta <- theta - lr (sign(beta1 m + (1 - beta1) g) + lambda theta)
 *     m <- beta2 m + (1 - beta2) g
 */
export const lion = optimizer(
  {
    settings: section(
      optimizerKeys('lion', 'Lion.', {
        betas: list(number({ min: 0, below: 1 }), {
          description:
            'Decay rates of the running average of the gradient: the one used in the update, and the one that is kept.',
          minItems: 2,
          maxItems: 2,
          default: [0.9, 0.99],
          examples: [[0.9, 0.99]],
          aliases: ['beta', 'beta1', 'beta2', 'beta_1', 'beta_2'],
          ...NUMERICS,
        }),
        weight_decay: number({
          description:
            'Decoupled weight decay: each update also subtracts this fraction of a weight, times the learning rate. It is not part of the gradient.',
          min: 0,
          max: 1000,
          default: 0,
          examples: [0.1],
          aliases: ['l2', 'decay'],
          ...NUMERICS,
        }),
      }),
      {
        title: 'LionOptimizer',
        description:
          'Lion (Chen et al., 2023): steps of equal size along the sign of a running average of the gradient. The learning rate is usually 3 to 10 times smaller than for adamw.',
      },
    ),
    reference: 'algorithm 2 of Chen et al. (2023)',
  },
  chain(decoupledDecay, signOfMean, rate, descend),
);
