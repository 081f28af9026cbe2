import { like } from '../../util/schema.js';
import type { Node } from '../graph/node.js';
import { add, multiply, sign } from '../ops/elementwise.js';
import { betas, decoupledWeightDecay, optimizer, type Part } from './optimizer.js';
import { decoupledDecay, descend, rate } from './parts.js';

const signOfMean: Part<{ readonly betas: readonly [number, number] }> = {
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
export const lion = optimizer({
  kind: 'lion',
  description:
    'Lion (Chen et al., 2023): steps of equal size along the sign of a running average of the gradient. The learning rate is usually 3 to 10 times smaller than for adamw.',
  keys: {
    betas: like(betas, {
      description:
        'Decay rates of the running average of the gradient: the one used in the update, and the one that is kept.',
      default: [0.9, 0.99],
      examples: [[0.9, 0.99]],
    }),
    weight_decay: like(decoupledWeightDecay, { default: 0, examples: [0.1] }),
  },
  reference: 'algorithm 2 of Chen et al. (2023)',
  parts: [decoupledDecay, signOfMean, rate, descend],
});
