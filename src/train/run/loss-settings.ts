/** Loss settings of a config for its training data. */
import type { LoadedExperiment } from '../../config/index.js';
import { eachChunk, IGNORED, type Split } from '../../data/index.js';
import type { LossSettings } from '../../math/losses/index.js';
import type { ModelSpec } from '../../math/model/spec.js';

/** The loss settings for the threads, with class weights as numbers. */
export function lossSettings(
  { experiment: { loss } }: LoadedExperiment,
  train: Split,
  { outputSize }: ModelSpec,
): LossSettings {
  if (loss.kind !== 'cross_entropy') return loss;
  const { kind, label_smoothing, class_weights: given } = loss;
  if (given === undefined) return { kind, label_smoothing };
  const class_weights = given === 'balanced' ? balancedWeights(train, outputSize) : given;
  return { kind, label_smoothing, class_weights };
}

/**
 * Balanced class weights, [C]: N / (K n) for a class with n of N labels, if K classes occur, like
 * scikit-learn's `compute_class_weight`; 1 for a class that does not occur.
 */
export function balancedWeights({ targets, lengths }: Split, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  if (targets.kind === 'class') {
    const steps = targets.values.length / Math.max(1, lengths?.length ?? targets.values.length);
    eachChunk(targets.values, steps, (labels, from) => {
      labels.forEach((label, at) => {
        const i = from + at;
        const isPadding = targets.perStep && lengths && i % steps >= lengths[Math.floor(i / steps)];
        if (label !== IGNORED && !isPadding) counts[label]++;
      });
    });
  }
  const total = counts.reduce((sum, count) => sum + count, 0);
  const present = counts.filter(count => count > 0).length;
  return counts.map(count => (count === 0 ? 1 : total / (present * count)));
}
