/** Checks a config against its data, last before training, and determines the model's sizes. */
import {
  type Dataset,
  IGNORED,
  inputWidth,
  type SequenceInput,
  type Split,
  type Targets,
} from '../data/core/dataset.js';
import type { LabelFacts, PlacedLabel } from '../data/core/labels.js';
import { eachChunk } from '../data/core/store.js';
import { outputsFor, targetSize, taskOf } from '../math/losses/index.js';
import { TASKS } from '../math/metrics/index.js';
import { type Diagnostic, damagedError } from '../util/errors.js';
import { counted } from '../util/words.js';
import { checkFacts, type DataFacts } from './data-facts.js';
import { dataWarnings } from './data-warnings.js';
import type { LoadedExperiment } from './load.js';
import { checkOverlap } from './overlap-check.js';
import type { Locator } from './yaml/tree.js';

export interface ModelSizes {
  readonly input: SequenceInput;
  /** T, steps per sequence. */
  readonly sequenceLength: number;
  /** Outputs of the head: classes, or values of a target. */
  readonly outputSize: number;
}

/**
 * Problems and warnings of a config and its data, and the sizes of the model, which are valid if
 * there are no problems. Throws (exit 5) if only labels are wrong, at their places in the data.
 */
export function checkAgainstData(loaded: LoadedExperiment, data: Dataset) {
  const { experiment, locator } = loaded;
  const { model, loss } = experiment;
  const { train, validation, test, input, sequenceLength, labels, largestSymbol } = data;
  const splits = { training: train, ...(validation && { validation }), test };
  const all = Object.entries(splits).map(([name, { targets }]) => ({ name, targets }));
  const { targets } = train;
  const numClasses = Math.max(
    ...all.map(({ targets }) => (targets.kind === 'class' ? targets.numClasses : 0)),
  );
  const facts: DataFacts = {
    inputKind: input.kind,
    ...(input.kind === 'symbol' && { numSymbols: input.count, largestSymbol }),
    targetKind: targets.kind,
    perStep: targets.perStep ?? false,
    numClasses,
    largestLabel: labels?.largest,
    trainCount: train.count,
  };
  const sizes: ModelSizes = {
    input:
      input.kind === 'symbol'
        ? { kind: 'symbol', count: model.embedding?.num_symbols ?? input.count }
        : input,
    sequenceLength,
    outputSize: targets.kind === 'class' ? (model.num_classes ?? numClasses) : outputsFor(loss, targets.size),
  };
  const diagnostics = [...checkFacts(experiment, facts, locator)];
  for (const { name } of all.filter(split => formOf(split.targets) !== formOf(targets))) {
    const message = `the training split and the ${name} split have different kinds of targets`;
    diagnostics.push(locator.atKey(['dataset'], 'config/split-targets', message));
  }
  if (diagnostics.length === 0) diagnostics.push(...checkLossTargets(loaded, splits, sizes.outputSize));
  const ignored = ['loss', 'ignored_index'];
  for (const { name } of all.filter(split => isAllIgnored(split.targets))) {
    const message = `all labels of the ${name} split are ignored`;
    const at = locator.isGiven(ignored) ? ignored : ['dataset'];
    diagnostics.push(locator.atValue(at, 'config/no-predictions', message));
  }
  const isClassLoss = TASKS[taskOf(loss)].target === 'class';
  const isGiven = model.num_classes !== undefined;
  const damage = labels && isClassLoss && !isGiven ? [...strayLabels(labels, numClasses)] : [];
  if (diagnostics.length === 0 && damage.length > 0) throw damagedError(...damage);
  return {
    diagnostics: [...diagnostics, ...damage],
    warnings: [
      ...dataWarnings(loaded, data),
      ...checkOverlap(loaded, data.digests, splits, { steps: sequenceLength, width: inputWidth(input) }),
      ...(isClassLoss ? labelWarnings(data, isGiven, locator) : []),
    ],
    sizes,
  };
}

/** Equal for targets that one model can predict. */
function formOf(targets: Targets): string {
  return [targets.kind, targets.perStep ?? false, targets.kind === 'value' && targets.size].join();
}

/** The loss and metrics of such a split are undefined. */
function isAllIgnored({ kind, values }: Targets): boolean {
  for (const value of values) if (kind === 'class' ? value !== IGNORED : !Number.isNaN(value)) return false;
  return true;
}

/**
 * Labels that would silently enlarge the model, which the labels determine.
 * @param needed number of classes that the labels of all splits need
 */
function* strayLabels({ trainClasses, gap, foreign }: LabelFacts, needed: number): Iterable<Diagnostic> {
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
function* labelWarnings(data: Dataset, isGiven: boolean, locator: Locator): Iterable<Diagnostic> {
  if (data.labels === undefined) return;
  const { trainClasses, gap } = data.labels;
  const path = ['dataset', 'path'];
  const at = locator.isGiven(path) ? path : ['dataset'];
  if (!isGiven && gap) {
    const { count, first } = gap;
    const which = `${first.join(', ')}${count > first.length ? ', …' : ''}`;
    const what = `${count} of ${trainClasses} classes have no training label: ${which}`;
    const start = count === 1 && first[0] === 0 ? '. Labels start at 0; do yours start at 1?' : '.';
    const message = `${what}${start} If intended, set \`model.num_classes: ${trainClasses}\``;
    yield locator.atValue(at, 'data/absent-classes', message);
  }
  if (trainClasses - (gap?.count ?? 0) === 1) {
    const message = 'all training labels have the same class, so there is nothing to learn';
    yield locator.atValue(at, 'data/one-class', message);
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
    const [classes, occur] = missing.length === 1 ? ['class', 'occurs'] : ['classes', 'occur'];
    const message = `${missing.length} ${classes} of the ${name} split never ${occur} in the training split: ${names.join(', ')}${rest}`;
    yield locator.atValue(at, 'data/untrained-classes', message);
  }
}

function occurring(split: Split | undefined): Set<number> {
  const seen = new Set<number>();
  if (split?.targets.kind !== 'class') return seen;
  const { values, numClasses } = split.targets;
  eachChunk(values, Math.max(1, numClasses), labels => {
    for (const label of labels) if (label !== IGNORED) seen.add(label);
    // later chunks cannot have others
    return seen.size < numClasses;
  });
  return seen;
}

function* checkLossTargets(
  { experiment: { loss }, locator }: LoadedExperiment,
  splits: Readonly<Record<string, Split>>,
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
    const { values, scaling } = targets;
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
