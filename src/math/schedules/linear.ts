import { type Schedule, shareDone, type UpdatesOrEpochs } from './schedule.js';

export interface LinearSettings {
  readonly length?: UpdatesOrEpochs;
  readonly end_factor: number;
}

/**
 * torch.optim.lr_scheduler.LinearLR from 1 to `end_factor`. At update k (0 for the first) of n:
 *
 *     rate = base (1 + (end_factor - 1) min(k / n, 1))
 */
export const linear: Schedule<LinearSettings> = {
  rate: (base, { length, end_factor }, progress) =>
    base * (1 + (end_factor - 1) * shareDone(length, progress)),
};
