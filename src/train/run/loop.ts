/** The training loop: takes the batches in order, and decides when to evaluate and when to stop. */
import { setImmediate } from 'node:timers/promises';
import type { BatchOrder, BatchOrderState } from '../../data/index.js';
import type { SplitMetrics } from '../../run/summary.js';
import { addSums, type MetricSums, meansOf, NO_METRICS } from '../step/batch-metrics.js';
import type { StepResult, Trainer } from '../step/trainer.js';

export interface LoopPlan {
  /** Stop after this many optimizer steps, even within an epoch. */
  readonly totalSteps: number;
  /** The learning rate of an update, from 1. */
  readonly learningRate: (update: number) => number;
  /** Maximum number of skipped batches in the whole run; absent: 0. */
  readonly maxSkippedBatches?: number;
  /** Also evaluate after every N steps; absent: only after each epoch and after the last step. */
  readonly evaluateEvery?: number | undefined;
}

export interface Position {
  /** Completed steps, including skipped ones. */
  readonly step: number;
  /** Skipped steps: no update was made. The optimizer counts only the others. */
  readonly skipped: number;
  /** The current epoch, from 1; at its end, the one that has just ended. */
  readonly epoch: number;
  /** Completed epochs. */
  readonly epochsDone: number;
  /** True if this step was the last of its epoch. */
  readonly epochEnded: boolean;
  /** State of the batch order after this step. */
  readonly order: BatchOrderState;
  /** Totals of the current epoch, including this step. */
  readonly totals: EpochTotals;
}

/** Sums for the means over an epoch. */
export interface EpochTotals {
  /** Loss summed over the sequences trained on. Skipped batches do not count here or below. */
  readonly loss: number;
  readonly samples: number;
  /** Sums of the training metrics; absent if known only for a part of the epoch. */
  readonly metrics?: MetricSums;
}

/** The position where an earlier run of the same loop stopped. */
export interface LoopStart {
  readonly position: Position;
  /** False if an evaluation at that position is still due. */
  readonly evaluated: boolean;
}

export interface StepReport extends Position, StepResult {
  readonly learningRate: number;
  /** True if `onEvaluation` is called next. */
  readonly evaluationIsDue: boolean;
  /** Sequences in the batch. */
  readonly samples: number;
  /** Duration of the step in seconds. */
  readonly seconds: number;
}

export interface EvaluationReport extends Position {
  /** Mean over the sequences trained on so far in this epoch; NaN if every batch was skipped. */
  readonly loss: number;
  /** Training metrics over the same sequences, by name; empty if unknown. */
  readonly metrics: SplitMetrics;
  readonly samples: number;
  readonly seconds: number;
}

/** Callbacks of the loop, which awaits each call. */
export interface LoopHooks {
  onStep(report: StepReport): Promise<void> | void;
  /**
   * After each epoch, after the last step, and after every `evaluateEvery` steps. Returns false if
   * the loop must stop because the evaluation was interrupted.
   */
  onEvaluation(report: EvaluationReport): Promise<boolean>;
  /** True if training is complete although steps are left. */
  isFinished(): boolean;
  /** True to stop before the next step, so that the run can resume. */
  stopRequested(): boolean;
}

export type LoopEnd =
  | { readonly status: 'completed' | 'interrupted' }
  | ({
      /** The update of `step` failed, and no more batches may be skipped. */
      readonly status: 'diverged';
      readonly step: number;
      readonly epoch: number;
      /** Batches skipped before. */
      readonly skipped: number;
      /** Learning rate of the failed update. */
      readonly learningRate: number;
    } & Pick<StepResult, 'loss' | 'gradientNorm' | 'notFinite'>);

/**
 * Trains until the plan is complete, the run diverges or it is interrupted. `order` must be at the
 * position `from`, if given.
 */
