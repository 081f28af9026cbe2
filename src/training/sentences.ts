/** What a run says to its reader, in words. */
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

export function divergedSentence({
  step,
  loss,
  gradientNorm,
}: Extract<LoopEnd, { status: 'diverged' }>): string {
  const what = !Number.isFinite(loss)
    ? `the loss is ${loss}`
    : Number.isFinite(gradientNorm)
      ? 'the update would leave the range of float32'
      : `the gradient norm is ${gradientNorm}`;
  return `training diverged at step ${step}: ${what}; the parameters are those of the step before`;
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
