/**
 * Saves and restores the checkpoints of a run. Besides its tensors, a checkpoint stores the run's
 * position and metrics as plain JSON without timestamps.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadedExperiment } from '../config/index.js';
import type { BatchOrderState } from '../data/index.js';
import { bestOf, listCheckpoints, loadCheckpoint } from '../run/checkpoint-files.js';
import { type CheckpointInput, CheckpointStore, type SavedCheckpoint } from '../run/checkpoints.js';
import type { RunDirectory } from '../run/directory.js';
import type { Metrics } from '../run/gates.js';
import { type JsonObject, spellNonFinite } from '../run/json.js';
import { unspellMetrics } from '../run/log.js';
import type { BySplit } from '../run/summary.js';
import { damagedError, UserError } from '../util/errors.js';
import type { SavedHistory } from './early-stopping.js';
import type { RunEvents } from './events.js';
import type { Position, TrainingState } from './loop.js';
import type { Trainer } from './trainer.js';
import type { MetricSums } from './training-metrics.js';
import { loadWeights, trainingTensors } from './weights.js';

export interface SaveOptions {
  /** Value of the checkpoint metric; null if it was not measured. */
  readonly value: number | null;
  /** True for a checkpoint that only serves to resume; the next one replaces it. */
  readonly temporary: boolean;
}

export class RunCheckpoints {
  private readonly store: CheckpointStore;
  private saved = { step: -1, time: performance.now() };

  /** @throws UserError (exit 1) if the folder cannot be created */
  constructor(
    private readonly loaded: LoadedExperiment,
    private readonly directory: RunDirectory,
    private readonly trainer: Trainer,
    private readonly state: TrainingState,
    private readonly events: RunEvents,
  ) {
    const { keep, metric, mode } = loaded.experiment.checkpoint;
    this.store = CheckpointStore.open(directory.files.checkpoints, { keep, metric, mode });
  }

  /**
   * True if `checkpoint.every` requires a checkpoint after `step`; `every: epoch` is up to the
   * caller.
   */
  isDue(step: number): boolean {
    const { every } = this.loaded.experiment.checkpoint;
    if (every === 'epoch') return false;
    if (every.steps !== undefined) return step % every.steps === 0;
    return every.seconds !== undefined && performance.now() - this.saved.time >= every.seconds * 1000;
  }

  wouldBeBest(value: number): boolean {
    return this.store.wouldBeBest(value);
  }

  /**
   * Saves the current state. Does nothing before the first step, or if this step is already saved
   * and `value` is null. Failed writes are retried, each with a warning in the log.
   * @throws UserError (exit 1) if the last retry fails
   */
  async save({ value, temporary }: SaveOptions): Promise<void> {
    const { position, metrics, evaluated, history } = this.state;
    if (position === undefined || (this.saved.step === position.step && value === null)) return;
    const began = performance.now();
    const input = {
      step: position.step,
      epoch: position.epoch,
      tensors: this.tensors(),
      metadata: checkpointMetadata(this.loaded.stepHash, {
        position,
        metrics,
        evaluated,
        history: history.saved,
      }),
      metric: value,
      temporary,
    };
    const saved = await retryWrite(
      () => this.saveOnce(input),
      message => this.events.warning('checkpoint/retry', message),
    );
    this.saved = { step: position.step, time: performance.now() };
    const seconds = (this.saved.time - began) / 1000;
    const { bytes, best } = saved;
    this.events.saved(position, {
      path: this.directory.nameOf(saved.path),
      bytes,
      value,
      best,
      temporary,
      seconds,
    });
  }

  /** Records that the run was resumed from the checkpoint of `step`. */
  resumed(step: number): void {
    this.saved.step = step;
  }

  private tensors() {
    return trainingTensors(this.trainer.layout, this.trainer, this.trainer.carriedStates);
  }

  /** flushes the log first: a power failure must not lose records older than a saved checkpoint */
  private saveOnce(input: CheckpointInput): SavedCheckpoint {
    this.events.flush();
    return this.store.save(input);
  }
}

/**
 * Gives `trainer` the weights of the best checkpoint in `folder`, and returns its state; undefined
 * if no value of the metric was finite, so there is no best checkpoint.
 */
export function restoreBest(
  folder: string,
  { layout, parameters, average }: Pick<Trainer, 'layout' | 'parameters' | 'average'>,
): SavedState | undefined {
  const best = bestOf(listCheckpoints(folder));
  if (best === undefined) return undefined;
  const checkpoint = loadCheckpoint(best.path);
  loadWeights(best.path, layout, parameters);
  if (average) loadWeights(best.path, layout, average, { which: 'average' });
  return savedState(best.path, checkpoint);
}

export interface SavedState {
  readonly position: Position;
  readonly metrics: Metrics;
  /** False if an evaluation is still due at this position. */
  readonly evaluated: boolean;
  /** Values of the metrics that early stopping and the plateau schedule depend on. */
  readonly history: SavedHistory;
}

function checkpointMetadata(
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
 * Parses metadata that `checkpointMetadata` wrote for the checkpoint of `step`. The batch order is
 * checked when it is restored.
 * @throws UserError (exit 5) if `metadata` has another structure
 */
export function savedState(
  file: string,
  { step, metadata }: { step: number; metadata: JsonObject },
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
  const { number, ended, loss, samples } = epoch;
  const totals = { loss, samples, metrics: epoch.metrics };
  const epochsDone = ended ? number : number - 1;
  const position = { step, skipped, epoch: number, epochsDone, epochEnded: ended, order, totals };
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
    readonly metrics: MetricSums;
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
    isSums(epoch.metrics)
  );
}

function isSums({ sums, predictions }: Partial<MetricSums> = {}): boolean {
  return (
    Number.isSafeInteger(predictions) &&
    typeof sums === 'object' &&
    sums !== null &&
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

/** Delays before retries: a full disk or a lost share may recover, but waiting longer is no use. */
const RETRY_AFTER_MS = [100, 1000];

/**
 * Calls `write` and returns its result. Retries system errors and calls `refused` with each.
 * @throws UserError (exit 1) if the last retry fails
 */
export async function retryWrite<T>(write: () => T, refused: (message: string) => void): Promise<T> {
  for (const wait of RETRY_AFTER_MS) {
    try {
      return write();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      refused(`${error.message}; trying again`);
      await sleep(wait);
    }
  }
  return write();
}
