/** When a run saves a checkpoint, what is in it, and what the summary says of them. */
import { relative, sep } from 'node:path';
import type { LoadedExperiment } from '../config/index.js';
import { bestOf, listCheckpoints } from '../experiment/checkpoint-folder.js';
import { CheckpointStore } from '../experiment/checkpoints.js';
import type { Metrics } from '../experiment/gates.js';
import type { EventLog } from '../experiment/logger.js';
import type { RunDirectory } from '../experiment/run-directory.js';
import type { Summary } from '../experiment/summary.js';
import type { Position } from './loop.js';
import type { Trainer } from './trainer.js';
import { trainingTensors } from './weights.js';

export class RunCheckpoints {
  private readonly store: CheckpointStore;
  private saved = { step: -1, time: performance.now() };

  constructor(
    private readonly loaded: LoadedExperiment,
    private readonly directory: RunDirectory,
    private readonly log: EventLog,
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

  /** Saves the state after the step at `position`, unless that is there already and `value` adds nothing to it. */
  save(trainer: Trainer, position: Position, metrics: Metrics, value: number | null): void {
    const { step, epoch, epochsDone, order } = position;
    if (this.saved.step === step && value === null) return;
    const began = performance.now();
    const { path, bytes, best } = this.store.save({
      step,
      epoch: epochsDone,
      tensors: trainingTensors(trainer.layout, trainer.parameters, trainer.optimizerState),
      metadata: {
        config_hash: this.loaded.hash,
        batch_order: { ...order, generator: [...order.generator] },
        metrics: { train: { ...metrics.train }, test: { ...metrics.test } },
      },
      metric: value,
    });
    this.saved = { step, time: performance.now() };
    this.log.emit({
      event: 'checkpoint.saved',
      epoch,
      step,
      path: this.named(path),
      bytes,
      metric: this.loaded.experiment.checkpoint.metric,
      value,
      best,
      duration_s: (performance.now() - began) / 1000,
    });
  }

  /** What summary.json says of the checkpoints that are there. */
  summary(): Pick<Summary, 'best' | 'checkpoints'> {
    const entries = listCheckpoints(this.directory.files.checkpoints);
    const last = entries.at(-1);
    const best = bestOf(entries);
    return {
      best: best
        ? { metric: best.metric.name, value: best.metric.value as number, step: best.step, epoch: best.epoch }
        : null,
      checkpoints: { last: last ? this.named(last.path) : null, best: best ? this.named(best.path) : null },
    };
  }

  private named(path: string): string {
    return relative(this.directory.path, path).split(sep).join('/');
  }
}
