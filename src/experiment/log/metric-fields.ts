/** Which fields of an event are metrics, whatever version wrote it. */
import { type JsonObject, unspellNumbers } from '../files/json.js';
import type { BySplit, SplitMetrics } from '../summary.js';

/** The numbers of a `train.epoch` or an `eval` that are no metric. */
const OTHERS: ReadonlySet<string> = new Set([
  'v',
  'seq',
  'epoch',
  'step',
  'samples',
  'restored_step',
  'duration_s',
]);

/** Names of the metrics in a `train.epoch` or an `eval`: numbers, and nulls that stand for one. */
export function metricsIn(event: { readonly [field: string]: unknown }): string[] {
  return Object.keys(event).filter(
    key => !OTHERS.has(key) && (typeof event[key] === 'number' || `${key}_nonfinite` in event),
  );
}

/** Metrics as a file has them, those that are not finite among them. */
export function unspellMetrics({ train, validation, test }: BySplit<object>): BySplit<SplitMetrics> {
  const unspell = (metrics: object) => unspellNumbers(metrics as JsonObject);
  return {
    train: unspell(train),
    ...(validation && { validation: unspell(validation) }),
    test: unspell(test),
  };
}
