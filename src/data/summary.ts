/** Summarizes a dataset for inspection before training; numbers are in the units of the data. */

import { readSound, spectrogram, waveform } from './audio/sounds.js';
import {
  type Column,
  type Dataset,
  dataWidth,
  type MissingCounts,
  numberCount,
  type RecordingFacts,
  type RelativeTo,
  type Split,
  type SplitName,
  targetLengthsOf,
} from './core/dataset.js';
import { type GroupColumns, joinedGroup } from './core/held-out.js';
import type { Scaling, Transform, Vocabulary } from './core/record.js';
import { inDataUnits } from './core/scaling.js';
import { groupsIn } from './core/selection.js';
import { columnsOf, stepsOf, trainingColumns } from './core/statistics.js';
import { eachChunk } from './core/store.js';
import { IGNORED, symbolsOfTarget, type Targets } from './core/targets.js';
import { eachSymbol, realLength } from './core/vocabulary.js';

export type DataSummary = ReturnType<typeof summarize>;
export type SplitSummary = ReturnType<typeof splitSummary>;

/** A column and its scaling: stored = (value - offset) / scale. */
export interface ColumnSummary extends Column {
  readonly scaling?: ScalingMethod & { readonly offset: number; readonly scale: number };
  /** If there are several series. */
  readonly series_scaling?: ScalingMethod & {
    readonly series: readonly { readonly name: string; readonly offset: number; readonly scale: number }[];
  };
}

interface ScalingMethod {
  readonly method: string;
  /** Level that is subtracted from the values first. */
  readonly relative_to?: RelativeTo;
  /** What is scaled instead of the values. */
  readonly transform?: Transform;
}

/** A training sequence. */
export interface Example {
  readonly id?: string;
  readonly steps: number;
  /**
   * Values of each feature, or the mean if there are many features (of a forecast, the first
   * features). Features of a forecast that are unknown in the horizon end before it. NaN (null in
   * JSON) is a missing value.
   */
  readonly values?: readonly { readonly name: string; readonly values: readonly number[] }[];
  /** Texts or numbers of the symbols. */
  readonly symbols?: readonly string[];
  /** Of a recording. */
  readonly recording?: {
    readonly seconds: number;
    /** Of the spectrogram, in hertz; the lowest is 0. */
    readonly highest_frequency: number;
    /** The largest absolute sample of parts of equal length. */
    readonly waveform: readonly number[];
    /** Power in mel bands over time, the highest band first: 255 for the loudest, 0 for silence. */
    readonly spectrogram: readonly (readonly number[])[];
  };
  /** The class, values or symbols; absent for targets per step, or if there is no label. */
  readonly target?: readonly (string | number)[];
}

/** Bins of equal width with their counts. The upper bound of the last bin is inclusive. */
export type Histogram = readonly { readonly from: number; readonly to: number; readonly count: number }[];

/** Number of histogram bins. */
const BINS = 10;
const MAX_FREQUENT = 20;
const EXAMPLES = 3;
/** Maximum number of features to show in an example; with more, their mean is shown. */
const MAX_FEATURES = 8;
/** Maximum number of steps to show in an example. */
const MAX_STEPS = 2 ** 12;

/** @param labelTargets true if value targets are labels of 0 and 1 */
export function summarize(dataset: Dataset, labelTargets = false) {
  const { input, train, validation, test, sequenceLength: steps, vocabulary } = dataset;
  const { seriesScaling, seriesFacts, groupedBy = [] } = dataset;
  const columns = dataset.columns ?? trainingColumns(dataset, labelTargets);
  const splits = { train, ...(validation && { validation }), test };
  const { preparation, unprepared } = dataset;
  const missing = (preparation || seriesFacts?.missing) && [
    ...(seriesFacts?.missing ?? []),
    ...(preparation && unprepared ? missingIn(dataset, unprepared) : []),
  ];
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
    ...(input.kind === 'number' && input.embedded && { embedded: embeddedSummary(dataset, input.embedded) }),
    ...(missing && {
      missing: missing.filter(({ counts }) => Object.values(counts).some(count => count > 0)),
    }),
    ...(dataset.unlabelled && { unlabelled: dataset.unlabelled }),
    ...(dataset.impossible && { impossible: dataset.impossible }),
    ...(dataset.empty && { empty: dataset.empty }),
    ...(groupedBy.length > 0 && { groups: groupedBy.map(columns => groupSummary(columns, splits)) }),
    ...(vocabulary && { vocabulary: vocabularySummary(vocabulary, train, steps) }),
    ...(dataset.recordings && { recordings: recordingSummary(dataset.recordings, splits, steps) }),
    ...(dataset.spellings && { label_spellings: dataset.spellings }),
    ...(seriesScaling && { series: seriesScaling.series.map(({ name }) => name) }),
    ...(seriesFacts?.gaps && { gaps: seriesFacts.gaps }),
    examples: examplesOf(dataset),
  };
}

