/** Running sums and means of the direction. */
import { add } from '../../ops/add.js';
import { multiply } from '../../ops/multiply.js';
import type { Part } from './part.js';

export interface MomentumSettings {
  readonly momentum: number;
  readonly nesterov?: boolean;
}

/**
 * Momentum mu of a direction d: b <- mu b + d, then d <- d + mu b if nesterov, else b (Sutskever et
 * al., 2013). Without momentum, d is unchanged.
 */
export const momentum: Part<MomentumSettings> = {
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

export interface MeanSettings {
  /** Decay rates of the running means of the gradient and of its square. */
  readonly betas: readonly [number, number];
}

/**
 * Running mean of the gradient, not corrected for starting at zero: m <- beta1 m + (1 - beta1) g; d
 * <- m.
 */
export const gradientMean: Part<MeanSettings> = {
  state: () => ['exp_avg'],

  scalars: ({ betas: [beta1] }) => ({ beta1, rest1: 1 - beta1 }),

  apply(_settings, { gradient }, { state, scalars }) {
    const exp_avg = add(multiply(state.exp_avg, scalars.beta1), multiply(gradient, scalars.rest1));
    return { direction: exp_avg, state: { exp_avg } };
  },
};
