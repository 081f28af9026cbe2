import { number } from '../../util/schema.js';
import { alongCosine, schedule } from './schedule.js';

/**
 * torch.optim.lr_scheduler.OneCycleLR (Smith and Topin, 2018) with cosine annealing. At update k (0
 * for the first) of n, with the maximum at p = warmup_fraction n - 1, which need not be an integer:
 *
 *     from base start_factor at 0 to base at p, then to base end_factor at n - 1
 */
export const one_cycle = schedule({
  kind: 'one_cycle',
  description:
    'Raises the learning rate along half a cosine from `start_factor` times its value, then lowers it along another to `end_factor` times its value at the planned end of training (torch.optim.lr_scheduler.OneCycleLR).',
  aliases: ['OneCycleLR'],
  keys: {
    warmup_fraction: number({
      description: 'Fraction of the updates in which the rate rises.',
      min: 0,
      max: 1,
      default: 0.3,
      aliases: ['pct_start', 'warmup', 'warmup_ratio'],
    }),
    start_factor: number({
      description: 'Factor of the learning rate at the first update (1 / div_factor).',
      min: 0,
      max: 1,
      default: 0.04,
      aliases: ['div_factor'],
    }),
    end_factor: number({
      description: 'Factor of the learning rate at the last update (1 / (div_factor * final_div_factor)).',
      min: 0,
      max: 1,
      default: 4e-6,
      examples: [0.0001],
      aliases: ['final_div_factor', 'final_factor'],
    }),
  },
  formula:
    'half a cosine from base `start_factor` at k = 0 to base at k = `warmup_fraction` n - 1, then another to base `end_factor` at k = n - 1',
  pytorch: '`OneCycleLR`',
  dependsOnLength: () => true,

  rate(base, { warmup_fraction, start_factor, end_factor }, { done, total }) {
    const top = warmup_fraction * total - 1;
    const end = total - 1;
    if (done <= top) return alongCosine(base * start_factor, base, top === 0 ? 1 : done / top);
    return alongCosine(base, base * end_factor, (done - top) / (end - top));
  },
});
