/**
 * Series to forecast: the cells of their steps, and these as the model reads them: filled,
 * transformed and scaled.
 */

import type { Diagnostic } from '../../util/errors.js';
import { badNumber, missingCell, missingTest } from '../core/cells.js';
import { timeColumn } from '../core/columns.js';
import { columnOf, numbersOf } from '../core/feature-columns.js';
import { type Feature, featureOf, staticsOf } from '../core/features.js';
import { featuresOf, type Feature as ModelFeature } from '../core/preparation.js';
import type { Preparation, Scaling, SeriesScaling } from '../core/record.js';
import type { TableColumns } from '../csv/columns.js';
import { emptyStep } from '../csv/resampling.js';
import type { RowList, Rows } from '../csv/rows.js';
import type { ForecastConfig } from './facts.js';

export function targetsOf({ target }: ForecastConfig): readonly string[] {
  return [target].flat();
}

/** Features that have one value per series. */
export function seriesStatics({ static_features, missing }: ForecastConfig): Feature[] {
  return staticsOf(static_features, missing);
}

/** The columns with values in each step: the targets, the features, those known in advance. */
export function seriesFeatures(config: ForecastConfig): Feature[] {
  const { target, features = [], known = [], missing } = config;
  return [
    ...targetsOf(config).map((name, i) =>
      featureOf(name, typeof target === 'string' ? ['target'] : ['target', i], missing),
    ),
    ...features.map((feature, i) => featureOf(feature, ['features', i], missing)),
    ...known.map((feature, i) => featureOf(feature, ['known', i], missing)),
  ];
}

/** What a step consists of. @param preparation absent without `missing` */
export function stepShape(config: ForecastConfig, preparation: Preparation | undefined) {
  const { features = [], known = [], calendar = [], input_steps, horizon, per_step = false } = config;
  const targets = targetsOf(config).length;
  const observed = targets + features.length;
  const width = observed + known.length;
  const columns: readonly ModelFeature[] = preparation
    ? featuresOf(preparation)
    : Array.from({ length: width }, (_, column) => ({ column, kind: 'value' }));
  const hasFuture = per_step || known.length + calendar.length > 0;
  const statics = numbersOf(seriesStatics(config).map(columnOf)).length;
  const ofStep = columns.length + 2 * calendar.length + (hasFuture ? 1 : 0);
  return {
    /** Numbers of a step: its own, then the static ones. */
    size: ofStep + statics,
    /** Number of those that are static. */
    statics,
    targets,
    /** Number of cells that are unknown in the horizon: targets and features. */
    observed,
    /** Number of cells: those, and the ones known in advance. */
    width,
    /** Number of numbers in a row: the cells, then the static ones. */
    rowWidth: width + statics,
    /** What is made of the cells: their values, then indicators, then elapsed steps. */
    columns,
    /** True if anything is known in advance. */
    hasFuture,
    steps: input_steps + (hasFuture ? horizon : 0),
  };
}

/** The columns to read: the targets, then the features and those known in advance. */
export function tableColumns(config: ForecastConfig): Omit<TableColumns, 'purpose'> {
  const { series, time, delimiter, date_format, resample } = config;
  const named = (name: string, ...at: (string | number)[]) => ({ name, keyPath: ['dataset', ...at] });
  return {
    delimiter,
    decimal: config.decimal,
    columnNames: config.column_names,
    dateFormat: date_format,
    features: [...seriesFeatures(config), ...seriesStatics(config)].map(columnOf),
    targets: [],
    targetKind: 'value',
    keepsFloat64: true,
    group: series === undefined ? 'table' : [series].flat().map(name => named(name, 'series')),
    groupWord: 'series',
    order: time === undefined ? undefined : timeColumn(time, 'time'),
    resample: resample && { ...resample, areValues: true, keyPath: ['dataset', 'resample', 'every'] },
    isPartlyRead: true,
  };
}

/** The last step of a series with a target; the rows after it are its future. */
export function lastTarget(list: RowList, { features, texts }: Rows, config: ForecastConfig): number {
  const { rowWidth, targets } = stepShape(config, undefined);
  const isMissing = missingTest(config.missing?.markers);
  return list.findLastIndex(row => {
    for (let at = row * rowWidth; at < row * rowWidth + targets; at++)
      if (!Number.isNaN(features.at(at)) || !isMissing(texts.get(at) ?? '')) return true;
    return false;
  });
}

