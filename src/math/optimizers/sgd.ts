import { boolean } from '../../util/schema.js';
import { momentum, optimizer, weightDecay } from './optimizer.js';
import { coupledDecay, descend, rate, momentum as withMomentum } from './parts.js';

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
export const sgd = optimizer({
  kind: 'sgd',
  description: 'Stochastic gradient descent, with momentum as in PyTorch.',
  aliases: ['momentum', 'nesterov'],
  keys: {
    momentum,
    nesterov: boolean({
      description: 'Whether to use Nesterov momentum. Requires momentum above 0.',
      default: false,
      examples: [true],
    }),
    weight_decay: weightDecay,
  },
  reference: '`torch.optim.SGD`',
  parts: [coupledDecay, withMomentum, rate, descend],
});
