/** The training loop: which batch when, what is measured and saved after which step, and when it ends. */
import type { BatchOrder, BatchOrderState } from '../data/index.js';
import type { StepResult, Trainer } from './trainer.js';

export interface LoopPlan {
  /** Stop after this many optimizer steps, in the middle of an epoch if need be. */
  readonly totalSteps: number;
  /** The learning rate of an update, from 1. */
  readonly learningRate: (update: number) => number;
  /** Batches of the whole run that may be skipped; absent: none. */
  readonly maxSkippedBatches?: number;
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
}

/** Where an earlier run of the same loop stopped. */
export interface LoopStart {
  readonly position: Position;
  /** Whether `onEpoch` is still to come for that position. */
  readonly epochIsOpen: boolean;
}

export interface StepReport extends Position, StepResult {
  readonly learningRate: number;
  /** Sequences in the batch. */
  readonly samples: number;
  /** Seconds from the start of the step to its end. */
  readonly seconds: number;
}

export interface EpochReport extends Position {
  /** Mean over the sequences trained on in this epoch; NaN where every batch was skipped. */
  readonly loss: number;
  readonly samples: number;
  readonly seconds: number;
}

/** What the loop tells; each is awaited before it goes on. */
export interface LoopHooks {
  onStep(report: StepReport): Promise<void> | void;
  /** After an epoch, and after the part of one that `totalSteps` leaves; gives whether to go on. */
  onEpoch(report: EpochReport): Promise<boolean>;
  /** Whether to stop after the step that has just been made. */
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
  let next = done < lastStep ? take(trainer, order, done + 1) : undefined;
  if (from && (from.position.epochEnded || done >= lastStep)) {
    if (from.epochIsOpen && !(await hooks.onEpoch({ ...from.position, ...epoch.means() })))
      return { status: 'interrupted' };
    epoch = new EpochSums();
  }
  for (let step = done + 1; next && step <= lastStep; step++) {
    if (hooks.stopRequested()) return { status: 'interrupted' };
    const began = performance.now();
    const { batch, samples, ...after } = next;
    const update = step - skipped;
    const learningRate = plan.learningRate(update);
    const running = trainer.step(batch, update, learningRate);
    next = step < lastStep ? take(trainer, order, step + 1) : undefined;
    const result = await running;
    if (!result.updated && skipped >= (plan.maxSkippedBatches ?? 0)) {
      const { loss, gradientNorm, notFinite } = result;
      const { epoch } = after;
      return { status: 'diverged', step, epoch, skipped, learningRate, loss, gradientNorm, notFinite };
    }
    const seconds = (performance.now() - began) / 1000;
    if (!result.updated) skipped++;
    epoch.add(result, samples, seconds);
    const position = { step, skipped, ...after, totals: epoch.totals };
    await hooks.onStep({ ...position, ...result, learningRate, samples, seconds });
    if (!position.epochEnded && next) continue;
    if (!(await hooks.onEpoch({ ...position, ...epoch.means() }))) return { status: 'interrupted' };
    epoch = new EpochSums();
  }
  return { status: 'completed' };
}

/** The batch of step `step`, written, and where the order stands after it. */
function take(trainer: Trainer, order: BatchOrder, step: number) {
  const epoch = order.epoch + 1;
  const startsEpoch = order.position === 0;
  const indices = order.next();
  return {
    batch: trainer.prepare(indices, step, startsEpoch),
    samples: indices.length,
    epoch,
    epochsDone: order.epoch,
    epochEnded: order.position === 0,
    order: order.state,
  };
}

class EpochSums {
  private loss: number;
  private samples: number;
  private seconds = 0;

  constructor({ loss, samples }: EpochTotals = { loss: 0, samples: 0 }) {
    this.loss = loss;
    this.samples = samples;
  }

  add({ loss, updated }: StepResult, samples: number, seconds: number): void {
    this.seconds += seconds;
    if (!updated) return;
    this.loss += loss * samples;
    this.samples += samples;
  }

  get totals(): EpochTotals {
    return { loss: this.loss, samples: this.samples };
  }

  /** `seconds` are those of this process. */
  means(): { loss: number; samples: number; seconds: number } {
    return { loss: this.loss / this.samples, samples: this.samples, seconds: this.seconds };
  }
}
