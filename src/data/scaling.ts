/**
 * Scaling of features and value targets, fitted on the training split alone:
 *
 *     standard  stored = (x - mean) / s,          s = sqrt(sum of (x - mean)^2 / n)
 *     min_max   stored = (x - min) / (max - min)
 *
 * as `StandardScaler` and `MinMaxScaler` of scikit-learn. Each column has its own; n counts the
 * real steps of the training sequences, not their padding. A column that is constant is only
 * shifted.
 */
import type { Column, DataScaling, Dataset, Scaling, Split, Targets } from './dataset.js';
import { mappedLoad } from './packed.js';
import { configError } from './problems.js';

/** The key of the kinds whose numbers have no scale of their own. */
export interface NormalizeConfig {
  /** Default: `none`; columns that are far from zero mean and unit variance are then told. */
  readonly normalize?: DataScaling['method'] | 'none';
}

/** What scales columns, by the value of `dataset.normalize`. */
const METHODS: Readonly<Record<DataScaling['method'], (column: Column) => [offset: number, scale: number]>> =
  {
    standard: ({ mean, deviation }) => [mean, deviation],
    min_max: ({ min, max }) => [min, max - min],
  };

/** Whether all values of a column are the same. */
export function isConstant({ min, max }: Column): boolean {
  return min === max;
}

/**
 * What scales the columns of a training split.
 * @throws UserError (exit 2) if the data have no numbers to scale
 */
export function fitScaling(
  method: DataScaling['method'],
  { features, targets }: NonNullable<Dataset['columns']>,
): DataScaling {
  if (features.length + targets.length === 0) {
    throw configError({
      code: 'data/normalize',
      keyPath: ['dataset', 'normalize'],
      message: 'nothing to normalize: the features are symbols and the targets classes',
      expected: 'no `normalize`',
    });
  }
  return { method, features: fitted(method, features), targets: fitted(method, targets) };
}

/** What a method makes of a column that has been read. */
export function columnScaling(
  method: DataScaling['method'],
  column: Column,
): readonly [offset: number, scale: number] {
  const [offset, scale] = METHODS[method](column);
  return [offset, isConstant(column) ? 1 : scale];
}

/** The same scaling for `size` numbers. */
export function repeated([offset, scale]: readonly [offset: number, scale: number], size: number): Scaling {
  return { offset: new Array<number>(size).fill(offset), scale: new Array<number>(size).fill(scale) };
}

function fitted(method: DataScaling['method'], columns: readonly Column[]): Scaling | null {
  if (columns.length === 0) return null;
  const pairs = columns.map(column => columnScaling(method, column));
  return { offset: pairs.map(([offset]) => offset), scale: pairs.map(([, scale]) => scale) };
}

/** The dataset with all its splits scaled; what reads them sees no other numbers. */
export function scaledDataset(dataset: Dataset, scaling: DataScaling): Dataset {
  const { train, validation, test, sequenceLength } = dataset;
  const scaled = (split: Split): Split => scaledSplit(split, scaling, sequenceLength);
  return {
    ...dataset,
    scaling,
    train: scaled(train),
    ...(validation && { validation: scaled(validation) }),
    test: scaled(test),
  };
}

/**
 * The split with its features and value targets scaled; what is null is left alone.
 * @param steps T
 */
export function scaledSplit(
  split: Split,
  { features, targets }: Pick<DataScaling, 'features' | 'targets'>,
  steps: number,
): Split {
  return {
    ...split,
    ...(targets !== null && { targets: scaledTargets(split.targets, targets) }),
    ...(features !== null && { read: scaledRead(split, features, steps) }),
    ...mappedLoad(split, loaded => scaledSplit(loaded, { features, targets }, steps)),
  };
}

function scaledRead({ read, lengths }: Split, { offset, scale }: Scaling, steps: number): Split['read'] {
  const size = offset.length;
  return (index, out, start, stepStride) => {
    read(index, out, start, stepStride);
    const length = lengths?.[index] ?? steps;
    for (let step = 0; step < length; step++) {
      const at = start + step * stepStride;
      for (let f = 0; f < size; f++) out[at + f] = (out[at + f] - offset[f]) / scale[f];
    }
  };
}

function scaledTargets(targets: Targets, scaling: Scaling): Targets {
  if (targets.kind !== 'value') throw new Error('only values are scaled');
  const { offset, scale } = scaling;
  const { size } = targets;
  const values = targets.values.map((value, i) => (value - offset[i % size]) / scale[i % size]);
  return { ...targets, values, scaling };
}

/**
 * A target or a prediction in the units of the data, in float64; `stored` itself if nothing is
 * scaled.
 */
export function inDataUnits<T extends ArrayLike<number>>(
  stored: T,
  scaling: Scaling | undefined,
): T | Float64Array {
  if (!scaling) return stored;
  return Float64Array.from(stored, (value, i) => value * scaling.scale[i] + scaling.offset[i]);
}
