/** Finds the metrics among the fields of an event, in logs of any version. */
import { type JsonObject, unspellNumbers } from '../files/json.js';
import type { BySplit, SplitMetrics } from '../summary.js';

/** Numeric fields of `train.epoch` and `eval` that are not metrics. */
const OTHERS: ReadonlySet<string> = new Set([
  'v',
  'seq',
  'epoch',
  'step',
  'samples',
  'restored_step',
  'duration_s',
]);

/**
 * Names of the metrics in a `train.epoch` or an `eval`: numbers, and nulls with a `_nonfinite`
 * field.
 */
export function metricsIn(event: { readonly [field: string]: unknown }): string[] {
  return Object.keys(event).filter(
    key => !OTHERS.has(key) && (typeof event[key] === 'number' || `${key}_nonfinite` in event),
  );
}

/** Converts metrics from a file to numbers, including those that are not finite. */
export function unspellMetrics({ train, validation, test }: BySplit<object>): BySplit<SplitMetrics> {
  const unspell = (metrics: object) => unspellNumbers(metrics as JsonObject);
  return {
    train: unspell(train),
    ...(validation && { validation: unspell(validation) }),
    test: unspell(test),
  };
}
