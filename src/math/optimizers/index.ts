/**
 * Optimizers by the `kind` of a config; typed against the config's union so that none is missing.
 */
import type { OptimizerConfig } from '../../config/index.js';
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

/** Returns the optimizer of a config, for use with that config only. */
export function optimizerOf(config: OptimizerConfig): Optimizer<OptimizerConfig> {
  return optimizers[config.kind] as Optimizer<OptimizerConfig>;
}
