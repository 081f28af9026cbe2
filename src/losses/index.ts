/** The losses by the name that a config gives them. */
import { crossEntropy } from './cross_entropy.js';
import type { Loss } from './loss.js';
import { mse } from './mse.js';

export const losses = { cross_entropy: crossEntropy, mse } as const satisfies Record<string, Loss>;

export type LossName = keyof typeof losses;
