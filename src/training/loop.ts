/** The training loop: which batch when, what is measured and saved after which step, and when it ends. */
import type { BatchOrder, BatchOrderState } from '../data/index.js';
import type { Trainer } from './trainer.js';

export interface LoopPlan {
  /** Stop after this many optimizer steps, in the middle of an epoch if need be. */
  readonly totalSteps: number;
  readonly learningRate: number;
}

export interface Position {
  /** Optimizer steps done. */
  readonly step: number;
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
  /** Sum over the sequences trained on. */
  readonly loss: number;
  readonly samples: number;
}

/** Where an earlier run of the same loop stopped. */
export interface LoopStart {
  readonly position: Position;
  /** Whether `onEpoch` is still to come for that position. */
  readonly epochIsOpen: boolean;
}

export interface StepReport extends Position {
  readonly loss: number;
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Sequences in the batch. */
  readonly samples: number;
  /** Seconds from the start of the step to its end. */
  readonly seconds: number;
}

export interface EpochReport extends Position {
  /** Mean over the sequences trained on in this epoch. */
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
  | {
      /** No update was made at `step`: loss, gradient or the updated parameters are not finite. */
      readonly status: 'diverged';
      readonly step: number;
      readonly epoch: number;
      readonly loss: number;
      readonly gradientNorm: number;
      /** Parameters whose gradient is not finite. */
      readonly notFinite: readonly string[];
    };

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
  let next = done < lastStep ? take(trainer, order) : undefined;
  if (from && (from.position.epochEnded || done >= lastStep)) {
    if (from.epochIsOpen && !(await hooks.onEpoch({ ...from.position, ...epoch.means() })))
      return { status: 'interrupted' };
    epoch = new EpochSums();
  }
  for (let step = done + 1; next && step <= lastStep; step++) {
    if (hooks.stopRequested()) return { status: 'interrupted' };
    const began = performance.now();
    const { batch, samples, ...after } = next;
    const running = trainer.step(batch, step, plan.learningRate);
    next = step < lastStep ? take(trainer, order) : undefined;
    const { loss, gradientNorm, updated, notFinite } = await running;
    if (!updated) return { status: 'diverged', step, epoch: after.epoch, loss, gradientNorm, notFinite };
    const seconds = (performance.now() - began) / 1000;
    epoch.add(loss, samples, seconds);
    const position = { step, ...after, totals: epoch.totals };
    const { learningRate } = plan;
    await hooks.onStep({ ...position, loss, gradientNorm, learningRate, samples, seconds });
    if (!position.epochEnded && next) continue;
    if (!(await hooks.onEpoch({ ...position, ...epoch.means() }))) return { status: 'interrupted' };
    epoch = new EpochSums();
  }
  return { status: 'completed' };
}

/** The next batch, written, and where the order stands after it. */
function take(trainer: Trainer, order: BatchOrder) {
  const epoch = order.epoch + 1;
  const indices = order.next();
  return {
    batch: trainer.prepare(indices),
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

  add(loss: number, samples: number, seconds: number): void {
    this.loss += loss * samples;
    this.samples += samples;
    this.seconds += seconds;
  }

  get totals(): EpochTotals {
    return { loss: this.loss, samples: this.samples };
  }

  /** `seconds` are those of this process. */
  means(): { loss: number; samples: number; seconds: number } {
    return { loss: this.loss / this.samples, samples: this.samples, seconds: this.seconds };
  }
}
