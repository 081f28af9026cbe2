/** Statistics of the columns of a split, in float64. */
import { type Column, type Dataset, inputWidth } from './dataset.js';

/** Rows of numbers of equal width: calls `visit` for each row, which starts at `values[at]`. */
type Rows = (visit: (values: Float32Array, at: number) => void) => void;

interface StatisticsOptions {
  /**
   * Approximate number of feature values to read, from sequences spread evenly over the split.
   * Default: all.
   */
  readonly maxNumbers?: number;
  readonly hasLabelTargets?: boolean;
}

/**
 * Statistics of the training split's features (without padding) and value targets. A list is empty
 * if these are symbols, classes or labels.
 */
export function trainingColumns(
  { input, train, sequenceLength, columnNames }: Dataset,
  { maxNumbers = Number.POSITIVE_INFINITY, hasLabelTargets = false }: StatisticsOptions = {},
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
function columnsOf(width: number, rows: Rows, name: (index: number) => string): Column[] {
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
