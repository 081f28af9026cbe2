import type { Optimizer } from './optimizer.js';
import { coupledDecay } from './parts/decay.js';
import { momentum } from './parts/moments.js';
import { chain } from './parts/part.js';
import { descend, rate } from './parts/scale.js';

export interface SgdSettings {
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weight_decay: number;
}

/**
 * Stochastic gradient descent as torch.optim.SGD (dampening 0). With gradient g, momentum mu,
 * weight decay lambda:
 *
 *     g <- g + lambda theta
 *     b <- mu b + g
 *     theta <- theta - lr (g + mu b  if nesterov, else b)
 *
 * Without momentum, b is g. Sutskever et al. (2013) for momentum and Nesterov's form.
 */
export const sgd: Optimizer<SgdSettings> = chain(coupledDecay, momentum, rate, descend);
