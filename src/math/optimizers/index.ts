import { settingsOf, type TypeOf } from '../../util/schema.js';
import { adagrad } from './adagrad.js';
import { adam, adamw } from './adam.js';
import { lion } from './lion.js';
import { nadam } from './nadam.js';
import type { Optimizer } from './optimizer.js';
import { rmsprop } from './rmsprop.js';
import { sgd } from './sgd.js';

export const optimizers = { sgd, adam, adamw, rmsprop, adagrad, nadam, lion };

export const optimizerConfig = settingsOf('optimizer', 'kind', optimizers, {
  required: true,
  description: 'The optimizer, by kind.',
  examples: [{ kind: 'adam', learning_rate: 0.01 }],
  aliases: ['optim', 'optimiser'],
  effects: ['numerics'],
});

export type OptimizerConfig = TypeOf<typeof optimizerConfig>;

/** Returns the optimizer of a config, for use with that config only. */
export function optimizerOf(config: OptimizerConfig): Optimizer<OptimizerConfig> {
  return optimizers[config.kind] as Optimizer<OptimizerConfig>;
}
