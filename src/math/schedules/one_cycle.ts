import { alongCosine, type Schedule } from './schedule.js';

export interface OneCycleSettings {
  readonly warmup_fraction: number;
  readonly start_factor: number;
  readonly end_factor: number;
}

/**
 * torch.optim.lr_scheduler.OneCycleLR (Smith and Topin, 2018) with cosine annealing. At update k (0
 * for the first) of n, with the maximum at p = warmup_fraction n - 1, which need not be an integer:
 *
 *     from base start_factor at 0 to base at p, then to base end_factor at n - 1
 */
export const one_cycle: Schedule<OneCycleSettings> = {
  rate(base, { warmup_fraction, start_factor, end_factor }, { done, total }) {
    const top = warmup_fraction * total - 1;
    const end = total - 1;
    if (done <= top) return alongCosine(base * start_factor, base, top === 0 ? 1 : done / top);
    return alongCosine(base, base * end_factor, (done - top) / (end - top));
  },
};
