/** Fills in the defaults of a config, in the schema's order of keys. */
import { kindOf } from '../data/index.js';
import { lossKind } from '../math/losses/index.js';
import { largerIsBetter, TASKS } from '../math/metrics/index.js';
import type { MetricName, PartialExperiment } from './experiment.js';
import { hasValidation } from './metrics.js';
import { experimentSchema, mapBySchema, type Schema, sweepSchema } from './schema/walk.js';

/** A deep copy, so that freezing it does not freeze the schema. */
export function fillDefaults(config: unknown): PartialExperiment {
  return fillDerived(fillConstantDefaults(config) as PartialExperiment);
}

/** The others still follow the keys that they depend on if these are overridden. */
export function fillConstantDefaults(config: unknown): unknown {
  return fill(experimentSchema(), config);
}

export function fillSweepDefaults(sweep: unknown): unknown {
  return fill(sweepSchema(), sweep);
}

function fill(schema: Schema, whole: unknown): unknown {
  return mapBySchema(schema, whole, (part, value) => value ?? part.default ?? value);
}

/** Fills in the defaults that depend on other keys, which the schema describes in words. */
function fillDerived(config: PartialExperiment): PartialExperiment {
  const { training, checkpoint, loss, dataset, optimizer, seed = 0 } = config;
  const { early_stopping } = training ?? {};
  const { schedule } = optimizer ?? {};
  const selects = loss ? TASKS[lossKind(loss).task].selects : 'accuracy';
  const selecting: MetricName = `${hasValidation(dataset) ? 'validation' : 'test'}.${selects}`;
  const best = checkpoint?.metric ?? early_stopping?.metric ?? selecting;
  const withMetric = <T extends { readonly metric: MetricName }>(part: T): T => ({
    ...part,
    metric: part.metric ?? best,
  });
  const hasSeed = dataset && 'seed' in kindOf(dataset).settings.keys;
  return {
    ...config,
    ...(hasSeed && {
      dataset: { ...dataset, seed: 'seed' in dataset ? dataset.seed : seed } as typeof dataset,
    }),
    ...(training && {
      training: {
        ...training,
        ...(early_stopping && { early_stopping: withMetric(early_stopping) }),
        eval_batch_size: training.eval_batch_size ?? training.batch_size,
      },
    }),
    ...(checkpoint && {
      checkpoint: {
        ...withMetric(checkpoint),
        mode: checkpoint.mode ?? (largerIsBetter(best) ? 'max' : 'min'),
      },
    }),
    ...(optimizer &&
      schedule?.kind === 'plateau' && { optimizer: { ...optimizer, schedule: withMetric(schedule) } }),
  };
}
