import { number } from '../../util/schema.js';
import { add, multiply } from '../ops/elementwise.js';
import { betas, eps, optimizer, type Part, weightDecay } from './optimizer.js';
import { coupledDecay, descend, gradientMean, overRootMeanSquare } from './parts.js';

interface NAdamSettings {
  readonly betas: readonly [number, number];
  readonly momentum_decay: number;
}

/** Momentum mu_t of step t; grows from half of beta1 to beta1. */
function momentumAt({ betas: [beta1], momentum_decay }: NAdamSettings, step: number): number {
  return beta1 * (1 - 0.5 * 0.96 ** (step * momentum_decay));
}

/** mu_1 mu_2 ... mu_t; stops once 1 - product is 1 in float64. */
function momentumProduct(settings: NAdamSettings, step: number): number {
  let product = 1;
  for (let i = 1; i <= step && 1 - product !== 1; i++) product *= momentumAt(settings, i);
  return product;
}

/** d <- lr (1 - mu_t) / (1 - P_t) g + lr mu_{t+1} / (1 - P_{t+1}) m, where P_t = mu_1 ... mu_t. */
const lookAhead: Part<NAdamSettings> = {
  scalars(settings, step, learningRate) {
    const next = momentumAt(settings, step + 1);
    const product = momentumProduct(settings, step);
    return {
      gradient_size: (learningRate * (1 - momentumAt(settings, step))) / (1 - product),
      mean_size: (learningRate * next) / (1 - product * next),
    };
  },
  apply: (_settings, { gradient, direction }, { scalars }) => ({
    direction: add(multiply(gradient, scalars.gradient_size), multiply(direction, scalars.mean_size)),
  }),
};

/**
 * Adam with Nesterov momentum as torch.optim.NAdam (Dozat, 2016); at step t, with gradient g:
 *
 *     m <- beta1 m + (1 - beta1) g          v <- beta2 v + (1 - beta2) g^2
 *     mu_t = beta1 (1 - 0.96^(t psi) / 2)   with psi the momentum decay; P_t = mu_1 ... mu_t
 *     d = (1 - mu_t) / (1 - P_t) g + mu_{t+1} / (1 - P_{t+1}) m
 *     theta <- theta - lr d / (sqrt(v / (1 - beta2^t)) + eps)
 *
 * Weight decay is added to the gradient.
 */
export const nadam = optimizer({
  kind: 'nadam',
  description: 'Adam with Nesterov momentum (Dozat, 2016).',
  keys: {
    betas,
    eps,
    momentum_decay: number({
      description: 'How fast momentum approaches the first of the betas: psi of Dozat (2016).',
      min: 0,
      max: 1000,
      default: 0.004,
      aliases: ['psi', 'schedule_decay'],
    }),
    weight_decay: weightDecay,
  },
  reference: '`torch.optim.NAdam`',
  parts: [coupledDecay, gradientMean, lookAhead, overRootMeanSquare, descend],
});
