/**
 * Checks the targets of the data: labels against the number of classes, and all targets against the
 * loss.
 */

import { IGNORED } from '../data/core/dataset.js';
import type { LabelFacts, PlacedLabel } from '../data/core/labels.js';
import { eachChunk, type Values } from '../data/core/values.js';
import { targetSize, taskOf } from '../math/losses/index.js';
import type { Diagnostic } from '../util/errors.js';
import { counted } from '../util/words.js';
import type { LoadedExperiment } from './load.js';

/** `damage` are errors in the data (exit 5); `warnings` do not stop a run. */
export interface LabelVerdict {
  readonly damage: readonly Diagnostic[];
  readonly warnings: readonly Diagnostic[];
}

/**
 * Checks the labels if they determine the number of classes. A stray label would silently enlarge
 * the model.
 * @param needed number of classes that the labels of all splits need
 */
export function checkLabels(labels: LabelFacts, needed: number): LabelVerdict {
  const { trainClasses, gap, foreign } = labels;
  const damage: Diagnostic[] = [];
  const warnings: Diagnostic[] = [];
  if (gap !== undefined && 2 * gap.count > trainClasses) {
    const message = `but ${gap.count} of the classes 0 to ${trainClasses - 1} have no training label`;
    damage.push(stray(gap.largest, message, 'labels that start at 0', trainClasses));
  } else if (gap !== undefined) {
    warnings.push({ code: 'data/absent-classes', message: absentClasses(gap, trainClasses) });
  }
  if (foreign !== undefined) {
    const expected = `one of the ${trainClasses} classes of the training labels`;
    damage.push(stray(foreign, 'which is not a class of the training labels', expected, needed));
  }
  return { damage, warnings: [...warnings, ...checkVariety(labels)] };
}

/** With a single class there is nothing to learn. */
export function checkVariety({ trainClasses, gap }: LabelFacts): Diagnostic[] {
  if (trainClasses - (gap?.count ?? 0) !== 1) return [];
  const message = 'all training labels have the same class, so there is nothing to learn';
  return [{ code: 'data/one-class', message }];
}

/** Maximum number of classes named in a warning. */
const MAX_NAMED = 5;

interface ClassTargets {
  readonly values?: Values<Int32Array>;
  readonly numClasses: number;
}

/**
 * Warns of classes that a held-out split has but the training split lacks: a model cannot learn
 * them.
 * @param splits the held-out splits, by name
 */
export function checkUntrained(
  train: ClassTargets,
  splits: Readonly<Record<string, ClassTargets>>,
  classLabels: readonly string[] | undefined,
): Diagnostic[] {
  const trained = occurring(train);
  return Object.entries(splits).flatMap(([name, targets]) => {
    const missing = [...occurring(targets)].filter(label => !trained.has(label)).sort((a, b) => a - b);
    if (missing.length === 0) return [];
    const names = missing.slice(0, MAX_NAMED).map(label => {
      const text = classLabels?.[label];
      return text === undefined ? String(label) : JSON.stringify(text);
    });
    const rest = missing.length > names.length ? ', …' : '';
    const which = missing.length === 1 ? '1 class' : `${missing.length} classes`;
    const message = `${which} of the ${name} split never ${missing.length === 1 ? 'occurs' : 'occur'} in the training split: ${names.join(', ')}${rest}`;
    return [{ code: 'data/untrained-classes', message }];
  });
}

function occurring({ values, numClasses }: ClassTargets): Set<number> {
  const seen = new Set<number>();
  if (values === undefined) return seen;
  eachChunk(values, Math.max(1, numClasses), labels => {
    for (const label of labels) if (label !== IGNORED) seen.add(label);
    // later chunks cannot have others
    return seen.size < numClasses;
  });
  return seen;
}

function stray(label: PlacedLabel, why: string, expected: string, numClasses: number): Diagnostic {
  const { name, value, place, note = '' } = label;
  return {
    code: 'data/stray-label',
    message: `${name} is ${value}, ${why}${note}`,
    ...place,
    expected: `${expected}, or \`model.num_classes: ${numClasses}\` if intended`,
  };
}

function absentClasses({ count, first }: NonNullable<LabelFacts['gap']>, numClasses: number): string {
  const intended = `If intended, set \`model.num_classes: ${numClasses}\``;
  if (count === 1 && first[0] === 0) {
    return `no training label is 0. Labels start at 0; do yours start at 1? ${intended}`;
  }
  const which = `${first.join(', ')}${count > first.length ? ', …' : ''}`;
  return `${count} of ${numClasses} classes have no training label: ${which}. ${intended}`;
}

/** What the check needs of the targets of a split. */
interface SplitTargets {
  readonly count: number;
  id?(index: number): string;
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
    ...(taskOf(loss) === 'labels' ? checkLabelTargets(loaded, splits) : []),
  ];
}

/** There must be as many weights as classes or labels. */
function checkWeights({ experiment: { loss }, locator }: LoadedExperiment, size: number): Diagnostic[] {
  const [key, weights, what] =
    loss.kind === 'cross_entropy'
      ? (['class_weights', loss.class_weights, (count: number) => `${count} classes`] as const)
      : loss.kind === 'binary_cross_entropy'
        ? (['positive_weights', loss.positive_weights, (count: number) => counted(count, 'label')] as const)
        : [];
  if (key === undefined || typeof weights !== 'object' || weights.length === size) return [];
  const message = `${counted(weights.length, 'weight')} for ${what(size)}`;
  const expected = counted(size, 'positive number');
  return [locator.atValue(['loss', key], 'config/loss-weights', message, { expected })];
}

/** Targets of labels must be unscaled numbers from 0 to 1. */
function checkLabelTargets(
  { experiment: { loss }, locator }: LoadedExperiment,
  splits: Readonly<Record<string, SplitTargets>>,
): Diagnostic[] {
  for (const [name, split] of Object.entries(splits)) {
    const { targets } = split;
    if (targets.kind !== 'value') continue;
    const { values = [], scaling } = targets;
    const expected = 'targets from 0 to 1';
    if (scaling !== undefined) {
      const message = `loss ${loss.kind} needs ${expected}, but \`dataset.normalize\` scales them`;
      const more = { expected: 'no `normalize`, or another loss' };
      return [locator.atValue(['loss', 'kind'], 'config/label-targets', message, more)];
    }
    for (let i = 0; i < values.length; i++) {
      // steps with NaN are ignored
      if ((values[i] >= 0 && values[i] <= 1) || Number.isNaN(values[i])) continue;
      const place = `${name} ${placeOfTarget(split, targets.size, values.length, i)}`;
      const message = `loss ${loss.kind} needs ${expected}, but the target of ${place} is ${values[i]}`;
      return [locator.atValue(['loss', 'kind'], 'config/label-targets', message, { suggestion: 'mse' })];
    }
  }
  return [];
}

/** The sequence, step and label of the value at index `at` of all `length` values. */
function placeOfTarget(split: SplitTargets, size: number, length: number, at: number): string {
  const perSequence = length / split.count;
  const sequence = Math.floor(at / perSequence);
  const step = Math.floor((at % perSequence) / size);
  return [
    `sequence ${split.id ? JSON.stringify(split.id(sequence)) : sequence}`,
    ...(perSequence > size ? [`step ${step}`] : []),
    ...(size > 1 ? [`label ${at % size}`] : []),
  ].join(', ');
}
