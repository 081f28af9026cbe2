/** The optimizers by the `kind` that a config gives them; typed against the config's union, so that none is forgotten. */
import type { OptimizerConfig } from '../config/index.js';
import { adam } from './adam.js';
import type { Optimizer } from './optimizer.js';
import { sgd } from './sgd.js';

export const optimizers: {
  readonly [K in OptimizerConfig['kind']]: Optimizer<Extract<OptimizerConfig, { kind: K }>>;
} = { adam, sgd };

/** The optimizer of a config, to be used with that same config. */
export function optimizerOf(config: OptimizerConfig): Optimizer<OptimizerConfig> {
  return optimizers[config.kind] as Optimizer<OptimizerConfig>;
}
