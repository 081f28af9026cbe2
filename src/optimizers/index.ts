/**
 * The optimizers by the `kind` that a config gives them; typed against the config's union, so that
 * none is forgotten.
 */
import type { OptimizerConfig } from '../config/index.js';
import { adagrad } from './adagrad.js';
import { adam } from './adam.js';
import { adamw } from './adamw.js';
import { lion } from './lion.js';
import { nadam } from './nadam.js';
import type { Optimizer } from './optimizer.js';
import { rmsprop } from './rmsprop.js';
import { sgd } from './sgd.js';

export const optimizers: {
  readonly [K in OptimizerConfig['kind']]: Optimizer<Extract<OptimizerConfig, { kind: K }>>;
} = { adagrad, adam, adamw, lion, nadam, rmsprop, sgd };

/** The optimizer of a config, to be used with that same config. */
export function optimizerOf(config: OptimizerConfig): Optimizer<OptimizerConfig> {
  return optimizers[config.kind] as Optimizer<OptimizerConfig>;
}
