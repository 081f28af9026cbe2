/** Summarizes a dataset for inspection before training. */

import type { RelativeTo, TimeGaps } from './core/dataset.js';
import {
  type Column,
  type Dataset,
  IGNORED,
  inputWidth,
  type Scaling,
  type Split,
  type SplitName,
  type Vocabulary,
} from './core/dataset.js';
import { columnsOf, inDataUnits, trainingColumns } from './core/scaling.js';
import { eachChunk } from './core/values.js';

export interface DataSummary {
  readonly input: Dataset['input'];
  /** T, steps of the longest sequence. */
  readonly sequence_length: number;
  readonly splits: Readonly<Partial<Record<SplitName, SplitSummary>>>;
  /** Features of the training split in the units of the data; empty if steps are symbols. */
  readonly features: readonly ColumnSummary[];
  readonly vocabulary?: VocabularySummary;
  /** Class labels that the data write in several ways; absent if there are none. */
  readonly label_spellings?: NonNullable<Dataset['spellings']>;
  /** Names of the series of a forecast. */
  readonly series?: readonly string[];
  /** Steps that are missing in the series of a forecast; absent if there are none, or no times. */
  readonly gaps?: TimeGaps;
  readonly examples: readonly Example[];
}

export interface SplitSummary {
  readonly sequences: number;
  /** Steps of all sequences without padding. */
  readonly steps: number;
  readonly lengths: {
    readonly min: number;
    readonly max: number;
    readonly mean: number;
    readonly histogram: Histogram;
  };
  readonly targets: TargetSummary;
  /** Fraction of symbols that the vocabulary lacks; absent without a vocabulary. */
  readonly unknown_share?: number;
}

/** Bins of equal width with their counts. The upper bound of the last bin is inclusive. */
export type Histogram = readonly { readonly from: number; readonly to: number; readonly count: number }[];

export type TargetSummary =
  | {
      readonly kind: 'class';
      readonly per_step: boolean;
      readonly classes: readonly { readonly label: string; readonly count: number }[];
      /** Sequences or steps without a label, excluding padding. */
      readonly missing: number;
    }
  | {
      readonly kind: 'value';
      readonly per_step: boolean;
      readonly columns: readonly (ColumnSummary & { readonly histogram: Histogram })[];
      readonly missing: number;
    };

/** A column and its scaling: stored = (value - offset) / scale. */
export interface ColumnSummary extends Column {
  /** Absent also if there are several series. */
  readonly scaling?: ScalingMethod & OffsetAndScale;
  /** The scaling of each of several series. */
  readonly series_scaling?: ScalingMethod & {
    readonly series: readonly ({ readonly name: string } & OffsetAndScale)[];
  };
}

interface ScalingMethod {
  readonly method: string;
  /** Level that is subtracted from the values first. */
  readonly relative_to?: RelativeTo;
}

interface OffsetAndScale {
  readonly offset: number;
  readonly scale: number;
}

export interface VocabularySummary {
  readonly level: Vocabulary['level'];
  /** Number of symbols, including the one for unknown symbols. */
  readonly size: number;
  readonly most_frequent: readonly { readonly symbol: string; readonly count: number }[];
}

/** A training sequence in the units of the data. */
export interface Example {
  readonly id?: string;
  readonly steps: number;
  /**
   * Values of each feature, or the mean if there are many features (of a forecast, the first
   * features); absent if steps are symbols. Features of a forecast that are unknown in the horizon
   * end before it.
   */
  readonly values?: readonly { readonly name: string; readonly values: readonly number[] }[];
  /** Texts or numbers of the symbols. */
  readonly symbols?: readonly string[];
  /** The target class or values; absent for targets per step, or if there is no label. */
  readonly target?: readonly (string | number)[];
}

/** Number of histogram bins. */
const BINS = 10;
const MAX_FREQUENT = 20;
const EXAMPLES = 3;
/** Maximum number of features to show in an example; with more, their mean is shown. */
const MAX_FEATURES = 8;
/** Maximum number of steps to show in an example. */
const MAX_STEPS = 2 ** 12;

/** @param labelTargets true if value targets are labels of 0 and 1 */
export function summarize(dataset: Dataset, labelTargets = false): DataSummary {
  const { input, train, validation, test, sequenceLength: steps, vocabulary } = dataset;
  const { seriesScaling, seriesFacts } = dataset;
  const columns = dataset.columns ?? trainingColumns(dataset, { hasLabelTargets: labelTargets });
  const splits = { train, ...(validation && { validation }), test };
  return {
    input,
    sequence_length: steps,
    splits: Object.fromEntries(
      Object.entries(splits).map(([name, split]) => [name, splitSummary(dataset, split, name as SplitName)]),
    ),
    // windows have scaled columns, then calendar features, which are not scaled
    features: columns.features.map((column, i) =>
      scaledColumn(seriesFacts?.columns[i] ?? column, i, dataset),
    ),
    ...(vocabulary && { vocabulary: vocabularySummary(vocabulary, train, steps) }),
    ...(dataset.spellings && { label_spellings: dataset.spellings }),
    ...(seriesScaling && { series: seriesScaling.series.map(({ name }) => name) }),
    ...(seriesFacts?.gaps && { gaps: seriesFacts.gaps }),
    examples: examplesOf(dataset),
  };
}

