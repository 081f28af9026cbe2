import type { Optimizer } from './optimizer.js';
import { coupledDecay } from './parts/decay.js';
import { momentum } from './parts/moments.js';
import { chain } from './parts/part.js';
import { descend, overUncorrectedRoot, type RootMeanSquareSettings, rate } from './parts/scale.js';

export interface RmspropSettings extends RootMeanSquareSettings {
  readonly momentum: number;
  readonly weight_decay: number;
}

/**
 * RMSprop as torch.optim.RMSprop (Hinton, 2012, lecture 6e); with gradient g and momentum mu:
 *
 *     v <- alpha v + (1 - alpha) g^2        d <- g / (sqrt(v) + eps)
 *     b <- mu b + d                         theta <- theta - lr b
 *
 * Without momentum, b is d. If centered (Graves, 2013), the variance v - a^2 replaces v:
 *
 *     a <- alpha a + (1 - alpha) g
 *
 * Weight decay is added to the gradient.
 */
export const rmsprop: Optimizer<RmspropSettings> = chain(
  coupledDecay,
  overUncorrectedRoot,
  momentum,
  rate,
  descend,
);
