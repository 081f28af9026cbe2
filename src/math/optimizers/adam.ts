import { amsgrad, betas, decoupledWeightDecay, eps, optimizer, weightDecay } from './optimizer.js';
import {
  correctedRate,
  coupledDecay,
  decoupledDecay,
  descend,
  gradientMean,
  overRootMeanSquare,
} from './parts.js';

/**
 * Adam as torch.optim.Adam. Kingma and Ba (2015), algorithm 1; at step t, with gradient g:
 *
 *     m <- beta1 m + (1 - beta1) g          v <- beta2 v + (1 - beta2) g^2
 *     theta <- theta - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
 *
 * Weight decay is added to the gradient. With amsgrad, the largest v so far replaces v.
 */
export const adam = optimizer({
  kind: 'adam',
  description: 'Adam (Kingma and Ba, 2015), with bias correction.',
  aliases: ['amsgrad'],
  keys: { betas, eps, amsgrad, weight_decay: weightDecay },
  reference: '`torch.optim.Adam`',
  parts: [coupledDecay, gradientMean, correctedRate, overRootMeanSquare, descend],
});

/**
 * Adam with decoupled weight decay lambda as torch.optim.AdamW (Loshchilov and Hutter, 2019):
 *
 *     theta <- theta - lr lambda theta, then Adam's update without weight decay
 */
export const adamw = optimizer({
  kind: 'adamw',
  description: 'Adam with decoupled weight decay (Loshchilov and Hutter, 2019).',
  keys: {
    betas,
    eps,
    amsgrad,
    weight_decay: decoupledWeightDecay,
  },
  reference: '`torch.optim.AdamW`',
  parts: [decoupledDecay, gradientMean, correctedRate, overRootMeanSquare, descend],
});