/** The columns that the model embeds, each with the number of its values. */
function embeddedSummary(
  { input, columnNames }: Dataset,
  embedded: readonly { readonly count: number; readonly size: number }[],
) {
  return embedded.map(({ count, size }, i) => ({
    name: columnNames?.features(numberCount(input) + i) ?? '',
    // without the one for unknown values
    values: count - 1,
    size,
  }));
}

type Unprepared = NonNullable<Dataset['unprepared']>;

function missingIn(dataset: Dataset, { splits, nameOf }: Unprepared): MissingCounts[] {
  const { sequenceLength, preparation } = dataset;
  const width = dataWidth(dataset);
  // a sequence has its static values once
  const isStatic = (column: number) => preparation?.columns[column].static === true;
  const counts = Object.entries(splits).map(([name, split]) => {
    const missing = new Float64Array(width);
    stepsOf(split, { width, sequenceLength })((values, at, step = 0) => {
      for (let c = 0; c < width; c++)
        if (Number.isNaN(values[at + c]) && (step === 0 || !isStatic(c))) missing[c]++;
    });
    return [name as SplitName, missing] as const;
  });
  const sequences = Object.fromEntries(Object.entries(splits).map(([name, { count }]) => [name, count]));
  return Array.from({ length: width }, (_, c) => ({
    name: nameOf(c),
    ...(isStatic(c) && { rows: sequences }),
    counts: Object.fromEntries(counts.map(([name, missing]) => [name, missing[c]])),
  }));
}

/** The rates of recordings, and the time of the steps of each split. */
function recordingSummary(
  { sampleRate, stepSeconds, counts }: RecordingFacts,
  splits: Readonly<Record<string, Split>>,
  steps: number,
) {
  const secondsOf = ({ count, lengths }: Split) =>
    stepSeconds * (lengths?.reduce((sum, length) => sum + length, 0) ?? count * steps);
  return {
    sample_rate: sampleRate,
    step_seconds: stepSeconds,
    rates: [...counts].map(([rate, count]) => ({ rate, recordings: count })),
    seconds: Object.fromEntries(Object.entries(splits).map(([name, split]) => [name, secondsOf(split)])),
  };
}

/** Number of groups in each split, and of those in several. */
function groupSummary(columns: GroupColumns, splits: Readonly<Record<string, Split>>) {
  const values = Object.entries(splits).map(([name, split]) => [name, groupsIn(columns, split)] as const);
  const [seen, again] = [new Set<string>(), new Set<string>()];
  for (const [, own] of values) for (const value of own) (seen.has(value) ? again : seen).add(value);
  const counts = Object.fromEntries(values.map(([name, { size }]) => [name, size]));
  return { column: joinedGroup(columns), counts, in_several: again.size };
}

function scaledColumn(column: Column, index: number, dataset: Dataset): ColumnSummary {
  const { scaling, seriesScaling, seriesFacts } = dataset;
  const ofColumn = ({ offset, scale }: Scaling) => ({ offset: offset[index], scale: scale[index] });
  const isOfSeries = seriesFacts !== undefined && index < seriesFacts.columns.length;
  if (scaling?.features && !isOfSeries)
    return { ...column, scaling: { method: scaling.method, ...ofColumn(scaling.features) } };
  if (!seriesScaling || !seriesFacts) return column;
  const { method, relativeTo, transform, columns, targets } = seriesFacts;
  if (method === 'none' || index >= columns.length) return column;
  const isTarget = index < targets;
  const how = {
    method,
    ...(relativeTo !== undefined && isTarget && { relative_to: relativeTo }),
    ...(transform && isTarget && { transform }),
  };
  const series = seriesScaling.series.map(one => ({ name: one.name, ...ofColumn(one) }));
  return series.length === 1
    ? { ...column, scaling: { ...how, ...ofColumn(seriesScaling.series[0]) } }
    : { ...column, series_scaling: { ...how, series } };
}

