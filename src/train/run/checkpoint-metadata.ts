/**
 * Metadata that a checkpoint stores besides its tensors: the run's position and metrics. Plain JSON
 * without timestamps.
 */
import type { BatchOrderState } from '../../data/index.js';
import type { Metrics } from '../../run/gates.js';
import { type JsonObject, spellNonFinite } from '../../run/json.js';
import { unspellMetrics } from '../../run/log.js';
import type { BySplit } from '../../run/summary.js';
import { damagedError } from '../../util/errors.js';
import type { MetricSums } from '../step/batch-metrics.js';
import type { SavedHistory } from './early-stopping.js';
import type { Position } from './loop.js';

export interface SavedState {
  readonly position: Position;
  readonly metrics: Metrics;
  /** False if an evaluation is still due at this position. */
  readonly evaluated: boolean;
  /** Values of the metrics that early stopping and the plateau schedule depend on. */
  readonly history: SavedHistory;
}

export function checkpointMetadata(
  stepHash: string,
  { position, metrics, evaluated, history }: SavedState,
): JsonObject {
  const { order, totals, epoch, epochEnded, skipped } = position;
  return spellNonFinite({
    step_hash: stepHash,
    batch_order: order,
    skipped_batches: skipped,
    epoch: { number: epoch, ended: epochEnded, evaluated, ...totals },
    metrics,
    ...(Object.keys(history).length > 0 && { history }),
  });
}

/**
 * Parses metadata that `checkpointMetadata` wrote for the checkpoint of `step`, after `epochsDone`
 * epochs. The batch order is checked when it is restored.
 * @throws UserError (exit 5) if `metadata` has another structure
 */
export function savedState(
  file: string,
  { step, epoch: epochsDone, metadata }: { step: number; epoch: number; metadata: JsonObject },
): SavedState {
  const {
    batch_order: order,
    skipped_batches: skipped,
    epoch,
    metrics,
    history = {},
  } = metadata as Partial<Saved>;
  if (!order || !isMetrics(metrics) || !isEpoch(epoch) || !isPartOf(step, skipped) || !isHistory(history)) {
    throw damagedError({
      code: 'checkpoint/no-position',
      message: 'this checkpoint does not contain the position of its run, so the run cannot resume from it',
      file,
    });
  }
  const totals = {
    loss: epoch.loss,
    samples: epoch.samples,
    ...(epoch.metrics && { metrics: epoch.metrics }),
  };
  const position = { step, skipped, epoch: epoch.number, epochsDone, epochEnded: epoch.ended, order, totals };
  return {
    position,
    metrics: unspellMetrics(metrics),
    evaluated: epoch.evaluated,
    history,
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
    /** Absent in checkpoints of older versions. */
    readonly metrics?: MetricSums;
  };
  readonly metrics: SpelledMetrics;
  readonly history?: SavedHistory;
}

type SpelledMetrics = BySplit<JsonObject>;

function isEpoch(epoch: Partial<Saved['epoch']> | undefined): epoch is Saved['epoch'] {
  return (
    Number.isSafeInteger(epoch?.number) &&
    Number.isSafeInteger(epoch?.samples) &&
    Number.isFinite(epoch?.loss) &&
    typeof epoch?.ended === 'boolean' &&
    typeof epoch.evaluated === 'boolean' &&
    (epoch.metrics === undefined || isSums(epoch.metrics))
  );
}

function isSums({ sums, predictions }: Partial<MetricSums>): boolean {
  return (
    Number.isSafeInteger(predictions) &&
    typeof sums === 'object' &&
    Object.values(sums).every(sum => Number.isFinite(sum))
  );
}

/** True if `count` is an integer from 0 to `step`. */
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

function isHistory(history: unknown): history is SavedHistory {
  const isMeasurement = (one: unknown) =>
    Array.isArray(one) &&
    one.length === 2 &&
    Number.isSafeInteger(one[0]) &&
    (one[1] === null || Number.isFinite(one[1]));
  return (
    typeof history === 'object' &&
    history !== null &&
    Object.values(history).every(series => Array.isArray(series) && series.every(isMeasurement))
  );
}
