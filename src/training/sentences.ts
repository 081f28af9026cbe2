/** What a run says to its reader, in words. */
import type { LoadedExperiment } from '../config/index.js';
import type { Metrics } from '../experiment/gates.js';
import type { LoopEnd, Position } from './loop.js';

/** After an evaluation. */
export function evaluationSentence({ epoch, step }: Position, { train, test }: Metrics): string {
  const { loss, accuracy, mean_absolute_error } = test;
  const metric =
    accuracy === undefined
      ? `test mean absolute error ${mean_absolute_error?.toPrecision(4)}`
      : `test accuracy ${(100 * accuracy).toFixed(2)} %`;
  return `epoch ${epoch}  step ${step}  train loss ${train.loss?.toPrecision(4)}  test loss ${loss?.toPrecision(4)}  ${metric}`;
}

/** `checkpoint` is the file that has the parameters of the step before; null before the first. */
export function divergedSentence(
  { step, loss, gradientNorm, notFinite }: Extract<LoopEnd, { status: 'diverged' }>,
  { experiment, origin }: LoadedExperiment,
  checkpoint: string | null,
): string {
  const where = notFinite.length > 0 ? ` (${listed(notFinite)})` : '';
  const what = !Number.isFinite(loss)
    ? `the loss is ${loss}, the gradient norm ${gradientNorm}${where}`
    : Number.isFinite(gradientNorm)
      ? `the update would leave the range of float32, at a gradient norm of ${gradientNorm.toPrecision(4)}`
      : `the gradient norm is ${gradientNorm}${where}`;
  const kept = checkpoint === null ? 'nothing was trained before it' : `${checkpoint} is of the step before`;
  const { optimizer, training } = experiment;
  const rate = `optimizer.learning_rate is ${optimizer.learning_rate} (${origin('optimizer.learning_rate')})`;
  const clip =
    training.gradient_clip_norm === undefined
      ? 'training.gradient_clip_norm is not set'
      : `training.gradient_clip_norm is ${training.gradient_clip_norm} (${origin('training.gradient_clip_norm')})`;
  return `training diverged at step ${step}: ${what}; ${kept}; ${rate}, ${clip}`;
}

const MOST_LISTED = 3;

function listed(names: readonly string[]): string {
  const left = names.length - MOST_LISTED;
  return names.slice(0, MOST_LISTED).join(', ') + (left > 0 ? ` and ${left} more` : '');
}

export function interruptedSentence(step: number): string {
  return `interrupted after step ${step}; ${step === 0 ? 'nothing was trained' : 'the checkpoint of that step is saved'}`;
}

export function droppedSentence(sequences: number): string {
  return `each epoch leaves out ${sequences} sequences: last_batch is 'drop'`;
}

/** A kernel that runs slower than ours; `source` is its text. */
export function fallbackSentence({ source, reason }: { source: string; reason: string }): string {
  return `a kernel runs gpu.js's own code (${reason}): ${source.split('\n')[0]}`;
}

export function gatesSentence(missed: number, all: number): string {
  return `${missed} of ${all} gates not passed`;
}