function scaledColumn(column: Column, index: number, dataset: Dataset): ColumnSummary {
  const { scaling, seriesScaling, seriesFacts } = dataset;
  const ofColumn = ({ offset, scale }: Scaling): OffsetAndScale => ({
    offset: offset[index],
    scale: scale[index],
  });
  if (scaling?.features)
    return { ...column, scaling: { method: scaling.method, ...ofColumn(scaling.features) } };
  if (!seriesScaling || !seriesFacts) return column;
  const { method, relativeTo, columns } = seriesFacts;
  if (method === 'none' || index >= columns.length) return column;
  const how = { method, ...(relativeTo !== undefined && index === 0 && { relative_to: relativeTo }) };
  const series = seriesScaling.series.map(one => ({ name: one.name, ...ofColumn(one) }));
  return series.length === 1
    ? { ...column, scaling: { ...how, ...ofColumn(seriesScaling.series[0]) } }
    : { ...column, series_scaling: { ...how, series } };
}

function splitSummary(dataset: Dataset, split: Split, name: SplitName): SplitSummary {
  const { sequenceLength: steps, unknownShares } = dataset;
  const lengths = realLengths(split, steps);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const [min, max] = rangeOf(lengths);
  const unknown = unknownShares?.[name];
  return {
    sequences: split.count,
    steps: total,
    lengths: { min, max, mean: total / split.count, histogram: countedHistogram(lengths) },
    targets: targetSummary(dataset, split),
    ...(unknown !== undefined && { unknown_share: unknown }),
  };
}

/** Steps of each sequence without padding. */
function realLengths(split: Split, steps: number): Int32Array {
  return split.lengths ?? Int32Array.from({ length: split.count }, (_, i) => realLength(split, i, steps));
}

function realLength({ lengths, realSteps }: Split, index: number, steps: number): number {
  return lengths?.[index] ?? realSteps?.(index) ?? steps;
}

function targetSummary(dataset: Dataset, split: Split): TargetSummary {
  const { sequenceLength: steps, firstPrediction = 0, classLabels } = dataset;
  const { targets, count } = split;
  const perStep = targets.perStep ?? false;
  // neither padding nor the input steps of a forecast have targets
  const hasNone = (at: number): boolean =>
    perStep &&
    (at % steps < firstPrediction || at % steps >= realLength(split, Math.floor(at / steps), steps));
  let missing = 0;
  if (targets.kind === 'class') {
    const counts = new Array<number>(targets.numClasses).fill(0);
    eachChunk(targets.values, perStep ? steps : 1, (labels, from) => {
      for (let i = 0; i < labels.length; i++) {
        if (labels[i] !== IGNORED) counts[labels[i]]++;
        else if (!hasNone(from + i)) missing++;
      }
    });
    const classes = counts.map((found, label) => ({
      label: classLabels?.[label] ?? String(label),
      count: found,
    }));
    return { kind: 'class', per_step: perStep, classes, missing };
  }
  const { size } = targets;
  const width = perStep ? steps * size : size;
  const eachTarget = (visit: (values: ArrayLike<number>, at: number) => void): void =>
    eachChunk(targets.values, width, (values, from) => {
      missing = from === 0 ? 0 : missing;
      for (let at = 0; at < values.length; at += size) {
        const row = values.subarray(at, at + size);
        const index = (from + at) / size;
        if (!Number.isNaN(row[0]))
          visit(targets.given?.(index) ?? inDataUnits(row, scalingOf(targets, index)), 0);
        else if (!hasNone(index)) missing++;
      }
    });
  const columns = columnsOf(size, eachTarget, c => targetName(dataset, c));
  const histograms = columns.map(({ min, max }) => new Bins(min, max));
  eachTarget(row => {
    for (let c = 0; c < size; c++) histograms[c].add(row[c]);
  });
  return {
    kind: 'value',
    per_step: perStep,
    columns: columns.map((column, c) => ({
      ...column,
      histogram: count === 0 ? [] : histograms[c].histogram,
      ...(typeof targets.scaling === 'object' &&
        dataset.scaling && {
          scaling: {
            method: dataset.scaling.method,
            offset: targets.scaling.offset[c],
            scale: targets.scaling.scale[c],
          },
        }),
    })),
    missing,
  };
}

function targetName({ targetNames, columnNames }: Dataset, index: number): string {
  return targetNames?.[index] ?? columnNames?.targets(index) ?? `target ${index}`;
}

