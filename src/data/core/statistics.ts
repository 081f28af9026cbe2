/** Statistics of columns over the training split; NaN is a missing value, which they leave out. */
import { type Column, type Dataset, inputWidth, numberCount, type Split } from './dataset.js';
import type { SequenceInput } from './record.js';

export function isConstant({ min, max }: Column): boolean {
  return min === max;
}

/** Numbers that are often written for a missing value, and those that are often measured, too. */
export const MAY_BE_MEASURED: ReadonlySet<number> = new Set([99, 999]);
export const MARKERS: ReadonlySet<number> = new Set([
  ...[-99, -200, -999, -9999, -99999, 9999, 99999],
  ...MAY_BE_MEASURED,
]);

/**
 * Numbers that look like markers of missing values: they are far from all others, or negative where
 * the others are not.
 */
export function likelyMarkers(each: (visit: (value: number) => void) => void): number[] {
  const found = new Set<number>();
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  each(value => {
    if (MARKERS.has(value)) found.add(value);
    else {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  });
  const range = high - low;
  const isFar = (value: number) => (value > 0 ? value - high > range : low >= 0 || 2 * (low - value) > range);
  return range >= 0 ? [...found].filter(isFar).sort((a, b) => a - b) : [];
}

/**
 * Rows of numbers of equal width: calls `visit` for each row, which starts at `values[at]`; `step`
 * is its step in its sequence.
 */
export type Rows = (visit: (values: ArrayLike<number>, at: number, step?: number) => void) => void;

/** The steps of a split, without padding. @param stride 2 for those of every other sequence */
export function stepsOf(
  { count, read, lengths }: Split,
  { width, sequenceLength }: { readonly width: number; readonly sequenceLength: number },
  stride = 1,
): Rows {
  const row = new Float32Array(sequenceLength * width);
  return visit => {
    for (let index = 0; index < count; index += stride) {
      read(index, row, 0, width);
      const length = lengths?.[index] ?? sequenceLength;
      for (let step = 0; step < length; step++) visit(row, step * width, step);
    }
  };
}

/** The rows of one sequence, `[length, width]`. */
export function rowsOf(values: Float32Array, width: number): Rows {
  return visit => {
    for (let at = 0; at < values.length; at += width) visit(values, at);
  };
}

export function joinedRows(parts: readonly Rows[]): Rows {
  return visit => {
    for (const rows of parts) rows(visit);
  };
}

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
  const stride = Math.max(1, Math.ceil((train.count * sequenceLength * width) / maxNumbers));
  const features = stepsOf(train, { width, sequenceLength }, stride);
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
    features:
      input.kind === 'number'
        ? columnsOf(numberCount(input), features, i => name('features', i), firstStaticOf(input))
        : [],
    targets:
      targets.kind === 'value' && !hasLabelTargets
        ? columnsOf(targets.size, targetRows, i => name('targets', i))
        : [],
  };
}

/** Index of the first feature that has one value per sequence. */
export function firstStaticOf(input: SequenceInput): number {
  return numberCount(input) - ((input.kind === 'number' && input.static) || 0);
}

/**
 * Statistics of the values that are not NaN, in two passes, so that a large mean does not cancel a
 * small deviation. Columns from `firstStatic` on count once per sequence.
 */
export function columnsOf(
  width: number,
  rows: Rows,
  name: (index: number) => string,
  firstStatic = width,
): Column[] {
  const sum = new Float64Array(width);
  const min = new Float64Array(width).fill(Number.POSITIVE_INFINITY);
  const max = new Float64Array(width).fill(Number.NEGATIVE_INFINITY);
  const counts = new Float64Array(width);
  let [steps, sequences] = [0, 0];
  rows((values, at, step = 0) => {
    steps++;
    if (step === 0) sequences++;
    const end = step === 0 ? width : firstStatic;
    for (let i = 0; i < end; i++) {
      const value = values[at + i];
      if (Number.isNaN(value)) continue;
      counts[i]++;
      sum[i] += value;
      if (value < min[i]) min[i] = value;
      if (value > max[i]) max[i] = value;
    }
  });
  const mean = sum.map((all, i) => all / counts[i]);
  const squares = new Float64Array(width);
  rows((values, at, step = 0) => {
    for (let i = 0; i < (step === 0 ? width : firstStatic); i++)
      if (!Number.isNaN(values[at + i])) squares[i] += (values[at + i] - mean[i]) ** 2;
  });
  return Array.from({ length: width }, (_, i) => {
    const missing = (i < firstStatic ? steps : sequences) - counts[i];
    const mayHaveMarkers = MARKERS.has(min[i]) || MARKERS.has(max[i]);
    const markers = mayHaveMarkers ? likelyMarkers(visit => rows((values, at) => visit(values[at + i]))) : [];
    return {
      name: name(i),
      mean: mean[i],
      deviation: Math.sqrt(squares[i] / counts[i]),
      min: min[i],
      max: max[i],
      ...(missing > 0 && { missing }),
      ...(markers.length > 0 && { markers }),
    };
  });
}

/**
 * Medians of some columns of float32 rows. They are exact in bounded memory: values are counted by
 * the upper half of their bits, then those with the upper half of a median by the lower half.
 * Columns from `firstStatic` on count once per sequence. NaN if a column has no values.
 */
export function mediansOf(rows: Rows, columns: readonly number[], firstStatic: number): number[] {
  const middle = columns.flatMap(column => [
    { column, isUpper: false, count: 0, rank: 0, key: 0 },
    { column, isUpper: true, count: 0, rank: 0, key: 0 },
  ]);
  for (const shift of [16, 0]) {
    const bins = middle.map(() => new Uint32Array(2 ** 16));
    rows((values, at, step = 0) => {
      for (const [i, { column, key }] of middle.entries()) {
        const value = values[at + column];
        if (Number.isNaN(value) || (step > 0 && column >= firstStatic)) continue;
        const bits = sortableBits(value);
        if (shift > 0 || bits >>> 16 === key) bins[i][(bits >>> shift) & 0xffff]++;
      }
    });
    for (const [i, one] of middle.entries()) {
      if (shift > 0) {
        one.count = bins[i].reduce((sum, count) => sum + count, 0);
        one.rank = Math.floor((one.isUpper ? one.count : one.count - 1) / 2);
      }
      let bin = 0;
      while (one.rank >= bins[i][bin]) one.rank -= bins[i][bin++];
      one.key = ((one.key << 16) | bin) >>> 0;
    }
  }
  const values = middle.map(({ count, key }) => (count > 0 ? fromSortable(key) : Number.NaN));
  return columns.map((_, i) => (values[2 * i] + values[2 * i + 1]) / 2);
}

/** Sign bit of a float32. */
const SIGN = 0x80000000;
const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The bits of a float32, changed so that they are ordered like the values. */
function sortableBits(value: number): number {
  float[0] = value;
  return (bits[0] & SIGN ? ~bits[0] : bits[0] | SIGN) >>> 0;
}

function fromSortable(sortable: number): number {
  bits[0] = sortable & SIGN ? sortable & ~SIGN : ~sortable;
  return float[0];
}