/** Returns the function from a number of a row to its problem, if it has one. */
export function cellProblem(
  rows: Rows,
  config: ForecastConfig,
  expected?: string,
): (row: number, number: number) => Diagnostic | undefined {
  const { features: columns } = tableColumns(config);
  const numbers = numbersOf(columns);
  const { width, rowWidth, targets } = stepShape(config, undefined);
  return (row, number) => {
    const at = row * rowWidth + number;
    // another row may have the static value
    if (number >= width && !Number.isNaN(rows.features.at(at))) return undefined;
    const { column } = numbers[number];
    const { name: columnName, isMissing } = columns[column];
    const place = { ...rows.place(row), columnName };
    const text = rows.texts.get(at);
    if (text !== undefined && config.resample) return emptyStep(rows.order[row], place);
    if (text !== undefined)
      return isMissing?.(text) ? missingCell(text, place, expected) : badNumber(text, place);
    const value = rows.features.at(at);
    if (config.transform === undefined || column >= targets || !(value <= 0)) return undefined;
    return {
      code: 'data/no-logarithm',
      message: 'the target is 0 or less and has no logarithm',
      ...place,
      expected: 'positive numbers, or a model without `dataset.transform`',
      got: String(value),
    };
  };
}

/** What training recorded of a series, or of all together. */
export type TrainedSeries = Scaling &
  Partial<Pick<SeriesScaling['series'][number], 'fill' | 'naive_error' | 'interval'>>;

export interface Series {
  readonly name: string;
  /** Its static numbers, before their preparation. */
  readonly statics: readonly number[];
  /** The row of each step. */
  readonly rows: RowList;
  /** A cell of a step as in the data; NaN if it is missing. */
  cellAt(step: number, column: number): number;
  /** `[steps, width]`: the cells, transformed and scaled. */
  readonly values: Float64Array;
  /** What replaces missing values of each column, transformed and scaled. */
  readonly fills: readonly number[];
  /** True if no target of a step is missing. */
  isKnownAt(step: number): boolean;
  /** The first step with a value of each target. */
  readonly starts: readonly number[];
  readonly scaling: Scaling;
  /**
   * Mean of |y_t - y_(t-m)| of each target over its rows in the training split, in the units of the
   * data.
   */
  readonly naiveErrors: readonly number[] | undefined;
}

/** Returns a value of a column before it is scaled. */
export function transformed(value: number, column: number, config: ForecastConfig): number {
  return config.transform === 'log' && column < targetsOf(config).length ? Math.log(value) : value;
}

export function seriesOf(
  rows: RowList,
  cellAt: Series['cellAt'],
  { offset, scale, fill = [], naive_error }: TrainedSeries,
  config: ForecastConfig,
): Series {
  const width = offset.length;
  const scaled = (value: number, c: number) => (transformed(value, c, config) - offset[c]) / scale[c];
  const values = new Float64Array(rows.length * width);
  for (let step = 0; step < rows.length; step++)
    for (let c = 0; c < width; c++) values[step * width + c] = scaled(cellAt(step, c), c);
  const targets = targetsOf(config).map((_, target) => target);
  const isMissing = (step: number, target: number) => Number.isNaN(cellAt(step, target));
  return {
    ...{ name: '', statics: [], rows, cellAt, values },
    fills: fill.map(scaled),
    isKnownAt: step => !targets.some(target => isMissing(step, target)),
    starts: targets.map(target => rows.findIndex((_, step) => !isMissing(step, target))),
    scaling: { offset, scale },
    naiveErrors: naive_error === undefined ? undefined : [naive_error].flat(),
  };
}

/** The static numbers of a series, which are equal in all of its rows. */
export function staticsIn({ features }: Rows, list: RowList, config: ForecastConfig): number[] {
  const { width, rowWidth } = stepShape(config, undefined);
  const at = (list[0] ?? 0) * rowWidth;
  return list.length === 0 ? [] : [...features.subarray(at + width, at + rowWidth)];
}
