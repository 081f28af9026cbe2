import { add } from '../ops/add.js';
import { divide } from '../ops/divide.js';
import { multiply } from '../ops/multiply.js';
import { squareRoot } from '../ops/square_root.js';
import { subtract } from '../ops/subtract.js';
import type { Optimizer } from './optimizer.js';

export interface AdamSettings {
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weight_decay: number;
}

/**
 * Adam as torch.optim.Adam. Kingma and Ba (2015), algorithm 1; at step t, with gradient g:
 *
 *     m <- beta1 m + (1 - beta1) g          v <- beta2 v + (1 - beta2) g^2
 *     theta <- theta - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
 *
 * Weight decay is added to the gradient. The bias corrections are computed in float64: 1 - 0.999^t loses four digits in float32.
 */
export const adam: Optimizer<AdamSettings> = {
  state: () => ['exp_avg', 'exp_avg_sq'],

  scalars({ betas: [beta1, beta2], eps, weight_decay }, step, learningRate) {
    return {
      beta1,
      rest1: 1 - beta1,
      beta2,
      rest2: 1 - beta2,
      eps,
      weight_decay,
      step_size: learningRate / (1 - beta1 ** step),
      root_correction: 1 / Math.sqrt(1 - beta2 ** step),
    };
  },

  update({ weight_decay }, { parameter, gradient, state, scalars }) {
    const g = weight_decay > 0 ? add(gradient, multiply(parameter, scalars.weight_decay)) : gradient;
    const exp_avg = add(multiply(state.exp_avg, scalars.beta1), multiply(g, scalars.rest1));
    const exp_avg_sq = add(
      multiply(state.exp_avg_sq, scalars.beta2),
      multiply(multiply(g, g), scalars.rest2),
    );
    const denominator = add(multiply(squareRoot(exp_avg_sq), scalars.root_correction), scalars.eps);
    const change = divide(multiply(exp_avg, scalars.step_size), denominator);
    return { parameter: subtract(parameter, change), state: { exp_avg, exp_avg_sq } };
  },
};
