import { section } from '../../util/schema.js';
import { amsgrad, betas, decoupledWeightDecay, eps, optimizer, optimizerKeys } from './optimizer.js';
import { correctedRate, decoupledDecay, descend, gradientMean, overRootMeanSquare } from './parts.js';

/**
 * Adam with decoupled weight decay lambda as torch.optim.AdamW (Loshchilov and Hutter, 2019):
 *
 *     theta <- theta - lr lambda theta, then Adam's update without weight decay
 */
export const adamw = optimizer(
  {
    settings: section(
      optimizerKeys('adamw', 'Adam with decoupled weight decay.', {
        betas,
        eps,
        amsgrad,
        weight_decay: decoupledWeightDecay,
      }),
      {
        title: 'AdamWOptimizer',
        description: 'Adam with decoupled weight decay (Loshchilov and Hutter, 2019).',
      },
    ),
    reference: '`torch.optim.AdamW`',
  },
  decoupledDecay,
  gradientMean,
  correctedRate,
  overRootMeanSquare,
  descend,
);
