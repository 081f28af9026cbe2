/** The losses by the `kind` that a config gives them; typed against the config's union, so that none is forgotten. */
import type { LossConfig } from '../config/index.js';
import { crossEntropy } from './cross_entropy.js';
import type { Loss } from './loss.js';
import { mse } from './mse.js';

export type LossName = LossConfig['kind'];

export const losses: Readonly<Record<LossName, Loss>> = { cross_entropy: crossEntropy, mse };
