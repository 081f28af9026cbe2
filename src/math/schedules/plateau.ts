import { integer, like, number } from '../../util/schema.js';
import { largerIsBetter, metricName } from '../metrics/index.js';
import { minLearningRate, schedule, warmup } from './schedule.js';

/** PyTorch's `eps`: smaller reductions are skipped. */
const MIN_REDUCTION = 1e-8;

export const minDelta = number({
  description:
    'Smallest change that counts as an improvement: a value must be better than the best by more than this.',
  min: 0,
  max: 1e300,
  default: 0,
  examples: [0.001],
  aliases: ['threshold', 'delta', 'tolerance'],
});

/** Computed from all values of the metric so far; one that is not finite is no improvement. */
export const plateau = schedule({
  kind: 'plateau',
  description:
    'Multiplies the learning rate by `factor` if a metric has not improved for more than `patience` evaluations in a row (torch.optim.lr_scheduler.ReduceLROnPlateau). Evaluations during the warm-up do not count.',
  aliases: ['ReduceLROnPlateau', 'reduce_on_plateau'],
  keys: {
    metric: like(metricName, {
      description: 'Metric to watch.',
      defaultText: 'checkpoint.metric',
      examples: ['validation.loss'],
      aliases: ['monitor'],
    }),
    factor: number({
      description: 'Factor that the learning rate is multiplied by.',
      above: 0,
      below: 1,
      default: 0.1,
      examples: [0.5],
      aliases: ['gamma', 'decay', 'decay_rate', 'decay_factor'],
    }),
    patience: integer({
      description:
        'Number of evaluations in a row without an improvement to wait; the next one reduces the rate.',
      min: 0,
      max: 1e6,
      default: 10,
      examples: [2],
      aliases: ['wait'],
    }),
    min_delta: minDelta,
    cooldown: integer({
      description: 'Number of evaluations after a reduction in which a missing improvement does not count.',
      min: 0,
      max: 1e6,
      default: 0,
      examples: [1],
    }),
    min_learning_rate: minLearningRate,
    warmup,
  },
  formula:
    'base, multiplied by `factor` after more than `patience` evaluations in a row in which `metric` did not improve on its best by more than `min_delta`; never below `min_learning_rate`. After a reduction, `cooldown` evaluations do not count',
  pytorch: '`ReduceLROnPlateau` with `threshold_mode="abs"`',

  rate(base, { metric, factor, patience, min_delta, cooldown, min_learning_rate }, progress) {
    const sign = largerIsBetter(metric) ? -1 : 1;
    let rate = base;
    let best = Number.POSITIVE_INFINITY;
    let bad = 0;
    let cooling = 0;
    for (const { value } of progress.observations()) {
      if (Number.isFinite(value) && sign * value < best - min_delta) {
        best = sign * value;
        bad = 0;
      } else bad++;
      if (cooling > 0) {
        cooling--;
        bad = 0;
      }
      if (bad <= patience) continue;
      const reduced = Math.max(rate * factor, min_learning_rate);
      if (rate - reduced > MIN_REDUCTION) rate = reduced;
      cooling = cooldown;
      bad = 0;
    }
    return rate;
  },
});
