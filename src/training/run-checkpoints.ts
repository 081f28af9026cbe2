/** When a run saves a checkpoint, and what is in it. */
import type { LoadedExperiment } from '../config/index.js';
import { CheckpointStore } from '../experiment/checkpoints.js';
import type { RunDirectory } from '../experiment/run-directory.js';
import type { RunEvents } from './run-events.js';
import type { RunState } from './run-state.js';
import type { Trainer } from './trainer.js';
import { trainingTensors } from './weights.js';

export class RunCheckpoints {
  private readonly store: CheckpointStore;
  private saved = { step: -1, time: performance.now() };

  /** Throws exit 1 where the system refuses the folder. */
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

  /** Whether `checkpoint.every` asks for one after `step`; an epoch's end is the caller's to know. */
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
   * Saves the run as it stands; `value` is the checkpoint metric, null where it was not measured. Nothing happens before the
   * first step, nor where this step is saved already and `value` adds nothing to it. Throws exit 1 where it cannot be written.
   */
  save(value: number | null): void {
    const { position, metrics } = this.state;
    if (position === undefined || (this.saved.step === position.step && value === null)) return;
    const { parameters, optimizerState, layout } = this.trainer;
    const { step, epochsDone, order } = position;
    const began = performance.now();
    const { path, bytes, best } = this.store.save({
      step,
      epoch: epochsDone,
      tensors: trainingTensors(layout, parameters, optimizerState),
      metadata: {
        config_hash: this.loaded.hash,
        batch_order: { ...order, generator: [...order.generator] },
        metrics: { train: { ...metrics.train }, test: { ...metrics.test } },
      },
      metric: value,
    });
    this.saved = { step, time: performance.now() };
    const seconds = (this.saved.time - began) / 1000;
    this.events.saved(position, { path: this.directory.nameOf(path), bytes, value, best, seconds });
  }
}