export async function trainingLoop(
  trainer: Trainer,
  order: BatchOrder,
  plan: LoopPlan,
  hooks: LoopHooks,
  from?: LoopStart,
): Promise<LoopEnd> {
  const lastStep = plan.totalSteps;
  const done = from?.position.step ?? 0;
  let epoch = new EpochSums(from?.position.totals);
  let skipped = from?.position.skipped ?? 0;
  let next = done < lastStep ? await take(trainer, order, done + 1) : undefined;
  const isDue = ({ step, epochEnded }: Pick<Position, 'step' | 'epochEnded'>) =>
    epochEnded || step >= lastStep || (plan.evaluateEvery !== undefined && step % plan.evaluateEvery === 0);
  if (from && !from.evaluated && isDue(from.position)) {
    if (!(await hooks.onEvaluation({ ...from.position, ...epoch.means() }))) return { status: 'interrupted' };
  }
  if (from?.position.epochEnded) epoch = new EpochSums();
  for (let step = done + 1; next && step <= lastStep; step++) {
    if (hooks.isFinished()) break;
    if (hooks.stopRequested()) return { status: 'interrupted' };
    const began = performance.now();
    const { batch, samples, ...after } = next;
    const update = step - skipped;
    const learningRate = plan.learningRate(update);
    const running = trainer.step(batch, update, learningRate);
    const coming = step < lastStep ? take(trainer, order, step + 1) : undefined;
    // its error is thrown when it is awaited, after the current step
    coming?.catch(() => {});
    // answers of threads that arrive quickly enough would keep signals and timers waiting
    const [result] = await Promise.all([running, setImmediate()]);
    next = await coming;
    if (!result.updated && skipped >= (plan.maxSkippedBatches ?? 0)) {
      const { loss, gradientNorm, notFinite } = result;
      const { epoch } = after;
      return { status: 'diverged', step, epoch, skipped, learningRate, loss, gradientNorm, notFinite };
    }
    const seconds = (performance.now() - began) / 1000;
    if (!result.updated) skipped++;
    epoch.add(result, samples, seconds);
    const position = { step, skipped, ...after, totals: epoch.totals };
    const evaluationIsDue = isDue(position);
    await hooks.onStep({ ...position, ...result, learningRate, evaluationIsDue, samples, seconds });
    if (!evaluationIsDue) continue;
    if (!(await hooks.onEvaluation({ ...position, ...epoch.means() }))) return { status: 'interrupted' };
    if (position.epochEnded) epoch = new EpochSums();
  }
  return { status: 'completed' };
}

/** The written batch of step `step`, and the position after it. */
async function take(trainer: Trainer, order: BatchOrder, step: number) {
  const epoch = order.epoch + 1;
  const startsEpoch = order.position === 0;
  const indices = order.next();
  const after = {
    samples: indices.length,
    epoch,
    epochsDone: order.epoch,
    epochEnded: order.position === 0,
    order: order.state,
  };
  return { batch: await trainer.prepare(indices, step, startsEpoch), ...after };
}

class EpochSums {
  private loss: number;
  private samples: number;
  private metrics: MetricSums | undefined;
  private seconds = 0;

  constructor({ loss, samples, metrics }: EpochTotals = { loss: 0, samples: 0 }) {
    this.loss = loss;
    this.samples = samples;
    // checkpoints of older versions have no metrics
    this.metrics = samples === 0 ? NO_METRICS : metrics;
  }

  add({ loss, updated, metrics }: StepResult, samples: number, seconds: number): void {
    this.seconds += seconds;
    if (!updated) return;
    this.loss += loss * samples;
    this.samples += samples;
    this.metrics = this.metrics && addSums(this.metrics, metrics);
  }

  get totals(): EpochTotals {
    const { loss, samples, metrics } = this;
    return { loss, samples, ...(metrics && { metrics }) };
  }

  /** Means over the epoch. `seconds` counts only this process. */
  means(): Pick<EvaluationReport, 'loss' | 'metrics' | 'samples' | 'seconds'> {
    const { loss, samples, seconds, metrics = NO_METRICS } = this;
    return { loss: loss / samples, metrics: meansOf(metrics), samples, seconds };
  }
}
