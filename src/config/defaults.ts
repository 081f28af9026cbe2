/** Fills in the defaults of a config, in the schema's order of keys. */
import { kindOf } from '../data/table.js';
import { lossKind } from '../math/losses/index.js';
import { largerIsBetter, TASKS } from '../math/metrics/index.js';
import type { DatasetConfig, LossConfig, MetricName, PartialExperiment } from './experiment.js';
import { hasValidation, onValidation } from './metrics.js';
import { experimentSchema, isRecord, narrow, propertiesOf, type Schema, sweepSchema } from './schema/walk.js';

/** A deep copy, so that freezing it does not freeze the schema. */
export function fillDefaults(config: unknown): PartialExperiment {
  return fillDerived(fillConstantDefaults(config) as Sections);
}

/** The others still follow the keys that they depend on if these are overridden. */
export function fillConstantDefaults(config: unknown): unknown {
  return fill(experimentSchema(), config);
}

export function fillSweepDefaults(sweep: unknown): unknown {
  return fill(sweepSchema(), sweep);
}

const ANNOTATIONS: ReadonlySet<string> = new Set(['title', 'description', 'examples']);

type Sections = PartialExperiment;

function fill(schema: Schema, value: unknown): unknown {
  const target = narrow(schema, value);
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

/** Fills in the defaults that depend on other keys, which the schema describes in words. */
function fillDerived(config: Sections): PartialExperiment {
  const { training, checkpoint, loss, dataset, optimizer, seed = 0 } = config;
  const stopping = training?.early_stopping;
  const schedule = optimizer?.schedule;
  const metric = (own: MetricName | undefined): MetricName =>
    own ?? checkpoint?.metric ?? stopping?.metric ?? selectingMetric(loss, dataset);
  const hasSeed = dataset && 'seed' in kindOf(dataset).settings.keys;
  return {
    ...config,
    ...(hasSeed && {
      dataset: { ...dataset, seed: (dataset as { seed?: number }).seed ?? seed } as typeof dataset,
    }),
    ...(training && {
      training: {
        ...training,
        ...(stopping && { early_stopping: { ...stopping, metric: metric(stopping.metric) } }),
        eval_batch_size: training.eval_batch_size ?? training.batch_size,
      },
    }),
    ...(checkpoint && {
      checkpoint: {
        ...checkpoint,
        metric: metric(checkpoint.metric),
        mode: checkpoint.mode ?? (largerIsBetter(metric(checkpoint.metric)) ? 'max' : 'min'),
      },
    }),
    ...(optimizer &&
      schedule?.kind === 'plateau' && {
        optimizer: { ...optimizer, schedule: { ...schedule, metric: metric(schedule.metric) } },
      }),
  };
}

function selectingMetric(loss: LossConfig | undefined, dataset: DatasetConfig | undefined): MetricName {
  const onTest = `test.${loss ? TASKS[lossKind(loss).task].selects : 'accuracy'}` as const;
  return hasValidation(dataset) ? onValidation(onTest) : onTest;
}
