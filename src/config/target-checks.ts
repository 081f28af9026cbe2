/** Checks labels against the number of classes, and targets against the loss. */
import { IGNORED } from '../data/core/dataset.js';
import type { LabelFacts, PlacedLabel } from '../data/core/labels.js';
import { eachChunk } from '../data/core/values.js';
import { targetSize, taskOf } from '../math/losses/index.js';
import type { Diagnostic } from '../util/errors.js';
import { counted } from '../util/words.js';
import type { DataShape, SplitShape } from './data-check.js';
import type { LoadedExperiment } from './load.js';

/** A warning about the data as a whole. */
type Warning = Pick<Diagnostic, 'code' | 'message'>;

/**
 * Labels that would silently enlarge the model, which the labels determine.
 * @param needed number of classes that the labels of all splits need
 */
export function* strayLabels(
  { trainClasses, gap, foreign }: LabelFacts,
  needed: number,
): Iterable<Diagnostic> {
  if (gap !== undefined && 2 * gap.count > trainClasses) {
    const why = `but ${gap.count} of the classes 0 to ${trainClasses - 1} have no training label`;
    yield stray(gap.largest, why, 'labels that start at 0', trainClasses);
  }
  if (foreign !== undefined) {
    const expected = `one of the ${trainClasses} classes of the training labels`;
    yield stray(foreign, 'which is not a class of the training labels', expected, needed);
  }
}

function stray(
  { name, value, place }: PlacedLabel,
  why: string,
  expected: string,
  numClasses: number,
): Diagnostic {
  return {
    code: 'data/stray-label',
    message: `${name} is ${value}, ${why}`,
    ...place,
    expected: `${expected}, or \`model.num_classes: ${numClasses}\` if intended`,
  };
}

const MAX_NAMED = 5;

/** @param isGiven true if the config sets the number of classes */
export function* labelWarnings(data: DataShape, isGiven: boolean): Iterable<Warning> {
  if (data.labels === undefined) return;
  const { trainClasses, gap } = data.labels;
  if (!isGiven && gap) {
    const { count, first } = gap;
    const which = `${first.join(', ')}${count > first.length ? ', …' : ''}`;
    const what = `${count} of ${trainClasses} classes have no training label: ${which}`;
    const start = count === 1 && first[0] === 0 ? '. Labels start at 0; do yours start at 1?' : '.';
    const message = `${what}${start} If intended, set \`model.num_classes: ${trainClasses}\``;
    yield { code: 'data/absent-classes', message };
  }
  if (trainClasses - (gap?.count ?? 0) === 1) {
    const message = 'all training labels have the same class, so there is nothing to learn';
    yield { code: 'data/one-class', message };
  }
  if (isGiven) return;
  const trained = occurring(data.train);
  for (const name of ['validation', 'test'] as const) {
    const missing = [...occurring(data[name])].filter(label => !trained.has(label)).sort((a, b) => a - b);
    if (missing.length === 0) continue;
    const names = missing.slice(0, MAX_NAMED).map(label => {
      const text = data.classLabels?.[label];
      return text === undefined ? String(label) : JSON.stringify(text);
    });
    const rest = missing.length > names.length ? ', …' : '';
    const which = missing.length === 1 ? '1 class' : `${missing.length} classes`;
    const message = `${which} of the ${name} split never ${missing.length === 1 ? 'occurs' : 'occur'} in the training split: ${names.join(', ')}${rest}`;
    yield { code: 'data/untrained-classes', message };
  }
}

function occurring(split: SplitShape | undefined): Set<number> {
  const seen = new Set<number>();
  if (split?.targets.kind !== 'class' || split.targets.values === undefined) return seen;
  const { values, numClasses } = split.targets;
  eachChunk(values, Math.max(1, numClasses), labels => {
    for (const label of labels) if (label !== IGNORED) seen.add(label);
    // later chunks cannot have others
    return seen.size < numClasses;
  });
  return seen;
}

export function* checkLossTargets(
  { experiment: { loss }, locator }: LoadedExperiment,
  splits: Readonly<Record<string, SplitShape>>,
  outputSize: number,
): Iterable<Diagnostic> {
  const weights = {
    class_weights: loss.kind === 'cross_entropy' && loss.class_weights,
    positive_weights: loss.kind === 'binary_cross_entropy' && loss.positive_weights,
  };
  const size = targetSize(loss, outputSize);
  for (const [key, given] of Object.entries(weights)) {
    if (!Array.isArray(given) || given.length === size) continue;
    const message = `${counted(given.length, 'weight')} for ${size} ${key === 'class_weights' ? 'classes' : 'labels'}`;
    const expected = counted(size, 'positive number');
    yield locator.atValue(['loss', key], 'config/loss-weights', message, { expected });
  }
  if (taskOf(loss) !== 'labels') return;
  for (const [name, { targets, count, id }] of Object.entries(splits)) {
    if (targets.kind !== 'value') continue;
    const { values = new Float32Array(), scaling } = targets;
    // steps with NaN are ignored
    const at = values.findIndex(value => value < 0 || value > 1);
    if (at < 0 && scaling === undefined) continue;
    const sequence = Math.floor((at * count) / values.length);
    const what = scaling
      ? '`dataset.normalize` scales them'
      : `a target of ${name} sequence ${id ? JSON.stringify(id(sequence)) : sequence} is ${values[at]}`;
    const message = `loss ${loss.kind} needs targets from 0 to 1, but ${what}`;
    const expected = 'targets from 0 to 1 without `normalize`, or another loss';
    yield locator.atValue(['loss', 'kind'], 'config/label-targets', message, { expected });
    return;
  }
}
