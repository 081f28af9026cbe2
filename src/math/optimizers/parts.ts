/** Parts of optimizers. */
import type { Node } from '../graph/node.js';
import { add, divide, maximum, multiply, relu, squareRoot, subtract } from '../ops/elementwise.js';
import type { Change, Part } from './optimizer.js';

// Weight decay, coupled (added to the gradient) or decoupled. Nothing is computed if it is 0.

type DecaySettings = { readonly weight_decay: number };

/** L2 penalty with weight decay lambda: g <- g + lambda theta. */
export const coupledDecay: Part<DecaySettings> = {
  scalars: ({ weight_decay }) => ({ weight_decay }),

  apply({ weight_decay }, { parameter, gradient }, { scalars, decayed }) {
    if (weight_decay === 0) return {};
    const decay = multiply(scaledBy(decayed, parameter), scalars.weight_decay);
    const sum = add(gradient, decay);
    return { gradient: sum, direction: sum };
  },
};

/**
 * Loshchilov and Hutter (2019): theta <- theta - lr lambda theta. The factor 1 - lr lambda would
 * keep only a few digits of lr lambda in float32.
 */
export const decoupledDecay: Part<DecaySettings> = {
  scalars: ({ weight_decay }, _step, learningRate) => ({ decay: learningRate * weight_decay }),

  apply({ weight_decay }, { parameter }, { scalars, decayed, rates }) {
    if (weight_decay === 0) return {};
    const decay = multiply(scaledBy(decayed, parameter), scalars.decay);
    return { parameter: subtract(parameter, scaledBy(rates, decay)) };
  },
};

/** `value` times the factor of each element; absent: all are 1. */
function scaledBy(factors: Node | undefined, value: Node): Node {
  return factors === undefined ? value : multiply(value, factors);
}

/**
 * Momentum mu of a direction d: b <- mu b + d, then d <- d + mu b if nesterov, else b (Sutskever et
 * al., 2013). Without momentum, d is unchanged.
 */
export const momentum: Part<{ readonly momentum: number; readonly nesterov?: boolean }> = {
  state: settings => (settings.momentum > 0 ? ['momentum_buffer'] : []),

  scalars: settings => ({ momentum: settings.momentum }),

  apply(settings, { direction }, { state, scalars }) {
    if (settings.momentum === 0) return {};
    const momentum_buffer = add(multiply(state.momentum_buffer, scalars.momentum), direction);
    return {
      direction: settings.nesterov
        ? add(direction, multiply(momentum_buffer, scalars.momentum))
        : momentum_buffer,
      state: { momentum_buffer },
    };
  },
};

/** Decay rates of the running means of the gradient and of its square. */
type MeanSettings = { readonly betas: readonly [number, number] };

/**
 * Running mean of the gradient, not corrected for starting at zero: m <- beta1 m + (1 - beta1) g; d
 * <- m.
 */
export const gradientMean: Part<MeanSettings> = {
  state: () => ['exp_avg'],

  scalars: ({ betas: [beta1] }) => ({ beta1, rest1: 1 - beta1 }),

  apply(_settings, { gradient }, { state, scalars }) {
    const exp_avg = runningMean(state.exp_avg, gradient, scalars.beta1, scalars.rest1);
    return { direction: exp_avg, state: { exp_avg } };
  },
};

/** theta <- theta - d; the last part of every optimizer. */
export const descend: Part<unknown> = {
  apply: (_settings, { parameter, direction }, { rates }) => ({
    parameter: subtract(parameter, scaledBy(rates, direction)),
  }),
};

/** Multiplies d by a number of each step. */
export const times = <Settings>(
  name: string,
  factor: (settings: Settings, step: number, learningRate: number) => number,
): Part<Settings> => ({
  scalars: (...now) => ({ [name]: factor(...now) }),
  apply: (_settings, { direction }, { scalars }) => ({ direction: multiply(direction, scalars[name]) }),
});

export const rate = times('learning_rate', (_settings, _step, learningRate) => learningRate);

/** The learning rate for a running mean that started at zero: d <- lr / (1 - beta1^t) d. */
export const correctedRate = times(
  'step_size',
  ({ betas: [beta1] }: MeanSettings, step, learningRate) => learningRate / (1 - beta1 ** step),
);

/**
 * Adam's denominator: v <- beta2 v + (1 - beta2) g^2; d <- d / (sqrt(v) / sqrt(1 - beta2^t) + eps).
 * The correction is computed in float64: 1 - 0.999^t loses four digits in float32. With amsgrad,
 * the largest v so far divides (Reddi et al., 2018).
 */
export const overRootMeanSquare: Part<MeanSettings & { readonly eps: number; readonly amsgrad?: boolean }> = {
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

/**
 * RMSprop's denominator: v <- alpha v + (1 - alpha) g^2; d <- d / (sqrt(v) + eps). If centered, a
 * <- alpha a + (1 - alpha) g and v - a^2 replaces v; a difference below 0 due to rounding counts as
 * 0.
 */
export const overUncorrectedRoot: Part<{
  readonly alpha: number;
  readonly eps: number;
  readonly centered: boolean;
}> = {
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

function runningMean(mean: Node, value: Node, decay: Node, rest: Node): Node {
  return add(multiply(mean, decay), multiply(value, rest));
}
