import { multiply } from '../ops/multiply.js';
import type { Optimizer } from './optimizer.js';
import { coupledDecay } from './parts/decay.js';
import { chain, type Part } from './parts/part.js';
import { descend, overRootSum } from './parts/scale.js';

export interface AdagradSettings {
  readonly learning_rate_decay: number;
  readonly eps: number;
  readonly weight_decay: number;
}

/** d <- lr / (1 + (t - 1) eta) d, where eta is the decay of the learning rate. */
const decayingRate: Part<AdagradSettings> = {
  scalars: ({ learning_rate_decay }, step, learningRate) => ({
    decayed_rate: learningRate / (1 + (step - 1) * learning_rate_decay),
  }),
  apply: (_settings, { direction }, { scalars }) => ({
    direction: multiply(direction, scalars.decayed_rate),
  }),
};

/**
 * Adagrad as torch.optim.Adagrad (Duchi, Hazan and Singer, 2011); at step t, with gradient g:
 *
 *     s <- s + g^2        theta <- theta - lr / (1 + (t - 1) eta) * g / (sqrt(s) + eps)
 *
 * Weight decay is added to the gradient.
 */
export const adagrad: Optimizer<AdagradSettings> = chain(coupledDecay, decayingRate, overRootSum, descend);