function splitSummary(dataset: Dataset, split: Split, name: SplitName) {
  const { sequenceLength: steps, unknownFractions } = dataset;
  const lengths = Int32Array.from({ length: split.count }, (_, i) => realLength(split, i, steps));
  const unknown = unknownFractions?.[name];
  return {
    sequences: split.count,
    steps: lengths.reduce((sum, length) => sum + length, 0),
    lengths: lengthSummary(lengths),
    targets: targetSummary(dataset, split),
    ...(unknown !== undefined && { unknown_share: unknown }),
  };
}

function lengthSummary(lengths: Int32Array) {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const min = lengths.reduce((a, b) => Math.min(a, b));
  const max = lengths.reduce((a, b) => Math.max(a, b));
  return { min, max, mean: total / lengths.length, histogram: countedHistogram(lengths, min, max) };
}

function targetSummary(dataset: Dataset, split: Split) {
  const { sequenceLength: steps, firstPrediction = 0, classLabels } = dataset;
  const { targets, count } = split;
  const perStep = targets.perStep ?? false;
  // neither padding nor the input steps of a forecast have targets
  const hasNone = (at: number): boolean =>
    perStep &&
    (at % steps < firstPrediction || at % steps >= realLength(split, Math.floor(at / steps), steps));
  const nameOfClass = (label: number) => classLabels?.[label] ?? String(label);
  let missing = 0;
  if (targets.kind === 'class') {
    const counts = new Array<number>(targets.numClasses).fill(0);
    eachChunk(targets.values, perStep ? steps : 1, (labels, from) => {
      for (let i = 0; i < labels.length; i++) {
        if (labels[i] !== IGNORED) counts[labels[i]]++;
        else if (!hasNone(from + i)) missing++;
      }
    });
    const classes = counts.map((found, label) => ({ label: nameOfClass(label), count: found }));
    return { kind: 'class', per_step: perStep, classes, missing } as const;
  }
  if (targets.kind === 'sequence') {
    const counts = new Array<number>(targets.numClasses).fill(0);
    for (const symbol of targets.values) if (symbol !== IGNORED) counts[symbol]++;
    const lengths = targetLengthsOf(split) as Int32Array;
    const classes = counts.map((found, symbol) => ({ label: nameOfClass(symbol), count: found }));
    return { kind: 'sequence', per_step: false, classes, lengths: lengthSummary(lengths), missing } as const;
  }
  const { size, values } = targets;
  const eachTarget = (visit: (values: ArrayLike<number>, at: number) => void): void => {
    missing = 0;
    for (let at = 0; at * size < values.length; at++) {
      if (!Number.isNaN(values[at * size])) visit(valuesAt(targets, at), 0);
      else if (!hasNone(at)) missing++;
    }
  };
  const { targetNames, columnNames } = dataset;
  const nameOf = (c: number) => targetNames?.[c] ?? columnNames?.targets(c) ?? `target ${c}`;
  const columns = columnsOf(size, eachTarget, nameOf);
  const bins = columns.map(({ min, max }) => new Array<number>(max > min ? BINS : 1).fill(0));
  eachTarget(row => {
    for (const [c, counts] of bins.entries()) counts[binOf(row[c], columns[c], counts.length)]++;
  });
  const { scaling } = targets;
  const isScaled = typeof scaling === 'object' && dataset.scaling;
  const described = columns.map((column, c): ColumnSummary & { readonly histogram: Histogram } => ({
    ...column,
    histogram: count === 0 ? [] : histogramOf(bins[c], column),
    ...(isScaled && {
      scaling: { method: isScaled.method, offset: scaling.offset[c], scale: scaling.scale[c] },
    }),
  }));
  return { kind: 'value', per_step: perStep, columns: described, missing } as const;
}

/** The values of target `at` in the units of the data. */
function valuesAt(targets: Extract<Targets, { readonly kind: 'value' }>, at: number): ArrayLike<number> {
  const { given, values, size, scaling } = targets;
  const stored = values.subarray(at * size, (at + 1) * size);
  return given?.(at) ?? inDataUnits(stored, typeof scaling === 'function' ? scaling(at) : scaling);
}

function binOf(value: number, { min, max }: Column, bins: number): number {
  const fraction = max > min ? (value - min) / (max - min) : 0;
  return Math.min(bins - 1, Math.floor(fraction * bins));
}

function histogramOf(counts: readonly number[], { min, max }: Column): Histogram {
  const bound = (i: number): number => min + ((max - min) * i) / counts.length;
  return counts.map((count, i) => ({ from: bound(i), to: bound(i + 1), count }));
}

