import type { Optimizer } from './optimizer.js';
import { decoupledDecay } from './parts/decay.js';
import { gradientMean } from './parts/moments.js';
import { chain } from './parts/part.js';
import { type AdaptiveSettings, correctedRate, descend, overRootMeanSquare } from './parts/scale.js';

export interface AdamWSettings extends AdaptiveSettings {
  readonly weight_decay: number;
}

/**
 * Adam with decoupled weight decay lambda as torch.optim.AdamW (Loshchilov and Hutter, 2019):
 *
 *     theta <- theta - lr lambda theta, then Adam's update without weight decay
 */
export const adamw: Optimizer<AdamWSettings> = chain(
  decoupledDecay,
  gradientMean,
  correctedRate,
  overRootMeanSquare,
  descend,
);