function scalingOf(targets: Split['targets'], index: number) {
  const scaling = targets.kind === 'value' ? targets.scaling : undefined;
  return typeof scaling === 'function' ? scaling(index) : scaling;
}

class Bins {
  private readonly counts: number[];

  constructor(
    private readonly min: number,
    private readonly max: number,
    bins = BINS,
  ) {
    this.counts = new Array<number>(max > min ? bins : 1).fill(0);
  }

  add(value: number): void {
    const { min, max, counts } = this;
    const fraction = max > min ? (value - min) / (max - min) : 0;
    counts[Math.min(counts.length - 1, Math.floor(fraction * counts.length))]++;
  }

  get histogram(): Histogram {
    const { min, max, counts } = this;
    const bound = (i: number): number => min + ((max - min) * i) / counts.length;
    return counts.map((count, i) => ({ from: bound(i), to: bound(i + 1), count }));
  }
}

function rangeOf(values: Int32Array): readonly [min: number, max: number] {
  return [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
}

/** Histogram of integers: one bin per integer, or bins of several integers. */
function countedHistogram(values: Int32Array): Histogram {
  const [min, max] = rangeOf(values);
  const width = Math.ceil((max - min + 1) / BINS);
  const counts = new Array<number>(Math.ceil((max - min + 1) / width)).fill(0);
  for (const value of values) counts[Math.floor((value - min) / width)]++;
  return counts.map((count, i) => ({
    from: min + i * width,
    to: Math.min(max, min + (i + 1) * width - 1),
    count,
  }));
}

function vocabularySummary(vocabulary: Vocabulary, train: Split, steps: number): VocabularySummary {
  const { level, symbols } = vocabulary;
  const counts = new Float64Array(symbols.length);
  const row = new Float32Array(steps);
  for (let index = 0; index < train.count; index++) {
    train.read(index, row, 0, 1);
    const length = realLength(train, index, steps);
    for (let step = 0; step < length; step++) counts[row[step]]++;
  }
  const frequent = [...counts.keys()].sort((a, b) => counts[b] - counts[a] || a - b).slice(0, MAX_FREQUENT);
  return {
    level,
    size: symbols.length,
    most_frequent: frequent.map(symbol => ({ symbol: symbols[symbol], count: counts[symbol] })),
  };
}

/** The first, middle and last training sequences. */
function examplesOf(dataset: Dataset): Example[] {
  const { count } = dataset.train;
  const places = Array.from({ length: EXAMPLES }, (_, i) => Math.floor((i * (count - 1)) / (EXAMPLES - 1)));
  return [...new Set(places)].map(index => exampleOf(dataset, index));
}

function exampleOf(dataset: Dataset, index: number): Example {
  const { input, train, sequenceLength, vocabulary, columnNames, scaling, seriesFacts } = dataset;
  const width = inputWidth(input);
  const row = new Float32Array(sequenceLength * width);
  train.read(index, row, 0, width);
  const steps = realLength(train, index, sequenceLength);
  const shown = Math.min(steps, MAX_STEPS);
  const id = train.id?.(index);
  const common = { ...(id !== undefined && { id }), steps, ...targetOf(dataset, index) };
  if (input.kind === 'symbol') {
    const symbols = Array.from(
      row.subarray(0, shown),
      symbol => vocabulary?.symbols[symbol] ?? String(symbol),
    );
    return { ...common, symbols };
  }
  const valueAt = (step: number, feature: number): number => {
    const { offset, scale } = scaling?.features ?? {};
    const value = row[step * width + feature];
    return offset && scale ? value * scale[feature] + offset[feature] : value;
  };
  const overSteps = (of: (step: number) => number) => Array.from({ length: shown }, (_, step) => of(step));
  const unscaled = seriesFacts?.window(index);
  // a mean over columns that partly end before the horizon says nothing
  if (width > MAX_FEATURES && !unscaled) {
    const mean = (step: number) =>
      Array.from({ length: width }, (_, f) => valueAt(step, f)).reduce((sum, value) => sum + value, 0) /
      width;
    return { ...common, values: [{ name: `mean of ${width} features`, values: overSteps(mean) }] };
  }
  const values = Array.from({ length: Math.min(width, MAX_FEATURES) }, (_, f) => ({
    name: columnNames?.features(f) ?? `feature ${f}`,
    values: unscaled?.[f]?.slice(0, shown) ?? overSteps(step => valueAt(step, f)),
  }));
  return { ...common, values };
}

function targetOf({ train: { targets }, classLabels }: Dataset, index: number): Pick<Example, 'target'> {
  if (targets.perStep) return {};
  if (targets.kind === 'class') {
    const [label] = targets.values.subarray(index, index + 1);
    return label === IGNORED ? {} : { target: [classLabels?.[label] ?? label] };
  }
  const { size } = targets;
  const values =
    targets.given?.(index) ??
    inDataUnits(targets.values.subarray(index * size, (index + 1) * size), scalingOf(targets, index));
  return { target: Array.from(values) };
}
