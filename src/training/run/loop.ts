/** The training loop: which batch comes when, when to evaluate, and when training ends. */
import type { BatchOrder, BatchOrderState } from '../../data/index.js';
import type { SplitMetrics } from '../../experiment/summary.js';
import { addSums, type MetricSums, meansOf, NO_METRICS } from '../step/batch-metrics.js';
import type { StepResult, Trainer } from '../step/trainer.js';

export interface LoopPlan {
  /** Stop after this many optimizer steps, in the middle of an epoch if need be. */
  readonly totalSteps: number;
  /** The learning rate of an update, from 1. */
  readonly learningRate: (update: number) => number;
  /** Batches of the whole run that may be skipped; absent: none. */
  readonly maxSkippedBatches?: number;
  /** Evaluate after every N steps too; absent: only after each epoch and after the last step. */
  readonly evaluateEvery?: number | undefined;
}

export interface Position {
  /** Steps done, those among them whose batch was skipped. */
  readonly step: number;
  /** Steps in which no update was made; the optimizer counts the others. */
  readonly skipped: number;
  /** The epoch under way, from 1; the one that has just ended at its end. */
  readonly epoch: number;
  /** Whole epochs done. */
  readonly epochsDone: number;
  /** Whether this step was its epoch's last. */
  readonly epochEnded: boolean;
  /** Where the batches stand after this step. */
  readonly order: BatchOrderState;
  /** The epoch under way, this step included. */
  readonly totals: EpochTotals;
}

/** What the mean loss of an epoch is made of. */
export interface EpochTotals {
  /** Sum over the sequences trained on; a skipped batch adds nothing here or below. */
  readonly loss: number;
  readonly samples: number;
  /** What the training metrics are made of; absent if it is known of a part of the epoch alone. */
  readonly metrics?: MetricSums;
}

/** Where an earlier run of the same loop stopped. */
export interface LoopStart {
  readonly position: Position;
  /** Whether `onEvaluation` was called for that position, if one is due there. */
  readonly evaluated: boolean;
}

export interface StepReport extends Position, StepResult {
  readonly learningRate: number;
  /** Whether `onEvaluation` follows. */
  readonly evaluationIsDue: boolean;
  /** Sequences in the batch. */
  readonly samples: number;
  /** Seconds from the start of the step to its end. */
  readonly seconds: number;
}

export interface EvaluationReport extends Position {
  /** Mean over the sequences trained on so far in this epoch; NaN if every batch was skipped. */
  readonly loss: number;
  /** The training metrics, likewise, by name; none if they are not known. */
  readonly metrics: SplitMetrics;
  readonly samples: number;
  readonly seconds: number;
}

/** What the loop calls; it awaits each call before it continues. */
export interface LoopHooks {
  onStep(report: StepReport): Promise<void> | void;
  /**
   * After each epoch, after the last step, and after every `evaluateEvery` steps. Returns false if
   * the loop must stop because the evaluation was interrupted.
   */
  onEvaluation(report: EvaluationReport): Promise<boolean>;
  /** Whether training is complete although steps are left. */
  isFinished(): boolean;
  /** Whether to stop resumably before the next step. */
  stopRequested(): boolean;
}

export type LoopEnd =
  | { readonly status: 'completed' | 'interrupted' }
  | ({
      /** No update was made at `step`, and none is skipped any more. */
      readonly status: 'diverged';
      readonly step: number;
      readonly epoch: number;
      /** Batches that were skipped before. */
      readonly skipped: number;
      /** That the update would have been made with. */
      readonly learningRate: number;
    } & Pick<StepResult, 'loss' | 'gradientNorm' | 'notFinite'>);

/** `order` stands where `from`, if given, left it. */
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
    // thrown when it is awaited, after the step under way
    coming?.catch(() => {});
    const result = await running;
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

/** The batch of step `step`, written, and where the order stands after it. */
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
    // checkpoints of older versions lack them
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

  /** `seconds` are those of this process. */
  means(): Pick<EvaluationReport, 'loss' | 'metrics' | 'samples' | 'seconds'> {
    const { loss, samples, seconds, metrics = NO_METRICS } = this;
    return { loss: loss / samples, metrics: meansOf(metrics), samples, seconds };
  }
}
