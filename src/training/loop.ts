/** The training loop: which batch when, what is measured and saved after which step, and when it ends. */
import type { BatchOrder, BatchOrderState } from '../data/index.js';
import type { Trainer } from './trainer.js';

export interface LoopPlan {
  readonly numEpochs: number;
  /** Stop after this many optimizer steps, in the middle of an epoch if need be. */
  readonly maxSteps?: number;
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
  /** After an epoch, and after the part of one that `maxSteps` or a stop leaves; gives whether to go on. */
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
    };

export async function trainingLoop(
  trainer: Trainer,
  order: BatchOrder,
  plan: LoopPlan,
  hooks: LoopHooks,
): Promise<LoopEnd> {
  const lastStep = Math.min(
    plan.maxSteps ?? Number.POSITIVE_INFINITY,
    plan.numEpochs * order.batchesPerEpoch,
  );
  let totals = new EpochTotals();
  let next = take(trainer, order);
  for (let step = 1; step <= lastStep; step++) {
    const began = performance.now();
    const { batch, samples, epoch, ...after } = next;
    const running = trainer.step(batch, step, plan.learningRate);
    if (step < lastStep) next = take(trainer, order);
    const { loss, gradientNorm, updated } = await running;
    if (!updated) return { status: 'diverged', step, epoch, loss, gradientNorm };
    const position = { step, epoch, ...after };
    const seconds = (performance.now() - began) / 1000;
    totals.add(loss, samples, seconds);
    await hooks.onStep({
      ...position,
      loss,
      gradientNorm,
      learningRate: plan.learningRate,
      samples,
      seconds,
    });
    if (position.epochEnded || step === lastStep || hooks.stopRequested()) {
      const goOn = await hooks.onEpoch({ ...position, ...totals.means() });
      if (!goOn) return { status: 'interrupted' };
      totals = new EpochTotals();
    }
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

class EpochTotals {
  private loss = 0;
  private samples = 0;
  private seconds = 0;

  add(loss: number, samples: number, seconds: number): void {
    this.loss += loss * samples;
    this.samples += samples;
    this.seconds += seconds;
  }

  means(): { loss: number; samples: number; seconds: number } {
    return { loss: this.loss / this.samples, samples: this.samples, seconds: this.seconds };
  }
}
