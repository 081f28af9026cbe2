import { like, number } from '../../util/schema.js';
import { eps, optimizer, weightDecay } from './optimizer.js';
import { coupledDecay, descend, overRootSum, times } from './parts.js';

/** d <- lr / (1 + (t - 1) eta) d, where eta is the decay of the learning rate. */
const decayingRate = times(
  'decayed_rate',
  ({ learning_rate_decay }: { readonly learning_rate_decay: number }, step, learningRate) =>
    learningRate / (1 + (step - 1) * learning_rate_decay),
);

/**
 * Adagrad as torch.optim.Adagrad (Duchi, Hazan and Singer, 2011); at step t, with gradient g:
 *
 *     s <- s + g^2        theta <- theta - lr / (1 + (t - 1) eta) * g / (sqrt(s) + eps)
 *
 * Weight decay is added to the gradient.
 */
export const adagrad = optimizer({
  kind: 'adagrad',
  description: 'Adagrad (Duchi, Hazan and Singer, 2011).',
  keys: {
    learning_rate_decay: number({
      description:
        'The learning rate of update t is learning_rate / (1 + (t - 1) * learning_rate_decay), times the schedule.',
      min: 0,
      max: 1000,
      default: 0,
      examples: [0.001],
      aliases: ['lr_decay'],
    }),
    eps: like(eps, { default: 1e-10 }),
    weight_decay: weightDecay,
  },
  reference: '`torch.optim.Adagrad`',
  parts: [coupledDecay, decayingRate, overRootSum, descend],
});
