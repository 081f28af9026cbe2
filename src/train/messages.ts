/** Messages of a run to the user. */
import type { LoadedExperiment } from '../config/index.js';
import type { Metrics } from '../run/gates.js';
import type { SplitMetrics } from '../run/summary.js';
import { metricSentence, metricSentences } from '../run/words.js';
import { counted } from '../util/words.js';
import type { LoopEnd, Position, StepReport } from './loop.js';
import type { EarlyStop } from './plan.js';
import type { StepResult } from './trainer.js';

/** Printed after an evaluation. */
export function evaluationSentence(
  split: 'validation' | 'test',
  { epoch, step }: Pick<Position, 'epoch' | 'step'>,
  { train, ...metrics }: Metrics,
): string {
  const trained =
    train.loss === undefined ? 'every batch skipped' : metricSentence('train', 'loss', train.loss);
  const measured = metricSentences(split, metrics[split] ?? {});
  return [`epoch ${epoch}`, `step ${step}`, trained, ...measured].join('  ');
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

/** For example `optimizer.learning_rate is 0.1 (a.yaml:8:18)`. */
export function settingSentence(
  { experiment, origin }: LoadedExperiment,
  section: 'optimizer' | 'training',
  name: string,
): string {
  const key = `${section}.${name}`;
  const value: unknown = Reflect.get(experiment[section], name);
  return value === undefined ? `${key} is not set` : `${key} is ${value} (${origin(key)})`;
}

/** `checkpoint` is the file with the parameters of the previous step; null before the first. */
export function divergedSentence(
  { step, skipped, ...result }: Extract<LoopEnd, { status: 'diverged' }>,
  loaded: LoadedExperiment,
  checkpoint: string | null,
): string {
  const kept =
    checkpoint === null ? 'no earlier step was trained' : `${checkpoint} is from the previous step`;
  const most = settingSentence(loaded, 'training', 'max_skipped_batches');
  const skips =
    skipped > 0
      ? `${skipped} ${skipped === 1 ? 'batch was' : 'batches were'} skipped before, and ${most}`
      : `${most}, so no batch is skipped`;
  const rate = settingSentence(loaded, 'optimizer', 'learning_rate');
  const clip = settingSentence(loaded, 'training', 'gradient_clip_norm');
  return `training diverged at step ${step}: ${notFiniteWords(result)}; ${kept}; ${skips}; ${rate}, ${clip}`;
}

/** Before the first update, neither the learning rate nor the gradient can be the cause. */
export function divergedAdvice(updates: number, { experiment }: LoadedExperiment): string {
  if (updates === 0) {
    const from = experiment.model.init_from === undefined ? '' : ', or in the weights of model.init_from';
    return `no update was made before: look for values in the data${from} that are too large`;
  }
  const clip = experiment.training.gradient_clip_norm === undefined ? ', or training.gradient_clip_norm' : '';
  return `try a smaller optimizer.learning_rate${clip}`;
}

export function skippedSentence(
  { step, skipped, ...result }: StepReport,
  { experiment }: LoadedExperiment,
): string {
  const left = Math.max(0, experiment.training.max_skipped_batches - skipped);
  return `step ${step}: batch skipped: ${notFiniteWords(result)}; training.max_skipped_batches leaves ${left} more`;
}

const MAX_LISTED = 3;

/** Describes the values that are not finite in a step without an update. */
function notFiniteWords({
  loss,
  gradientNorm,
  notFinite,
}: Pick<StepResult, 'loss' | 'gradientNorm' | 'notFinite'>): string {
  const left = notFinite.length - MAX_LISTED;
  const names = `${notFinite.slice(0, MAX_LISTED).join(', ')}${left > 0 ? ` and ${left} more` : ''}`;
  const where = notFinite.length > 0 ? ` (${names})` : '';
  if (!Number.isFinite(loss)) return `the loss is ${loss}, the gradient norm ${gradientNorm}${where}`;
  return Number.isFinite(gradientNorm)
    ? `the update exceeds the range of float32, at a gradient norm of ${gradientNorm.toPrecision(4)}${where}`
    : `the gradient norm is ${gradientNorm}${where}`;
}
