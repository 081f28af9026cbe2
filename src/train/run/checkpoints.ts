/** Saves and restores the checkpoints of a run. */
import type { LoadedExperiment } from '../../config/index.js';
import { bestOf, listCheckpoints, loadCheckpoint } from '../../run/checkpoint-files.js';
import { type CheckpointInput, CheckpointStore, type SavedCheckpoint } from '../../run/checkpoints.js';
import type { RunDirectory } from '../../run/directory.js';
import type { Trainer } from '../step/trainer.js';
import { loadWeights, trainingTensors } from '../step/weights.js';
import { checkpointMetadata, type SavedState, savedState } from './checkpoint-metadata.js';
import type { RunEvents } from './events.js';
import { retryWrite } from './retry-write.js';
import type { RunState } from './state.js';

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
    private readonly state: RunState,
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
      epoch: position.epochsDone,
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

  /**
   * Restores the weights of the best checkpoint and returns its state; undefined if no value of the
   * metric was finite, so there is no best checkpoint.
   */
  restoreBest(): SavedState | undefined {
    const best = bestOf(listCheckpoints(this.directory.files.checkpoints));
    if (best === undefined) return undefined;
    const checkpoint = loadCheckpoint(best.path);
    const { layout, parameters, average } = this.trainer;
    loadWeights(best.path, layout, parameters);
    if (average) loadWeights(best.path, layout, average, 'average');
    return savedState(best.path, checkpoint);
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
