/** Besides tensors, a checkpoint has the position and metrics of its run as JSON without times. */
import { sleep } from '../host/index.js';
import {
  bestOf,
  type Checkpoint,
  listCheckpoints,
  loadCheckpoint,
  type SavedCheckpoint,
} from '../run/checkpoints.js';
import type { Metrics } from '../run/gates.js';
import { unspellMetrics } from '../run/log.js';
import { damagedError, UserError } from '../util/errors.js';
import type { Position, TrainingState } from './loop.js';
import type { SavedHistory } from './plan.js';
import type { RunEvents } from './recorder.js';
import type { RunContext } from './train.js';
import type { Trainer } from './trainer.js';
import { loadWeights } from './weights.js';

/** What a checkpoint says of the state of its run; `savedState` reads it. */
export function checkpointMetadata(
  { metrics, evaluated, history }: TrainingState,
  { epoch, epochEnded, order, totals, skipped }: Position,
  stepHash: string,
) {
  return {
    step_hash: stepHash,
    batch_order: order,
    skipped_batches: skipped,
    epoch: { number: epoch, ended: epochEnded, evaluated, ...totals },
    metrics,
    ...(Object.keys(history.saved).length > 0 && { history: history.saved }),
  };
}

export function logCheckpoint(
  { loaded, directory }: Pick<RunContext, 'loaded' | 'directory'>,
  events: RunEvents,
  { epoch, step }: Pick<Position, 'epoch' | 'step'>,
  saved: SavedCheckpoint & {
    readonly value: number | null;
    readonly temporary: boolean;
    readonly seconds: number;
  },
): void {
  const { bytes, value, best, temporary, seconds } = saved;
  const { metric } = loaded.experiment.checkpoint;
  const path = directory.nameOf(saved.path);
  events.emit({
    ...{ event: 'checkpoint.saved', epoch, step, path, bytes, metric, value, best, temporary },
    duration_s: seconds,
  });
}

/** Undefined if no value of the metric was finite, so that there is no best checkpoint. */
export function restoreBest(
  folder: string,
  { layout, parameters, average }: Pick<Trainer, 'layout' | 'parameters' | 'average'>,
): SavedState | undefined {
  const best = bestOf(listCheckpoints(folder));
  if (best === undefined) return undefined;
  const checkpoint = loadCheckpoint(best.path);
  const { path, tensors } = checkpoint;
  loadWeights(path, layout, parameters, { tensors });
  if (average) loadWeights(path, layout, average, { tensors, which: 'average' });
  return savedState(checkpoint);
}

export interface SavedState {
  readonly position: Position;
  readonly metrics: Metrics;
  /** False if an evaluation is still due at this position. */
  readonly evaluated: boolean;
  /** Values of the metrics that early stopping and the plateau schedule depend on. */
  readonly history: SavedHistory;
}

/**
 * Parses the metadata of the checkpoint of `step`. The batch order is checked when it is restored.
 */
export function savedState({ path, step, metadata }: Checkpoint): SavedState {
  const {
    batch_order: order,
    skipped_batches: skipped,
    epoch,
    metrics,
    history = {},
  } = metadata as Partial<ReturnType<typeof checkpointMetadata>>;
  if (!order || !metrics || !epoch || skipped === undefined) {
    throw damagedError(
      'checkpoint/no-position',
      'this checkpoint does not contain the position of its run, so the run cannot resume from it',
      { file: path },
    );
  }
  const { number, ended, evaluated, ...totals } = epoch;
  const epochsDone = ended ? number : number - 1;
  const position = { step, skipped, epoch: number, epochsDone, epochEnded: ended, order, totals };
  return { position, metrics: unspellMetrics(metrics), evaluated, history };
}

/** Delays before retries: a full disk or a lost share may recover, but waiting longer is no use. */
const RETRY_AFTER_MS = [100, 1000];

/** Calls `write` and returns its result. Retries system errors, each with a warning in the log. */
export async function retryWrite<T>(events: RunEvents, code: string, write: () => T): Promise<T> {
  for (const wait of RETRY_AFTER_MS) {
    try {
      return write();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      events.emit({ event: 'warning', code, message: `${error.message}; trying again` });
      await sleep(wait);
    }
  }
  return write();
}
