/**
 * Warns of features that nearly decide the target alone, which are often made from it, and of those
 * that differ between training and test sequences.
 */

import { type Dataset, inputWidth, numberCount, type Split } from '../data/core/dataset.js';
import { classesOf, isIgnoredNumber, numbersOfTarget, targetsPerStep } from '../data/core/targets.js';
import type { Diagnostic } from '../util/errors.js';
import { correlation, rounded } from '../util/numbers.js';
import type { Locator } from './yaml/tree.js';

/** Maximum number of values of a split to read, of sequences spread evenly over it. */
const MAX_READ = 2 ** 22;
/** Maximum number of predictions to compare with the features. */
const MAX_ROWS = 2 ** 12;
/** Maximum number of target values to compare. */
const MAX_TARGETS = 16;
/** Classes with fewer predictions say nothing: with 10 of each of two, chance is 1 in 90,000. */
const MIN_ROWS = 10;

/** From here on, a feature decides the target: area under the ROC curve, and correlation. */
const MIN_AREA = 0.995;
const MIN_CORRELATION = 0.9995;

/** The distance of normal distributions two standard deviations apart; smaller ones are usual. */
const MIN_DISTANCE = 0.68;
/** Probability of a false alarm, over all features. */
const FALSE_ALARM = 0.001;

/** Scaling in float32 moves integers a little. */
const MAX_ROUNDING = 0.01;
/** Numbers of sequences have gaps where sequences are in other splits. */
const MAX_GAPS = 4;

const MAX_NAMED = 5;
/** Codes of classes are fewer, measured values are more. */
const MAX_CODES = 20;

export function* checkFeatures(data: Dataset, locator: Locator): Iterable<Diagnostic> {
  const { input, train, test, image, seriesFacts, columnNames } = data;
  // pixels have no meaning of their own; windows of a series overlap, and end where the next begin
  if (input.kind !== 'number' || image || seriesFacts || !columnNames) return;
  const features = ['dataset', 'features'];
  const at = locator.isGiven(features) ? features : ['dataset'];
  const named = (found: ReadonlyMap<number, number>, what: string): string => {
    const words = [...found].slice(0, MAX_NAMED).map(([feature, value]) => {
      return `${columnNames.features(feature)} (${what} ${rounded(value, 4)})`;
    });
    return `${words.join(', ')}${found.size > words.length ? ` and ${found.size - words.length} more` : ''}`;
  };
  // what a recording sounds like is not made from its label
  // and no single feature decides a whole sequence of symbols
  const canDecide = !train.recording && targetsPerStep(train.targets) !== undefined;
  const deciding = canDecide ? decidingFeatures(data) : { found: new Map(), measure: '' };
  if (deciding.found.size > 0) {
    const which = named(deciding.found, deciding.measure);
    const message = `a feature alone nearly decides the target: ${which}`;
    const expected = 'features that are known before the target, and not made from it';
    yield locator.atValue(at, 'data/deciding-feature', message, { expected });
  }
  const numbering = numberingFeatures(data);
  if (numbering.length > 0) {
    const which = numbering.slice(0, MAX_NAMED).map(columnNames.features).join(', ');
    const message = `a feature numbers the sequences, so it says nothing about new ones: ${which}`;
    const expected = 'features without identifiers';
    yield locator.atValue(at, 'data/identifier-feature', message, { expected });
  }
  // the sequences of a group are alike: those of few groups always differ from those of others
  const isApart = locator.isGiven(['dataset', 'test', 'group']);
  const moved = isApart ? new Map() : movedFeatures(data, [train, test]);
  if (moved.size > 0) {
    const which = named(moved, 'Kolmogorov-Smirnov distance of the means');
    const message = `features differ between the training and the test split: ${which}`;
    const expected = 'test sequences like those in training, unless the difference is intended';
    yield locator.atValue(at, 'data/shifted-feature', message, { expected });
  }
}

/** Values of each feature and each target by prediction. */
interface Rows {
  readonly features: readonly Float32Array[];
  /** The values of each feature in the last step of the predictions. */
  readonly lasts: readonly (readonly number[])[];
  readonly targets: readonly (readonly number[])[];
}

