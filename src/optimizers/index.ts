/** The optimizers by the `kind` that a config gives them. */
import { adam } from './adam.js';
import { sgd } from './sgd.js';

export const optimizers = { adam, sgd } as const;

export type OptimizerKind = keyof typeof optimizers;
