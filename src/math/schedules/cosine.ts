import { alongCosine, type Schedule, shareDone, type UpdatesOrEpochs } from './schedule.js';

export interface CosineSettings {
  readonly length?: UpdatesOrEpochs;
  readonly min_learning_rate: number;
}

/**
 * torch.optim.lr_scheduler.CosineAnnealingLR (Loshchilov and Hutter, 2017, without restarts). At
 * update k (0 for the first) of n:
 *
 *     rate = min + (base - min) (1 + cos(pi k / n)) / 2, and min from update n on
 */
export const cosine: Schedule<CosineSettings> = {
  rate: (base, { length, min_learning_rate }, progress) =>
    alongCosine(base, min_learning_rate, shareDone(length, progress)),
};
