/**
 * Scaling of features and value targets, fitted on the training split only:
 *
 *     standard  stored = (x - mean) / s,          s = sqrt(sum of (x - mean)^2 / n)
 *     min_max   stored = (x - min) / (max - min)
 *
 * like `StandardScaler` and `MinMaxScaler` of scikit-learn. Each column is scaled by itself; n
 * counts the steps of the training sequences without padding. A constant column is only shifted.
 */

import { roundingOf } from '../../util/numbers.js';
import type { Column, Dataset, DatasetContext, Split } from './dataset.js';
import { configError } from './problems.js';
import type { DataScaling, Scaling } from './record.js';
import { columnsOf, isConstant, type Rows, trainingColumns } from './statistics.js';
import { changedSplit, mapSplits } from './store.js';
import type { Targets } from './targets.js';

export function columnScaling(
  method: DataScaling['method'],
  column: Column,
): readonly [offset: number, scale: number] {
  const { mean, deviation, min, max } = column;
  const [offset, scale] = method === 'standard' ? [mean, deviation] : [min, max - min];
  return [offset, isConstant(column) ? 1 : scale];
}

/** Joins the scalings of columns. */
export function scalingOf(columns: readonly (readonly [offset: number, scale: number])[]): Scaling {
  return { offset: columns.map(([offset]) => offset), scale: columns.map(([, scale]) => scale) };
}

export function scalingOver(method: DataScaling['method'], width: number, rows: Rows): Scaling {
  return scalingOf(columnsOf(width, rows, String).map(column => columnScaling(method, column)));
}

function fitted(
  method: DataScaling['method'],
  columns: readonly Column[],
  isFlag = (_: number) => false,
): Scaling | null {
  if (columns.length === 0) return null;
  return scalingOf(columns.map((column, i) => (isFlag(i) ? [0, 1] : columnScaling(method, column))));
}

/** Number of values to read to judge columns of data that are not normalized. */
const MAX_JUDGED = 2 ** 22;

/**
 * Scales a dataset with the scaling of a trained run, or fits one. Without a method, its columns
 * are only judged.
 * @param isFlag true for a feature of 0 and 1, which is not scaled
 */
export function normalized(
  dataset: Dataset,
  method: DataScaling['method'] | 'none' | undefined,
  { scaling: given, hasLabelTargets = false }: DatasetContext,
  isFlag: (feature: number) => boolean,
): Dataset {
  if (method === 'none') return dataset;
  const columns = trainingColumns(dataset, hasLabelTargets, method === undefined ? MAX_JUDGED : undefined);
  if (method === undefined) return { ...dataset, columns };
  const features = fitted(method, columns.features, isFlag);
  const targets = fitted(method, columns.targets);
  if (!given && !features && !targets) {
    throw configError({
      code: 'data/normalize',
      keyPath: ['dataset', 'normalize'],
      message: 'nothing to normalize: the features are symbols and the targets classes',
      expected: 'no `normalize`',
    });
  }
  const scaling = given ?? { method, features, targets };
  const splits = mapSplits(dataset, split => scaledSplit(split, scaling, dataset.sequenceLength));
  return { ...dataset, ...splits, columns, scaling };
}

/**
 * Scales the features and value targets of a split; null leaves them unchanged.
 * @param steps T
 */
export function scaledSplit(
  split: Split,
  { features, targets }: Pick<DataScaling, 'features' | 'targets'>,
  steps: number,
): Split {
  return changedSplit(split, given => ({
    ...(targets !== null && { targets: scaledTargets(given.targets, targets) }),
    ...(features !== null && { read: scaledRead(given, () => features, steps) }),
  }));
}

/**
 * Returns `read` of a split with scaled features.
 * @param scalingOf that of each sequence
 * @param steps T
 */
export function scaledRead(
  { read, lengths }: Split,
  scalingOf: (index: number) => Scaling,
  steps: number,
): Split['read'] {
  return (index, out, start, stepStride, draw) => {
    read(index, out, start, stepStride, draw);
    const scaling = scalingOf(index);
    const length = lengths?.[index] ?? steps;
    for (let step = 0; step < length; step++) scaleStep(out, start + step * stepStride, scaling);
  };
}

/** Scales the features of a step, which start at `at` of `values`, in place. */
export function scaleStep(values: Float32Array, at: number, { offset, scale }: Scaling): void {
  for (let f = 0; f < offset.length; f++) values[at + f] = (values[at + f] - offset[f]) / scale[f];
}

function scaledTargets(targets: Targets, scaling: Scaling): Targets {
  if (targets.kind !== 'value') throw new Error('only values are scaled');
  const { offset, scale } = scaling;
  const { size } = targets;
  const values = targets.values.map((value, i) => (value - offset[i % size]) / scale[i % size]);
  const given = (at: number) => targets.values.subarray(at * size, (at + 1) * size);
  return { ...targets, values, scaling, given };
}

/**
 * Converts a target or prediction to the units of the data, in float64; returns `stored` itself
 * without a scaling.
 */
export function inDataUnits<T extends ArrayLike<number>>(
  stored: T,
  scaling: Scaling | undefined,
): T | Float64Array {
  if (!scaling) return stored;
  const { offset, scale, transform } = scaling;
  return Float64Array.from(stored, (value, i) => {
    const unscaled = value * scale[i] + offset[i];
    return transform === 'log' ? Math.exp(unscaled) : unscaled;
  });
}

/**
 * Returns the distance to the next value in the units of the data, if the model computes float32
 * numbers.
 */
export function roundingInDataUnits(value: number, { offset, scale, transform }: Scaling, i: number): number {
  const unscaled = transform === 'log' ? Math.log(value) : value;
  const rounding = roundingOf((unscaled - offset[i]) / scale[i]) * Math.abs(scale[i]);
  return transform === 'log' ? rounding * value : rounding;
}
