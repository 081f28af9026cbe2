import { largerIsBetter } from '../../config/rules/metrics.js';
import type { Schedule } from './schedule.js';

export interface PlateauSettings {
  readonly metric: string;
  readonly factor: number;
  readonly patience: number;
  readonly min_delta: number;
  readonly cooldown: number;
  readonly min_learning_rate: number;
}

/** PyTorch's `eps`: smaller reductions are skipped. */
const MIN_REDUCTION = 1e-8;

/**
 * torch.optim.lr_scheduler.ReduceLROnPlateau with `threshold_mode="abs"`, computed from all values
 * of the metric so far. A value that is not finite is not an improvement.
 */
export const plateau: Schedule<PlateauSettings> = {
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
};
