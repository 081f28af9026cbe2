import { literal, required, section } from '../../util/schema.js';
import { scheduleConfig } from '../schedules/index.js';
import {
  amsgrad,
  betas,
  decoupledWeightDecay,
  eps,
  KIND,
  learningRate,
  optimizer,
  weightDecayOn,
} from './optimizer.js';
import { chain, correctedRate, decoupledDecay, descend, gradientMean, overRootMeanSquare } from './parts.js';

/**
 * Adam with decoupled weight decay lambda as torch.optim.AdamW (Loshchilov and Hutter, 2019):
 *
 *     theta <- theta - lr lambda theta, then Adam's update without weight decay
 */
export const adamw = optimizer(
  {
    settings: section(
      {
        kind: literal('adamw', {
          description: 'Adam with decoupled weight decay.',
          examples: ['adamw'],
          ...KIND,
        }),
        learning_rate: required(learningRate),
        schedule: scheduleConfig,
        betas: betas,
        eps: eps,
        amsgrad: amsgrad,
        weight_decay: decoupledWeightDecay,
        weight_decay_on: weightDecayOn,
      },
      {
        title: 'AdamWOptimizer',
        description: 'Adam with decoupled weight decay (Loshchilov and Hutter, 2019).',
      },
    ),
    reference: '`torch.optim.AdamW`',
  },
  chain(decoupledDecay, gradientMean, correctedRate, overRootMeanSquare, descend),
);
