/** Decays by a factor at intervals. */
import { like, number, required } from '../../util/schema.js';
import {
  type Progress,
  schedule,
  type UpdatesOrEpochs,
  updatesIn,
  updatesOrEpochs,
  warmup,
} from './schedule.js';

/** base factor^floor(k / n) at update k with intervals of n updates. */
function atIntervals(
  base: number,
  { every, factor }: { readonly every: UpdatesOrEpochs; readonly factor: number },
  progress: Progress,
): number {
  return base * factor ** Math.floor(progress.done / updatesIn(every, progress));
}

const every = updatesOrEpochs('schedule_every', {
  description: 'How often to multiply the learning rate by `factor`: every N updates or every N epochs.',
  examples: [{ epochs: 10 }, { steps: 1000 }],
  aliases: ['step_size', 'interval', 'decay_every', 'decay_steps'],
});

const factor = number({
  name: 'schedule_factor',
  description: 'Factor that the learning rate is multiplied by.',
  above: 0,
  max: 1,
  examples: [0.5],
  aliases: ['gamma', 'decay', 'decay_rate', 'decay_factor'],
});

export const step = schedule({
  kind: 'step',
  description:
    'Multiplies the learning rate by `factor` every N updates or epochs (torch.optim.lr_scheduler.StepLR).',
  aliases: ['StepLR', 'step_decay'],
  keys: {
    every: required(every),
    factor: like(factor, { default: 0.1 }),
    warmup,
  },
  formula: 'base `factor`^floor(k / `every`)',
  pytorch: '`StepLR`',

  rate: atIntervals,
});

export const exponential = schedule({
  kind: 'exponential',
  description:
    'Multiplies the learning rate by `factor` after each epoch, or at the interval set by `every` (torch.optim.lr_scheduler.ExponentialLR).',
  aliases: ['ExponentialLR', 'exponential_decay'],
  keys: {
    every: like(every, { default: { epochs: 1 }, examples: [{ epochs: 1 }, { steps: 1 }] }),
    factor: required(factor),
    warmup,
  },
  formula: 'base `factor`^floor(k / `every`)',
  pytorch: '`ExponentialLR`',
  rate: atIntervals,
});