/** Histogram of integers: one bin per integer, or bins of several integers. */
function countedHistogram(values: Int32Array, min: number, max: number): Histogram {
  const width = Math.ceil((max - min + 1) / BINS);
  const counts = new Array<number>(Math.ceil((max - min + 1) / width)).fill(0);
  for (const value of values) counts[Math.floor((value - min) / width)]++;
  return counts.map((count, i) => ({
    from: min + i * width,
    to: Math.min(max, min + (i + 1) * width - 1),
    count,
  }));
}

function vocabularySummary({ level, symbols }: Vocabulary, train: Split, steps: number) {
  const counts = new Float64Array(symbols.length);
  eachSymbol(train, steps, symbol => counts[symbol]++);
  const frequent = [...counts.keys()].sort((a, b) => counts[b] - counts[a] || a - b).slice(0, MAX_FREQUENT);
  return {
    level,
    // with the one for unknown symbols
    size: symbols.length,
    most_frequent: frequent.map(symbol => ({ symbol: symbols[symbol], count: counts[symbol] })),
  };
}

/** The first, middle and last training sequences. */
function examplesOf(dataset: Dataset) {
  const { count } = dataset.train;
  const places = Array.from({ length: EXAMPLES }, (_, i) => Math.floor((i * (count - 1)) / (EXAMPLES - 1)));
  return [...new Set(places)].map(index => exampleOf(dataset, index));
}

function exampleOf(dataset: Dataset, index: number): Example {
  const { input, sequenceLength, vocabulary, columnNames, seriesFacts } = dataset;
  // missing values are gaps, not what fills them
  const { splits: { train = dataset.train } = {}, nameOf = columnNames?.features } = dataset.unprepared ?? {};
  const width = dataWidth(dataset);
  const row = new Float32Array(sequenceLength * width);
  train.read(index, row, 0, width);
  const steps = realLength(train, index, sequenceLength);
  const shown = Math.min(steps, MAX_STEPS);
  const id = train.id?.(index);
  const target = targetOf(dataset, index);
  const recording = recordingOf(train, index);
  const common = {
    ...{ ...(id !== undefined && { id }), steps },
    ...(target && { target }),
    ...(recording && { recording }),
  };
  if (recording) return common;
  if (input.kind === 'symbol') {
    const symbols = Array.from(row.subarray(0, shown), code => vocabulary?.symbols[code] ?? String(code));
    return { ...common, symbols };
  }
  const valueAt = (step: number, feature: number) => row[step * width + feature];
  const overSteps = (of: (step: number) => number) => Array.from({ length: shown }, (_, step) => of(step));
  const cells = seriesFacts?.window(index);
  // categories and the times of steps are no values
  const isNumber = (column: number) => {
    const { categories, time } = dataset.preparation?.columns[column] ?? {};
    return categories === undefined && !time;
  };
  const numbers = Array.from({ length: width }, (_, f) => f).filter(isNumber);
  // a mean over columns that partly end before the horizon says nothing
  if (numbers.length > MAX_FEATURES && !cells) {
    const mean = (step: number) => numbers.reduce((sum, f) => sum + valueAt(step, f), 0) / numbers.length;
    return { ...common, values: [{ name: `mean of ${numbers.length} features`, values: overSteps(mean) }] };
  }
  const values = numbers.slice(0, MAX_FEATURES).map(f => ({
    name: nameOf?.(f) ?? `feature ${f}`,
    values: cells?.[f]?.slice(0, shown) ?? overSteps(step => valueAt(step, f)),
  }));
  return { ...common, values };
}

/** Size of the pictures of recordings. */
const COLUMNS = 60;
const BANDS = 10;

function recordingOf(train: Split, index: number): Example['recording'] {
  const part = train.recording?.(index);
  const sound = part && readSound(part);
  if (sound === undefined) return undefined;
  const picture = spectrogram(sound, BANDS, COLUMNS);
  const width = picture.length / BANDS;
  return {
    seconds: sound.samples.length / sound.rate,
    highest_frequency: sound.rate / 2,
    waveform: waveform(sound, COLUMNS),
    spectrogram: Array.from({ length: BANDS }, (_, band) =>
      Array.from(picture.subarray(band * width, (band + 1) * width)),
    ),
  };
}

function targetOf({ train: { targets }, classLabels }: Dataset, index: number) {
  if (targets.perStep) return undefined;
  if (targets.kind === 'value') return Array.from(valuesAt(targets, index));
  if (targets.kind === 'sequence')
    return Array.from(symbolsOfTarget(targets, index), symbol => classLabels?.[symbol] ?? symbol);
  const [label] = targets.values.subarray(index, index + 1);
  return label === IGNORED ? undefined : [classLabels?.[label] ?? label];
}
