/** Fills in the defaults of a config, in the schema's order of keys. */

import { kindOf } from '../data/table.js';
import { lossKind } from '../math/losses/index.js';
import { largerIsBetter, TASKS } from '../math/metrics/index.js';
import type { DatasetConfig, Experiment, LossConfig, MetricName, PartialExperiment } from './experiment.js';
import { experimentSchema, isRecord, narrow, propertiesOf, type Schema, sweepSchema } from './schema/walk.js';
import { hasValidation, onValidation } from './splits.js';

/**
 * Fills in all defaults. Returns a deep copy, so that freezing it does not freeze the schema.
 * @param config plain; its sections are valid against the schema, some may be absent
 */
export function fillDefaults(config: unknown): PartialExperiment {
  return fillDerived(fillConstantDefaults(config) as Sections);
}

/**
 * Fills in only constant defaults. The others still follow the keys that they depend on if these
 * are overridden.
 */
export function fillConstantDefaults(config: unknown): unknown {
  return fill(experimentSchema(), config);
}

/** Fills in the constant defaults of a sweep. @param sweep plain, valid against the schema */
export function fillSweepDefaults(sweep: unknown): unknown {
  return fill(sweepSchema(), sweep);
}

const ANNOTATIONS: ReadonlySet<string> = new Set(['title', 'description', 'examples']);

type Sections = PartialExperiment;

function fill(schema: Schema, value: unknown): unknown {
  const target = narrow(schema, value);
  // any value is allowed and kept
  if (target === undefined || Object.keys(target).every(key => ANNOTATIONS.has(key))) return value;
  if (Array.isArray(value)) {
    const { items } = target;
    return items === undefined ? value : value.map(item => fill(items, item));
  }
  if (!isRecord(value)) return value;
  const filled: Record<string, unknown> = {};
  const properties = propertiesOf(target);
  for (const [key, property] of properties) {
    const given = value[key] ?? property.default;
    if (given !== undefined) filled[key] = fill(property, given);
  }
  const { additionalProperties: open } = target;
  if (typeof open === 'object') {
    const free = Object.entries(value).filter(([key]) => !properties.has(key));
    for (const [key, inner] of free) filled[key] = fill(open, inner);
  }
  return filled;
}

/**
 * Fills in the defaults that depend on other keys, which the schema describes in words
 * (`x-default`).
 */
function fillDerived(config: Sections): PartialExperiment {
  const { training, checkpoint, loss, dataset, optimizer, seed = 0 } = config;
  const metric = (own: MetricName | undefined): MetricName =>
    own ?? checkpoint?.metric ?? training?.early_stopping?.metric ?? selectingMetric(loss, dataset);
  return {
    ...config,
    ...(dataset &&
      'seed' in kindOf(dataset).settings.keys && {
        dataset: Object.assign({ ...dataset }, { seed: (dataset as { seed?: number }).seed ?? seed }),
      }),
    ...(training && {
      training: {
        ...training,
        ...(training.early_stopping && {
          early_stopping: { ...training.early_stopping, metric: metric(training.early_stopping.metric) },
        }),
        eval_batch_size: training.eval_batch_size ?? training.batch_size,
      },
    }),
    ...(checkpoint && { checkpoint: fillCheckpoint(checkpoint, metric(checkpoint.metric)) }),
    ...(optimizer?.schedule?.kind === 'plateau' && {
      optimizer: {
        ...optimizer,
        schedule: { ...optimizer.schedule, metric: metric(optimizer.schedule.metric) },
      },
    }),
  };
}

function fillCheckpoint(checkpoint: Experiment['checkpoint'], metric: MetricName): Experiment['checkpoint'] {
  return { ...checkpoint, metric, mode: checkpoint.mode ?? (largerIsBetter(metric) ? 'max' : 'min') };
}

/** Default metric for selection. */
function selectingMetric(loss: LossConfig | undefined, dataset: DatasetConfig | undefined): MetricName {
  const onTest = `test.${loss ? TASKS[lossKind(loss).task].selects : 'accuracy'}` as const;
  return hasValidation(dataset) ? onValidation(onTest) : onTest;
}
