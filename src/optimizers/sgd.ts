import { add } from '../ops/add.js';
import { multiply } from '../ops/multiply.js';
import { subtract } from '../ops/subtract.js';
import type { Optimizer, Update } from './optimizer.js';

export interface SgdSettings {
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weight_decay: number;
}

/**
 * Stochastic gradient descent as torch.optim.SGD (dampening 0). With gradient g, momentum mu, weight decay lambda:
 *
 *     g <- g + lambda theta        b <- mu b + g        theta <- theta - lr (g + mu b  if nesterov, else b)
 *
 * Without momentum, b is g. Sutskever et al. (2013) for momentum and Nesterov's form.
 */
export const sgd: Optimizer<SgdSettings> = {
  state: ({ momentum }) => (momentum > 0 ? ['momentum_buffer'] : []),

  scalars: ({ momentum, weight_decay }, _step, learning_rate) => ({ learning_rate, momentum, weight_decay }),

  update({ momentum, nesterov, weight_decay }, { parameter, gradient, state, scalars }) {
    const g = weight_decay > 0 ? add(gradient, multiply(parameter, scalars.weight_decay)) : gradient;
    const update = (direction: typeof g, buffers: Update['state']): Update => ({
      parameter: subtract(parameter, multiply(direction, scalars.learning_rate)),
      state: buffers,
    });
    if (momentum === 0) return update(g, {});
    const momentum_buffer = add(multiply(state.momentum_buffer, scalars.momentum), g);
    const direction = nesterov ? add(g, multiply(momentum_buffer, scalars.momentum)) : momentum_buffer;
    return update(direction, { momentum_buffer });
  },
};
