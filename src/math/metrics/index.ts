/** Metrics by name; typed against the schema so that none is missing. */
import type { MeasuredMetric, Task } from '../../config/index.js';
import { classesMeans, classesMetrics } from './classes.js';
import { labelsMeans, labelsMetrics } from './labels.js';
import { type Accumulator, meanOf, type PredictionMetric } from './metric.js';
import { valuesMeans, valuesMetrics } from './values.js';

interface Family {
  /** Metrics that are means over predictions; available during training too. */
  readonly means: Partial<Readonly<Record<MeasuredMetric, PredictionMetric>>>;
  /** Other metrics, for a number of classes, labels or targets. */
  readonly others: Partial<Readonly<Record<MeasuredMetric, (size: number) => Accumulator>>>;
}

const FAMILIES: Readonly<Record<Task, Family>> = {
  classes: { means: classesMeans, others: classesMetrics },
  labels: { means: labelsMeans, others: labelsMetrics },
  values: { means: valuesMeans, others: valuesMetrics },
};

/**
 * Creates the accumulator of metric `name` of a task.
 * @param size number of classes, labels or targets
 */
export function accumulator(task: Task, name: MeasuredMetric, size: number): Accumulator {
  const { means, others } = FAMILIES[task];
  const mean = means[name];
  if (mean) return meanOf(mean);
  const make = others[name];
  if (!make) throw new Error(`there is no ${name} of ${task}: the config was not checked`);
  return make(size);
}

/** Returns the metrics in `names` that are available during training, with their names. */
export function trainedMetrics(
  task: Task,
  names: readonly MeasuredMetric[],
): readonly (readonly [name: MeasuredMetric, metric: PredictionMetric])[] {
  const { means } = FAMILIES[task];
  return names.flatMap(name => {
    const metric = means[name];
    return metric ? [[name, metric] as const] : [];
  });
}
