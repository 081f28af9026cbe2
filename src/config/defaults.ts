/** Fills in everything that a config leaves out, in the schema's order of keys. */

import type { PartialExperiment } from './experiment.js';
import type * as generated from './generated.js';
import { largerIsBetter } from './metrics.js';
import { dereference, experimentSchema, isRecord, narrow, propertiesOf, type Schema } from './schema-walk.js';

/**
 * A copy throughout, so that freezing it leaves the schema's defaults alone.
 * @param config plain, its sections valid against the schema, some perhaps absent; not changed
 */
export function fillDefaults(config: unknown): PartialExperiment {
  return fillDerived(fill(dereference(experimentSchema()), config) as Sections);
}

type Sections = Partial<generated.Experiment>;

function fill(schema: Schema, value: unknown): unknown {
  const target = narrow(schema, value);
  if (target === undefined) return value;
  if (Array.isArray(value)) {
    const { items } = target;
    return items === undefined ? value : value.map(item => fill(items, item));
  }
  if (!isRecord(value)) return value;
  const filled: Record<string, unknown> = {};
  for (const [key, property] of propertiesOf(target)) {
    const given = value[key] ?? property.default;
    if (given !== undefined) filled[key] = fill(property, given);
  }
  return filled;
}

/** The defaults that the schema describes in words (`x-default`), since they depend on other keys. */
function fillDerived(config: Sections): PartialExperiment {
  const { training, checkpoint, loss, dataset, seed = 0 } = config;
  return {
    ...config,
    ...(dataset?.kind === 'synthetic' && { dataset: { ...dataset, seed: dataset.seed ?? seed } }),
    ...(training && {
      training: { ...training, eval_batch_size: training.eval_batch_size ?? training.batch_size },
    }),
    ...(checkpoint && { checkpoint: fillCheckpoint(checkpoint, loss) }),
  };
}

function fillCheckpoint(
  checkpoint: generated.CheckpointConfig,
  loss: generated.LossConfig | undefined,
): generated.CheckpointConfig {
  const metric = checkpoint.metric ?? (loss?.kind === 'mse' ? 'test.loss' : 'test.accuracy');
  return { ...checkpoint, metric, mode: checkpoint.mode ?? (largerIsBetter(metric) ? 'max' : 'min') };
}