/** Features whose values at a step, or means over a sequence, tell the target, with the measure. */
function decidingFeatures(data: Dataset) {
  const { targets } = data.train;
  const isClass = (known: readonly number[]) =>
    classesOf(targets) > 0 || known.every(value => value === 0 || value === 1);
  const decidingIn = ({ features, targets: all }: Rows, isEach: readonly boolean[]) => {
    const found = new Map<number, number>();
    for (const [t, known] of all.entries())
      for (const [feature, values] of features.entries()) {
        // few values say nothing
        const related = known.length < 2 * MIN_ROWS ? 0 : (correlation(values, known) ?? 0);
        const value = isEach[t] ? separation(values, known) : Math.abs(related);
        const least = isEach[t] ? MIN_AREA : MIN_CORRELATION;
        if (value >= least) found.set(feature, Math.max(value, found.get(feature) ?? 0));
      }
    return found;
  };
  const rows = rowsOf(data);
  const isEach = rows.targets.map(isClass);
  const measure = isEach.includes(false) ? 'correlation' : 'AUROC';
  const all = decidingIn(rows, isEach);
  if (all.size === 0 || data.sequenceLength === 1) return { found: all, measure };
  // a feature that separates targets only by its trend is the signal, unless it is a code or flag
  const alone = [...decidingIn(rowsOf(data, true), isEach).keys()];
  const areFew = (feature: number) => !targets.perStep && new Set(rows.lasts[feature]).size <= MAX_CODES;
  const found = new Map([...all].filter(([feature]) => alone.includes(feature) || areFew(feature)));
  return { found, measure };
}

/**
 * Training predictions with a target, up to {@link MAX_ROWS}, and their first targets.
 * @param withoutTrend the first step of each sequence instead of the mean; of values per step, the
 *   differences from the step before
 */
function rowsOf(data: Dataset, withoutTrend = false): Rows {
  const { train, sequenceLength, firstPrediction = 0 } = data;
  const { targets } = train;
  const width = inputWidth(data.input);
  const size = numbersOfTarget(targets);
  const lists = Array.from({ length: numberCount(data.input) }, (): number[] => []);
  const known = Array.from({ length: Math.min(size, MAX_TARGETS) }, (): number[] => []);
  const stride = strideOf(train, data);
  const rows = Math.ceil(train.count / stride) * (targets.perStep ? sequenceLength : 1);
  const every = Math.ceil(rows / MAX_ROWS);
  let place = 0;
  const lasts = lists.map((): number[] => []);
  const isDifference = withoutTrend && targets.perStep && classesOf(targets) === 0;
  const add = (
    at: number,
    featureOf: (feature: number) => number,
    last: (feature: number) => number,
  ): void => {
    const target = targets.values.subarray(at * size, at * size + known.length);
    const before = isDifference ? targets.values.subarray((at - 1) * size, at * size) : undefined;
    if (isIgnoredNumber(targets, target[0]) || place++ % every > 0) return;
    for (const [t, list] of known.entries()) list.push(target[t] - (before?.[t] ?? 0));
    for (const [feature, list] of lists.entries()) list.push(featureOf(feature));
    for (const [feature, list] of lasts.entries()) list.push(last(feature));
  };
  eachSequence(train, data, (index, row, length) => {
    const at = (step: number) => (feature: number) => row[step * width + feature];
    const meanAt = (feature: number) => meanOf(row, feature, length, width);
    if (!targets.perStep) add(index, withoutTrend ? at(0) : meanAt, at(length - 1));
    else
      for (let step = firstPrediction + (isDifference ? 1 : 0); step < length; step++) {
        const change = (feature: number) => at(step)(feature) - at(step - 1)(feature);
        add(index * sequenceLength + step, isDifference ? change : at(step), at(step));
      }
  });
  return { features: lists.map(list => Float32Array.from(list)), lasts, targets: known };
}

/** Distance of the sequences to read. */
function strideOf({ count }: Split, { sequenceLength, input }: Dataset): number {
  const most = Math.min(MAX_ROWS, MAX_READ / (sequenceLength * inputWidth(input)));
  return Math.max(1, Math.ceil(count / most));
}

function eachSequence(
  split: Split,
  data: Dataset,
  visit: (index: number, row: Float32Array, length: number) => void,
): void {
  const { sequenceLength } = data;
  const width = inputWidth(data.input);
  const row = new Float32Array(sequenceLength * width);
  const stride = strideOf(split, data);
  for (let index = 0; index < split.count; index += stride) {
    split.read(index, row, 0, width);
    visit(index, row, split.lengths?.[index] ?? sequenceLength);
  }
}

