/** The loss of a config for the data that it is trained on. */
import { type LoadedExperiment, targetSize } from '../config/index.js';
import { IGNORED, type Split } from '../data/index.js';
import { type Diagnostic, usageError } from '../errors.js';
import type { LossSettings } from '../losses/index.js';
import type { ModelSpec } from '../model/spec.js';

/**
 * What the threads get of the loss: weights as numbers.
 * @throws UserError exit 2 if there are not as many weights as classes or labels
 */
export function lossSettings(
  { experiment: { loss }, locator }: LoadedExperiment,
  train: Split,
  { outputSize }: ModelSpec,
): LossSettings {
  const size = targetSize(loss, outputSize);
  const wrongLength = (key: string, what: string, got: number): Diagnostic =>
    locator.atValue(
      ['loss', key],
      'config/loss-weights',
      `the data have ${size} ${what}, and each needs a weight`,
      {
        expected: `${size} numbers`,
        got: String(got),
      },
    );
  switch (loss.kind) {
    case 'cross_entropy': {
      const { kind, class_weights, label_smoothing } = loss;
      if (class_weights === undefined) return { kind, label_smoothing };
      if (class_weights === 'balanced')
        return { kind, label_smoothing, class_weights: balancedWeights(train, size) };
      if (class_weights.length !== size)
        throw usageError(wrongLength('class_weights', 'classes', class_weights.length));
      return { kind, label_smoothing, class_weights };
    }
    case 'binary_cross_entropy': {
      const { positive_weights: weights } = loss;
      if (weights !== undefined && weights.length !== size)
        throw usageError(wrongLength('positive_weights', 'labels', weights.length));
      return loss;
    }
    default:
      return loss;
  }
}

/**
 * N / (K n) for a class that n of the N labels have, where K classes have one, as scikit-learn's
 * `compute_class_weight`; 1 for a class that no label has.
 */
export function balancedWeights({ targets, lengths }: Split, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  if (targets.kind === 'class') {
    const steps = targets.values.length / Math.max(1, lengths?.length ?? targets.values.length);
    targets.values.forEach((label, i) => {
      const isPadding = targets.perStep && lengths && i % steps >= lengths[Math.floor(i / steps)];
      if (label !== IGNORED && !isPadding) counts[label]++;
    });
  }
  const total = counts.reduce((sum, count) => sum + count, 0);
  const present = counts.filter(count => count > 0).length;
  return counts.map(count => (count === 0 ? 1 : total / (present * count)));
}
