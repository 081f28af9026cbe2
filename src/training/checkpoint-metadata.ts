/** What a checkpoint says of a run beside its tensors: where it stands, what it measured. Plain JSON, no clock in it. */
import type { BatchOrderState } from '../data/index.js';
import { damagedError } from '../errors.js';
import type { Metrics } from '../experiment/gates.js';
import { type JsonObject, spellNonFinite } from '../experiment/json.js';
import { unspellMetrics } from '../experiment/metric-fields.js';
import type { BySplit } from '../experiment/summary.js';
import type { Position } from './loop.js';

export interface SavedState {
  readonly position: Position;
  readonly metrics: Metrics;
  /** Whether the position has been evaluated, where it is one that is. */
  readonly evaluated: boolean;
}

export function checkpointMetadata(
  stepHash: string,
  { position, metrics, evaluated }: SavedState,
): JsonObject {
  const { order, totals, epoch, epochEnded, skipped } = position;
  return spellNonFinite({
    step_hash: stepHash,
    batch_order: order,
    skipped_batches: skipped,
    epoch: { number: epoch, ended: epochEnded, evaluated, loss: totals.loss, samples: totals.samples },
    metrics,
  });
}

/**
 * What `checkpointMetadata` wrote for the checkpoint of `step`, when `epochsDone` epochs were done. Throws exit 5 where `metadata` are
 * something else; what the batch order must satisfy is its own to check.
 */
export function savedState(
  file: string,
  { step, epoch: epochsDone, metadata }: { step: number; epoch: number; metadata: JsonObject },
): SavedState {
  const { batch_order: order, skipped_batches: skipped, epoch, metrics } = metadata as Partial<Saved>;
  if (!order || !isMetrics(metrics) || !isEpoch(epoch) || !isPartOf(step, skipped)) {
    throw damagedError({
      code: 'checkpoint/no-position',
      message: 'this checkpoint does not say where its run stood, so that cannot be gone on from',
      file,
    });
  }
  const totals = { loss: epoch.loss, samples: epoch.samples };
  const position = { step, skipped, epoch: epoch.number, epochsDone, epochEnded: epoch.ended, order, totals };
  return {
    position,
    metrics: unspellMetrics(metrics),
    evaluated: epoch.evaluated,
  };
}

interface Saved {
  readonly batch_order: BatchOrderState;
  readonly skipped_batches: number;
  readonly epoch: {
    readonly number: number;
    readonly ended: boolean;
    readonly evaluated: boolean;
    readonly loss: number;
    readonly samples: number;
  };
  readonly metrics: SpelledMetrics;
}

type SpelledMetrics = BySplit<JsonObject>;

function isEpoch(epoch: Partial<Saved['epoch']> | undefined): epoch is Saved['epoch'] {
  return (
    Number.isSafeInteger(epoch?.number) &&
    Number.isSafeInteger(epoch?.samples) &&
    Number.isFinite(epoch?.loss) &&
    typeof epoch?.ended === 'boolean' &&
    typeof epoch.evaluated === 'boolean'
  );
}

/** Whether `count` steps can be among the first `step`. */
function isPartOf(step: number, count: number | undefined): count is number {
  return Number.isSafeInteger(count) && (count as number) >= 0 && (count as number) <= step;
}

function isMetrics(metrics: Partial<SpelledMetrics> | undefined): metrics is SpelledMetrics {
  return (
    typeof metrics?.train === 'object' &&
    typeof metrics.test === 'object' &&
    ['undefined', 'object'].includes(typeof metrics.validation)
  );
}