function meanOf(row: Float32Array, feature: number, length: number, width: number): number {
  let sum = 0;
  for (let step = 0; step < length; step++) sum += row[step * width + feature];
  return sum / length;
}

/**
 * The mean area under the ROC curve over all pairs of classes, in the better direction each (M of
 * Hand and Till, 2001); 0 once it is below {@link MIN_AREA}.
 */
function separation(values: Float32Array, labels: readonly number[]): number {
  const byClass = new Map<number, number[]>();
  for (const [i, label] of labels.entries()) {
    const members = byClass.get(label);
    if (members) members.push(values[i]);
    else byClass.set(label, [values[i]]);
  }
  const classes = [...byClass.values()].filter(({ length }) => length >= MIN_ROWS);
  const pairs = (classes.length * (classes.length - 1)) / 2;
  let lost = 0;
  for (const [i, inClass] of classes.entries())
    for (const other of classes.slice(0, i)) {
      const area = areaOf(inClass, other);
      lost += 1 - Math.max(area, 1 - area);
      if (lost > pairs * (1 - MIN_AREA)) return 0;
    }
  return pairs === 0 ? 0 : 1 - lost / pairs;
}

/** The probability that a value of `a` is larger than one of `b`; ties count half. */
function areaOf(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [a, b].map(list => Float32Array.from(list).sort());
  let [below, upTo, larger] = [0, 0, 0];
  for (const value of x) {
    while (below < y.length && y[below] < value) below++;
    while (upTo < y.length && y[upTo] <= value) upTo++;
    larger += (below + upTo) / 2;
  }
  return larger / (x.length * y.length);
}

/** Features with consecutive integers (some may be left out), one for each sequence. */
function numberingFeatures(data: Dataset): number[] {
  const { train, scaling } = data;
  const width = inputWidth(data.input);
  const values = Array.from({ length: numberCount(data.input) }, () => new Set<number>());
  const numbering = new Set(values.keys());
  let count = 0;
  eachSequence(train, data, (_, row, length) => {
    count++;
    for (const feature of numbering) {
      const { offset, scale } = scaling?.features ?? {};
      const value = row[feature] * (scale?.[feature] ?? 1) + (offset?.[feature] ?? 0);
      values[feature].add(Math.round(value));
      const isInteger = Math.abs(value - Math.round(value)) < MAX_ROUNDING;
      let isConstant = true;
      for (let step = 1; step < length; step++)
        if (row[step * width + feature] !== row[feature]) isConstant = false;
      if (!isInteger || !isConstant || values[feature].size < count) numbering.delete(feature);
    }
  });
  if (count < 2 * MIN_ROWS) return [];
  return [...numbering].filter(feature => {
    const [least, most] = [Math.min, Math.max].map(extreme => extreme(...values[feature]));
    return most - least < MAX_GAPS * train.count;
  });
}

/** Features whose means over a sequence have other distributions in two splits, with distances. */
function movedFeatures(data: Dataset, splits: readonly [Split, Split]): ReadonlyMap<number, number> {
  const width = inputWidth(data.input);
  const [trained, tested] = splits.map(split => {
    const means = Array.from({ length: numberCount(data.input) }, (): number[] => []);
    eachSequence(split, data, (_, row, length) => {
      for (const [feature, list] of means.entries()) list.push(meanOf(row, feature, length, width));
    });
    return means.map(list => Float32Array.from(list).sort());
  });
  const found = new Map<number, number>();
  for (const [feature, sorted] of trained.entries()) {
    const other = tested[feature];
    const distance = distanceOf(sorted, other);
    const sizes = (sorted.length + other.length) / (sorted.length * other.length);
    // the usual critical value of the two-sample test, for `width` tests
    const critical = Math.sqrt((Math.log((2 * width) / FALSE_ALARM) / 2) * sizes);
    if (distance > Math.max(MIN_DISTANCE, critical)) found.set(feature, distance);
  }
  return found;
}

/** Kolmogorov-Smirnov: the largest difference of two distribution functions. */
function distanceOf(a: Float32Array, b: Float32Array): number {
  let [i, j, largest] = [0, 0, 0];
  while (i < a.length && j < b.length) {
    const value = Math.min(a[i], b[j]);
    while (a[i] === value) i++;
    while (b[j] === value) j++;
    largest = Math.max(largest, Math.abs(i / a.length - j / b.length));
  }
  return largest;
}
