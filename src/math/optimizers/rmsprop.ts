import { boolean, number } from '../../util/schema.js';
import { BUFFER, eps, momentum, optimizer, weightDecay } from './optimizer.js';
import { coupledDecay, descend, overUncorrectedRoot, rate, momentum as withMomentum } from './parts.js';

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
export const rmsprop = optimizer({
  kind: 'rmsprop',
  description: 'RMSprop (Hinton, 2012), with momentum as in PyTorch.',
  keys: {
    alpha: number({
      description: 'Decay rate of the running average of the squared gradient.',
      min: 0,
      below: 1,
      default: 0.99,
      aliases: ['rho', 'beta'],
    }),
    eps,
    centered: boolean({
      description:
        'Whether to divide by the standard deviation of the gradient instead of the root of its mean square.',
      default: false,
      examples: [true],
      ...BUFFER,
    }),
    momentum,
    weight_decay: weightDecay,
  },
  reference: '`torch.optim.RMSprop`',
  parts: [coupledDecay, overUncorrectedRoot, withMomentum, rate, descend],
});
