/** When a run saves a checkpoint, and what is in it. */
import type { LoadedExperiment } from '../../config/index.js';
import {
  type CheckpointInput,
  CheckpointStore,
  type SavedCheckpoint,
} from '../../experiment/checkpoints/checkpoints.js';
import { bestOf, listCheckpoints, loadCheckpoint } from '../../experiment/checkpoints/folder.js';
import type { RunDirectory } from '../../experiment/run-directory.js';
import type { Trainer } from '../step/trainer.js';
import { loadWeights, trainingTensors } from '../step/weights.js';
import { checkpointMetadata, type SavedState, savedState } from './checkpoint-metadata.js';
import type { RunEvents } from './events.js';
import { retryWrite } from './retry-write.js';
import type { RunState } from './state.js';

export interface SaveOptions {
  /** The checkpoint metric; null where it was not measured. */
  readonly value: number | null;
  /** Whether it is there only to go on from, and gives way to the next one. */
  readonly temporary: boolean;
}

export class RunCheckpoints {
  private readonly store: CheckpointStore;
  private saved = { step: -1, time: performance.now() };

  /** @throws UserError (exit 1) if the system refuses the folder */
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
   * Whether `checkpoint.every` asks for one after `step`; an epoch's end is the caller's to know.
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
   * Saves the run as it stands. Nothing happens before the first step, nor where this step is saved
   * already and a value adds nothing to it. What the system refuses is tried again before exit 1 is
   * thrown, with a warning in the log for each time.
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
   * Takes the weights of the best checkpoint back. Returns what it says of itself; undefined if no
   * value of the metric was finite, so that no checkpoint is the best.
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

  /** The run was resumed from the checkpoint of `step`. */
  resumed(step: number): void {
    this.saved.step = step;
  }

  private tensors() {
    return trainingTensors(this.trainer.layout, this.trainer, this.trainer.carriedStates);
  }

  /** The power must not take records from before a checkpoint that it leaves. */
  private saveOnce(input: CheckpointInput): SavedCheckpoint {
    this.events.flush();
    return this.store.save(input);
  }
}
