/** Messages of a run to the user. */
import type { LoadedExperiment } from '../config/index.js';
import type { Metrics } from '../run/gates.js';
import type { SplitMetrics } from '../run/summary.js';
import { metricSentence, metricSentences } from '../run/words.js';
import { counted } from '../util/words.js';
import type { EarlyStop } from './early-stopping.js';
import type { LoopEnd, Position, StepReport } from './loop.js';
import type { StepResult } from './trainer.js';

/** Printed after an evaluation. */
export function evaluationSentence(
  split: 'validation' | 'test',
  { epoch, step }: Pick<Position, 'epoch' | 'step'>,
  { train, ...metrics }: Metrics,
): string {
  const trained =
    train.loss === undefined ? 'every batch skipped' : metricSentence('train', 'loss', train.loss);
  return [`epoch ${epoch}`, `step ${step}`, trained, ...metricSentences(split, metrics[split] ?? {})].join(
    '  ',
  );
}

export function earlyStopSentence(
  { epoch, step }: Position,
  { metric, best, patience }: EarlyStop,
  minDelta: number,
): string {
  const times = counted(patience, 'evaluation');
  const by = minDelta > 0 ? ` by more than ${minDelta}` : '';
  const why = Number.isNaN(best)
    ? `${metric} had no finite value in ${times}`
    : `${metric} did not improve on ${best.toPrecision(4)}${by} in ${times}`;
  return `stopped early after epoch ${epoch}, step ${step}: ${why}`;
}

/** For example `test loss Infinity`: every value that is not finite; empty if all are. */
export function notFiniteMetrics(split: string, metrics: SplitMetrics): string {
  return Object.entries(metrics)
    .filter(([, value]) => !Number.isFinite(value))
    .map(([name, value]) => `${split} ${name} ${value}`)
    .join(', ');
}

/** For a run that completed all steps but has test metrics that are not finite. */
export function uselessSentence(notFinite: string, { experiment, origin }: LoadedExperiment): string {
  const rate = `optimizer.learning_rate is ${experiment.optimizer.learning_rate} (${origin('optimizer.learning_rate')})`;
  return `the model after the last step has ${notFinite}; ${rate}`;
}

/** `checkpoint` is the file with the parameters of the previous step; null before the first. */
export function divergedSentence(
  { step, skipped, ...result }: Extract<LoopEnd, { status: 'diverged' }>,
  { experiment, origin }: LoadedExperiment,
  checkpoint: string | null,
): string {
  const kept =
    checkpoint === null ? 'no earlier step was trained' : `${checkpoint} is from the previous step`;
  const { optimizer, training } = experiment;
  const rate = `optimizer.learning_rate is ${optimizer.learning_rate} (${origin('optimizer.learning_rate')})`;
  const clip =
    training.gradient_clip_norm === undefined
      ? 'training.gradient_clip_norm is not set'
      : `training.gradient_clip_norm is ${training.gradient_clip_norm} (${origin('training.gradient_clip_norm')})`;
  const most = `training.max_skipped_batches is ${training.max_skipped_batches} (${origin('training.max_skipped_batches')})`;
  const skips =
    skipped > 0
      ? `${skipped} ${skipped === 1 ? 'batch was' : 'batches were'} skipped before, and ${most}`
      : `${most}, so no batch is skipped`;
  return `training diverged at step ${step}: ${notFiniteWords(result)}; ${kept}; ${skips}; ${rate}, ${clip}`;
}

/**
 * Advice against divergence. Before the first update, neither the learning rate nor the size of the
 * gradient can be the cause.
 */
export function divergedAdvice(updates: number, { experiment }: LoadedExperiment): string {
  if (updates === 0) {
    const from = experiment.model.init_from === undefined ? '' : ', or in the weights of model.init_from';
    return `no update was made before: look for values in the data${from} that are too large`;
  }
  const rate = 'try a smaller optimizer.learning_rate';
  return experiment.training.gradient_clip_norm === undefined
    ? `${rate}, or training.gradient_clip_norm`
    : rate;
}

/** For a skipped batch. */
export function skippedSentence(
  { step, skipped, ...result }: StepReport,
  { experiment }: LoadedExperiment,
): string {
  const left = Math.max(0, experiment.training.max_skipped_batches - skipped);
  return `step ${step}: batch skipped: ${notFiniteWords(result)}; training.max_skipped_batches leaves ${left} more`;
}

/** Describes the values that are not finite in a step without an update. */
function notFiniteWords({
  loss,
  gradientNorm,
  notFinite,
}: Pick<StepResult, 'loss' | 'gradientNorm' | 'notFinite'>): string {
  const where = notFinite.length > 0 ? ` (${listed(notFinite)})` : '';
  if (!Number.isFinite(loss)) return `the loss is ${loss}, the gradient norm ${gradientNorm}${where}`;
  return Number.isFinite(gradientNorm)
    ? `the update exceeds the range of float32, at a gradient norm of ${gradientNorm.toPrecision(4)}${where}`
    : `the gradient norm is ${gradientNorm}${where}`;
}

const MAX_LISTED = 3;

function listed(names: readonly string[]): string {
  const left = names.length - MAX_LISTED;
  return names.slice(0, MAX_LISTED).join(', ') + (left > 0 ? ` and ${left} more` : '');
}

export function interruptedSentence(step: number): string {
  return `interrupted after step ${step}; ${step === 0 ? 'nothing was trained' : 'the checkpoint of that step is saved'}`;
}

export function droppedSentence(sequences: number): string {
  return `each epoch leaves out ${counted(sequences, 'sequence')}: last_batch is 'drop'`;
}

/**
 * For a kernel whose 256-bit form computes other values; `kernel` is its name in the output of
 * `graph`.
 */
export function refutedSentence(kernel: string): string {
  return `kernel ${kernel} computes different values at 256 bits on this machine; the run uses 128 bits`;
}

export function gatesSentence(missed: number, all: number): string {
  return `${missed} of ${counted(all, 'gate')} not passed`;
}
