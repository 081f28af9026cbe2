/** A loss against the targets of the data. */
import type { Diagnostic } from '../../util/errors.js';
import type { LoadedExperiment } from '../load.js';
import { lossFacts, targetSize } from './losses.js';

/** What the check needs to know of a split. */
interface SplitTargets {
  readonly targets:
    | { readonly kind: 'class' }
    | {
        readonly kind: 'value';
        readonly size: number;
        readonly values?: ArrayLike<number>;
        readonly perStep?: boolean;
        readonly scaling?: object;
      };
}

/** @param splits by their names */
export function checkLossTargets(
  loaded: LoadedExperiment,
  splits: Readonly<Record<string, SplitTargets>>,
  outputSize: number,
): Diagnostic[] {
  const { loss } = loaded.experiment;
  return [
    ...checkWeights(loaded, targetSize(loss, outputSize)),
    ...(lossFacts(loss).task === 'labels' ? checkLabelTargets(loaded, splits) : []),
  ];
}

/** As many weights as classes or labels. */
function checkWeights({ experiment: { loss }, locator }: LoadedExperiment, size: number): Diagnostic[] {
  const [key, weights, what] =
    loss.kind === 'cross_entropy'
      ? (['class_weights', loss.class_weights, 'classes'] as const)
      : loss.kind === 'binary_cross_entropy'
        ? (['positive_weights', loss.positive_weights, 'labels'] as const)
        : [];
  if (key === undefined || typeof weights !== 'object' || weights.length === size) return [];
  const message = `there are ${weights.length} weights for ${size} ${what}`;
  return [
    locator.atValue(['loss', key], 'config/loss-weights', message, { expected: `${size} positive numbers` }),
  ];
}

/** Targets of labels are probabilities, in the units of the data. */
function checkLabelTargets(
  { experiment: { loss }, locator }: LoadedExperiment,
  splits: Readonly<Record<string, SplitTargets>>,
): Diagnostic[] {
  for (const [name, { targets }] of Object.entries(splits)) {
    if (targets.kind !== 'value') continue;
    const { size, values = [], perStep, scaling } = targets;
    const expected = 'targets from 0 to 1';
    if (scaling !== undefined) {
      const message = `loss ${loss.kind} needs ${expected}, and \`dataset.normalize\` scales them`;
      const more = { expected: 'no `normalize`, or another loss' };
      return [locator.atValue(['loss', 'kind'], 'config/label-targets', message, more)];
    }
    for (let i = 0; i < values.length; i++) {
      // steps with NaN are ignored
      if ((values[i] >= 0 && values[i] <= 1) || Number.isNaN(values[i])) continue;
      const each = perStep ? 'step' : 'sequence';
      const place = `${name} ${each} ${Math.floor(i / size)}${size > 1 ? `, label ${i % size}` : ''}`;
      const message = `loss ${loss.kind} needs ${expected}, but the target of ${place} is ${values[i]}`;
      return [locator.atValue(['loss', 'kind'], 'config/label-targets', message, { suggestion: 'mse' })];
    }
  }
  return [];
}
