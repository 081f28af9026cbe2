import { type Schedule, type UpdatesOrEpochs, updatesIn } from './schedule.js';

export interface StepSettings {
  readonly every: UpdatesOrEpochs;
  readonly factor: number;
}

/**
 * torch.optim.lr_scheduler.StepLR; `exponential` is ExponentialLR, stepped after each of the same
 * intervals. At update k (0 for the first) with intervals of n updates:
 *
 *     rate = base factor^floor(k / n)
 */
export const step: Schedule<StepSettings> = {
  rate: (base, { every, factor }, progress) =>
    base * factor ** Math.floor(progress.done / updatesIn(every, progress)),
};
