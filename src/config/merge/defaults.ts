/** Fills in everything that a config leaves out, in the schema's order of keys. */

import type { PartialExperiment } from '../experiment.js';
import type * as generated from '../generated.js';
import { lossFacts } from '../rules/losses.js';
import { largerIsBetter } from '../rules/metrics.js';
import { hasValidation, onValidation } from '../rules/splits.js';
import {
  experimentSchema,
  isRecord,
  narrow,
  propertiesOf,
  type Schema,
  sweepSchema,
} from '../schema/walk.js';

/**
 * A copy throughout, so that freezing it leaves the schema's defaults alone.
 * @param config plain, its sections valid against the schema, some perhaps absent; not changed
 */
export function fillDefaults(config: unknown): PartialExperiment {
  return fillDerived(fillConstantDefaults(config) as Sections);
}

/** Only the defaults that depend on nothing: what is still left out follows other keys when these are overridden. */
export function fillConstantDefaults(config: unknown): unknown {
  return fill(experimentSchema(), config);
}

/** A sweep with its defaults; those of `x-default` are left out. @param sweep plain, valid against the schema */
export function fillSweepDefaults(sweep: unknown): unknown {
  return fill(sweepSchema(), sweep);
}

const ANNOTATIONS: ReadonlySet<string> = new Set(['title', 'description', 'examples']);

type Sections = Partial<generated.Experiment>;

function fill(schema: Schema, value: unknown): unknown {
  const target = narrow(schema, value);
  // where the schema says nothing, anything may stand, and stays
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

/** The defaults that the schema describes in words (`x-default`), since they depend on other keys. */
function fillDerived(config: Sections): PartialExperiment {
  const { training, checkpoint, loss, dataset, optimizer, seed = 0 } = config;
  const metric = (own: generated.MetricName | undefined): generated.MetricName =>
    own ?? checkpoint?.metric ?? training?.early_stopping?.metric ?? decidingMetric(loss, dataset);
  return {
    ...config,
    ...(dataset?.kind === 'synthetic' && { dataset: { ...dataset, seed: dataset.seed ?? seed } }),
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

function fillCheckpoint(
  checkpoint: generated.CheckpointConfig,
  metric: generated.MetricName,
): generated.CheckpointConfig {
  return { ...checkpoint, metric, mode: checkpoint.mode ?? (largerIsBetter(metric) ? 'max' : 'min') };
}

/** What selects if the config does not say it. */
function decidingMetric(
  loss: generated.LossConfig | undefined,
  dataset: generated.DatasetConfig | undefined,
): generated.MetricName {
  const onTest = loss ? lossFacts(loss).decides : 'test.accuracy';
  return hasValidation(dataset) ? onValidation(onTest) : onTest;
}
