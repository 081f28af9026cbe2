import { literal, required, section } from '../../util/schema.js';
import { scheduleConfig } from '../schedules/index.js';
import {
  amsgrad,
  betas,
  eps,
  KIND,
  learningRate,
  optimizer,
  weightDecay,
  weightDecayOn,
} from './optimizer.js';
import { chain, correctedRate, coupledDecay, descend, gradientMean, overRootMeanSquare } from './parts.js';

/**
 * Adam as torch.optim.Adam. Kingma and Ba (2015), algorithm 1; at step t, with gradient g:
 *
 *     m <- beta1 m + (1 - beta1) g          v <- beta2 v + (1 - beta2) g^2
 *     theta <- theta - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
 *
 * Weight decay is added to the gradient. With amsgrad, the largest v so far replaces v.
 */
export const adam = optimizer(
  {
    settings: section(
      {
        kind: literal('adam', { description: 'Adam.', examples: ['adam'], ...KIND }),
        learning_rate: required(learningRate),
        schedule: scheduleConfig,
        betas: betas,
        eps: eps,
        amsgrad: amsgrad,
        weight_decay: weightDecay,
        weight_decay_on: weightDecayOn,
      },
      {
        title: 'AdamOptimizer',
        description: 'Adam (Kingma and Ba, 2015), with bias correction.',
        aliases: ['amsgrad'],
      },
    ),
    reference: '`torch.optim.Adam`',
  },
  chain(coupledDecay, gradientMean, correctedRate, overRootMeanSquare, descend),
);
