/** Scaling of a direction: the learning rate, and division by the magnitude of past gradients. */
import type { Node } from '../../graph/node.js';
import { relu } from '../../ops/activate.js';
import { add } from '../../ops/add.js';
import { divide } from '../../ops/divide.js';
import { maximum } from '../../ops/maximum.js';
import { multiply } from '../../ops/multiply.js';
import { squareRoot } from '../../ops/square_root.js';
import { subtract } from '../../ops/subtract.js';
import type { MeanSettings } from './moments.js';
import type { Change, Part } from './part.js';

/** theta <- theta - d; the last part of every optimizer. */
export const descend: Part<unknown> = {
  apply: (_settings, { parameter, direction }) => ({ parameter: subtract(parameter, direction) }),
};

/** d <- lr d. */
export const rate: Part<unknown> = {
  scalars: (_settings, _step, learning_rate) => ({ learning_rate }),
  apply: (_settings, { direction }, { scalars }) => ({
    direction: multiply(direction, scalars.learning_rate),
  }),
};

/** The learning rate for a running mean that started at zero: d <- lr / (1 - beta1^t) d. */
export const correctedRate: Part<MeanSettings> = {
  scalars: ({ betas: [beta1] }, step, learningRate) => ({ step_size: learningRate / (1 - beta1 ** step) }),
  apply: (_settings, { direction }, { scalars }) => ({ direction: multiply(direction, scalars.step_size) }),
};

export interface AdaptiveSettings extends MeanSettings {
  /** Added to the denominator. */
  readonly eps: number;
  /** Divides by the largest mean so far (Reddi et al., 2018). Default: false. */
  readonly amsgrad?: boolean;
}

/**
 * Adam's denominator: v <- beta2 v + (1 - beta2) g^2; d <- d / (sqrt(v) / sqrt(1 - beta2^t) + eps).
 * The correction is computed in float64: 1 - 0.999^t loses four digits in float32.
 */
export const overRootMeanSquare: Part<AdaptiveSettings> = {
  state: ({ amsgrad }) => (amsgrad ? ['exp_avg_sq', 'max_exp_avg_sq'] : ['exp_avg_sq']),

  scalars: ({ betas: [, beta2], eps }, step) => ({
    beta2,
    rest2: 1 - beta2,
    eps,
    root_correction: 1 / Math.sqrt(1 - beta2 ** step),
  }),

  apply({ amsgrad }, { gradient, direction }, { state, scalars }): Change {
    const exp_avg_sq = runningMean(state.exp_avg_sq, square(gradient), scalars.beta2, scalars.rest2);
    const over = (mean: Node) =>
      divide(direction, add(multiply(squareRoot(mean), scalars.root_correction), scalars.eps));
    if (!amsgrad) return { direction: over(exp_avg_sq), state: { exp_avg_sq } };
    const max_exp_avg_sq = maximum(state.max_exp_avg_sq, exp_avg_sq);
    return { direction: over(max_exp_avg_sq), state: { exp_avg_sq, max_exp_avg_sq } };
  },
};

export interface RootMeanSquareSettings {
  /** Decay rate of the running mean of the squared gradient. */
  readonly alpha: number;
  /** Added to the denominator. */
  readonly eps: number;
  /** Divides by the standard deviation: subtracts the square of the mean gradient. */
  readonly centered: boolean;
}

/**
 * RMSprop's denominator: v <- alpha v + (1 - alpha) g^2; d <- d / (sqrt(v) + eps). If centered, a
 * <- alpha a + (1 - alpha) g and v - a^2 replaces v; a difference below 0 due to rounding counts as
 * 0.
 */
export const overUncorrectedRoot: Part<RootMeanSquareSettings> = {
  state: ({ centered }) => (centered ? ['square_avg', 'grad_avg'] : ['square_avg']),

  scalars: ({ alpha, eps }) => ({ alpha, rest: 1 - alpha, eps }),

  apply({ centered }, { gradient, direction }, { state, scalars }): Change {
    const square_avg = runningMean(state.square_avg, square(gradient), scalars.alpha, scalars.rest);
    const over = (mean: Node) => divide(direction, add(squareRoot(mean), scalars.eps));
    if (!centered) return { direction: over(square_avg), state: { square_avg } };
    const grad_avg = runningMean(state.grad_avg, gradient, scalars.alpha, scalars.rest);
    const variance = relu(subtract(square_avg, square(grad_avg)));
    return { direction: over(variance), state: { square_avg, grad_avg } };
  },
};

/** Adagrad's denominator: s <- s + g^2; d <- d / (sqrt(s) + eps). */
export const overRootSum: Part<{ readonly eps: number }> = {
  state: () => ['sum'],

  scalars: ({ eps }) => ({ eps }),

  apply(_settings, { gradient, direction }, { state, scalars }) {
    const sum = add(state.sum, square(gradient));
    return { direction: divide(direction, add(squareRoot(sum), scalars.eps)), state: { sum } };
  },
};

function square(x: Node): Node {
  return multiply(x, x);
}

/** decay * mean + rest * value. */
function runningMean(mean: Node, value: Node, decay: Node, rest: Node): Node {
  return add(multiply(mean, decay), multiply(value, rest));
}
