/** Weight decay, coupled (added to the gradient) or decoupled. Nothing is computed if it is 0. */
import type { Node } from '../../graph/node.js';
import { add } from '../../ops/add.js';
import { multiply } from '../../ops/multiply.js';
import { subtract } from '../../ops/subtract.js';
import type { Part } from './part.js';

interface DecaySettings {
  readonly weight_decay: number;
}

/** L2 penalty with weight decay lambda: g <- g + lambda theta. */
export const coupledDecay: Part<DecaySettings> = {
  scalars: ({ weight_decay }) => ({ weight_decay }),

  apply({ weight_decay }, { parameter, gradient }, { scalars, decayed }) {
    if (weight_decay === 0) return {};
    const decay = multiply(only(decayed, parameter), scalars.weight_decay);
    const sum = add(gradient, decay);
    return { gradient: sum, direction: sum };
  },
};

/**
 * Decoupled weight decay of Loshchilov and Hutter (2019): theta <- theta - lr lambda theta.
 * Subtracts the product lr lambda theta, because the factor 1 - lr lambda would keep only a few
 * digits of lr lambda in float32.
 */
export const decoupledDecay: Part<DecaySettings> = {
  scalars: ({ weight_decay }, _step, learningRate) => ({ decay: learningRate * weight_decay }),

  apply({ weight_decay }, { parameter }, { scalars, decayed }) {
    if (weight_decay === 0) return {};
    return { parameter: subtract(parameter, multiply(only(decayed, parameter), scalars.decay)) };
  },
};

function only(decayed: Node | undefined, parameter: Node): Node {
  return decayed === undefined ? parameter : multiply(parameter, decayed);
}
