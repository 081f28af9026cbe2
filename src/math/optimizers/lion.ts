import type { Node } from '../graph/node.js';
import { add } from '../ops/add.js';
import { multiply } from '../ops/multiply.js';
import { scale } from '../ops/polynomial.js';
import { positive } from '../ops/positive.js';
import { subtract } from '../ops/subtract.js';
import type { Optimizer } from './optimizer.js';
import { decoupledDecay } from './parts/decay.js';
import type { MeanSettings } from './parts/moments.js';
import { chain, type Part } from './parts/part.js';
import { descend, rate } from './parts/scale.js';

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

/** -1, 0 or 1; a subnormal x counts as x / 2^-126. */
function sign(x: Node): Node {
  return subtract(positive(x), positive(scale(x, -1)));
}

/**
 * Lion (Chen et al., 2023, algorithm 2); with gradient g and weight decay lambda:
 *
 *     theta <- theta - lr (sign(beta1 m + (1 - beta1) g) + lambda theta)
 *     m <- beta2 m + (1 - beta2) g
 */
export const lion: Optimizer<LionSettings> = chain(decoupledDecay, signOfMean, rate, descend);
