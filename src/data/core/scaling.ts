/**
 * Scaling of features and value targets, fitted on the training split only:
 *
 *     standard  stored = (x - mean) / s,          s = sqrt(sum of (x - mean)^2 / n)
 *     min_max   stored = (x - min) / (max - min)
 *
 * like `StandardScaler` and `MinMaxScaler` of scikit-learn. Each column is scaled by itself; n
 * counts the steps of the training sequences without padding. A constant column is only shifted.
 */
import {
  type Column,
  type DataScaling,
  type Dataset,
  type DatasetContext,
  inputWidth,
  type NewSequence,
  type Scaling,
  type SequenceInput,
  type Split,
  type Targets,
} from './dataset.js';
import { configError } from './problems.js';
import { mappedLoad, mapSplits, packed, packedSplit } from './store.js';

export function isConstant({ min, max }: Column): boolean {
  return min === max;
}

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

function fitted(method: DataScaling['method'], columns: readonly Column[]): Scaling | null {
  return columns.length === 0 ? null : scalingOf(columns.map(column => columnScaling(method, column)));
}

/** Number of values to read to judge columns of data that are not normalized. */
const MAX_JUDGED = 2 ** 22;

/**
 * Scales a dataset with the scaling of a trained run, or fits one. Without a method, its columns
 * are only judged.
 */
export function normalized(
  dataset: Dataset,
  method: DataScaling['method'] | 'none' | undefined,
  { scaling: given, hasLabelTargets = false }: DatasetContext,
): Dataset {
  if (method === 'none') return dataset;
  const columns = trainingColumns(dataset, hasLabelTargets, method === undefined ? MAX_JUDGED : undefined);
  if (method === undefined) return { ...dataset, columns };
  const [features, targets] = [columns.features, columns.targets].map(part => fitted(method, part));
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
function scaledSplit(
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

function scaledRead({ read, lengths }: Split, scaling: Scaling, steps: number): Split['read'] {
  return (index, out, start, stepStride) => {
    read(index, out, start, stepStride);
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
  return Float64Array.from(stored, (value, i) => value * scaling.scale[i] + scaling.offset[i]);
}

interface SplitOptions {
  readonly input: SequenceInput;
  /** T, at least the length of the longest sequence. */
  readonly steps: number;
  readonly scaling: DataScaling | undefined;
  targets(count: number): Targets;
}

/** Adds the scaling of each sequence to the targets, if sequences have their own. */
function scaledBack(targets: Targets, sequences: readonly NewSequence[]): Targets {
  if (targets.kind !== 'value' || sequences[0]?.targetScaling === undefined) return targets;
  const predictions = targets.values.length / targets.size / sequences.length;
  return {
    ...targets,
    scaling: at => {
      const { targetScaling } = sequences[Math.floor(at / predictions)];
      return (targetScaling as (step: number) => Scaling)(at % predictions);
    },
  };
}

/** Builds a split from new sequences, scaled like the training data. */
export function newSplit(
  sequences: readonly NewSequence[],
  { input, steps, scaling, targets }: SplitOptions,
): Split {
  const lengths = Int32Array.from(sequences, ({ length }) => length);
  const features = packed(lengths, inputWidth(input), (i, out) => out.set(sequences[i].values));
  const split = packedSplit(
    { ...features, targets: scaledBack(targets(sequences.length), sequences) },
    steps,
  );
  return scaling === undefined ? split : scaledSplit(split, { ...scaling, targets: null }, steps);
}

/** Rows of numbers of equal width: calls `visit` for each row, which starts at `values[at]`. */
type Rows = (visit: (values: ArrayLike<number>, at: number) => void) => void;

/**
 * Statistics of the training split's features (without padding) and value targets. A list is empty
 * if these are symbols, classes or labels.
 * @param maxNumbers approximate number of feature values to read, from sequences spread evenly over
 *   the split
 */
export function trainingColumns(
  { input, train, sequenceLength, columnNames }: Dataset,
  hasLabelTargets: boolean,
  maxNumbers = Number.POSITIVE_INFINITY,
): NonNullable<Dataset['columns']> {
  const width = inputWidth(input);
  const row = new Float32Array(sequenceLength * width);
  const stride = Math.max(1, Math.ceil((train.count * row.length) / maxNumbers));
  const features: Rows = visit => {
    for (let index = 0; index < train.count; index += stride) {
      train.read(index, row, 0, width);
      const length = train.lengths?.[index] ?? sequenceLength;
      for (let step = 0; step < length; step++) visit(row, step * width);
    }
  };
  const { targets } = train;
  const targetRows: Rows = visit => {
    if (targets.kind !== 'value') return;
    for (let at = 0; at < targets.values.length; at += targets.size) {
      if (!Number.isNaN(targets.values[at])) visit(targets.values, at);
    }
  };
  const name = (part: 'features' | 'targets', i: number) =>
    columnNames?.[part](i) ?? `${part.slice(0, -1)} ${i}`;
  return {
    features: input.kind === 'number' ? columnsOf(width, features, i => name('features', i)) : [],
    targets:
      targets.kind === 'value' && !hasLabelTargets
        ? columnsOf(targets.size, targetRows, i => name('targets', i))
        : [],
  };
}

/** Two passes, so that a large mean does not cancel a small deviation. */
export function columnsOf(width: number, rows: Rows, name: (index: number) => string): Column[] {
  const sum = new Float64Array(width);
  const min = new Float64Array(width).fill(Number.POSITIVE_INFINITY);
  const max = new Float64Array(width).fill(Number.NEGATIVE_INFINITY);
  let count = 0;
  rows((values, at) => {
    count++;
    for (let i = 0; i < width; i++) {
      const value = values[at + i];
      sum[i] += value;
      if (value < min[i]) min[i] = value;
      if (value > max[i]) max[i] = value;
    }
  });
  const mean = sum.map(total => total / count);
  const squares = new Float64Array(width);
  rows((values, at) => {
    for (let i = 0; i < width; i++) squares[i] += (values[at + i] - mean[i]) ** 2;
  });
  return Array.from({ length: width }, (_, i) => ({
    name: name(i),
    mean: mean[i],
    deviation: Math.sqrt(squares[i] / count),
    min: min[i],
    max: max[i],
  }));
}
