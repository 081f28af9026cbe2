/**
 * Series to forecast: the cells of their steps, and these as the model reads them: filled,
 * transformed and scaled.
 */
import type { Diagnostic } from '../util/errors.js';
import { type Feature, featuresOf } from './core/preparation.js';
import type { Preparation, Scaling, SeriesScaling } from './core/record.js';
import { badNumber, missingCell, missingTest, type TableColumns } from './csv-columns.js';
import type { RowList, Rows } from './csv-rows.js';
import type { ForecastConfig } from './forecast.js';
import { emptyStep } from './resampling.js';

/** The target columns. */
export function targetsOf({ target }: ForecastConfig): readonly string[] {
  return [target].flat();
}

/** What a step consists of. @param preparation absent without `missing` */
export function stepShape(config: ForecastConfig, preparation: Preparation | undefined) {
  const { features = [], known = [], calendar = [], input_steps, horizon, per_step = false } = config;
  const targets = targetsOf(config).length;
  const observed = targets + features.length;
  const width = observed + known.length;
  const columns: readonly Feature[] = preparation
    ? featuresOf(preparation)
    : Array.from({ length: width }, (_, column) => ({ column, kind: 'value' }));
  const hasFuture = per_step || known.length + calendar.length > 0;
  return {
    size: columns.length + 2 * calendar.length + (hasFuture ? 1 : 0),
    targets,
    /** Number of cells that are unknown in the horizon: targets and features. */
    observed,
    /** Number of cells: those, and the ones known in advance. */
    width,
    /** What is made of the cells: their values, then indicators, then elapsed steps. */
    columns,
    /** True if anything is known in advance. */
    hasFuture,
    steps: input_steps + (hasFuture ? horizon : 0),
  };
}

/** The columns to read: the targets, then the features and those known in advance. */
export function tableColumns(config: ForecastConfig): Omit<TableColumns, 'purpose'> {
  const { target, features = [], known = [], series, time, delimiter, date_format } = config;
  const { missing, resample } = config;
  const named = (name: string, ...at: (string | number)[]) => ({ name, keyPath: ['dataset', ...at] });
  const read = [
    ...(typeof target === 'string'
      ? [named(target, 'target')]
      : target.map((name, i) => named(name, 'target', i))),
    ...features.map((name, i) => named(name, 'features', i)),
    ...known.map((name, i) => named(name, 'known', i)),
  ];
  const isMissing = missingTest(missing?.markers);
  return {
    delimiter,
    columnNames: config.column_names,
    dateFormat: date_format,
    features: read.map(column => ({ ...column, isMissing, isFilled: missing !== undefined })),
    targets: [],
    targetKind: 'value',
    keepsFloat64: true,
    group: series === undefined ? 'table' : named(series, 'series'),
    groupWord: 'series',
    order: time === undefined ? undefined : named(time, 'time'),
    resample: resample && { ...resample, areValues: true, keyPath: ['dataset', 'resample', 'every'] },
    isPartlyRead: true,
  };
}

/** The last step of a series with a target; the rows after it are its future. */
export function lastTarget(list: RowList, { features, texts }: Rows, config: ForecastConfig): number {
  const { width, targets } = stepShape(config, undefined);
  const isMissing = missingTest(config.missing?.markers);
  return list.findLastIndex(row => {
    for (let at = row * width; at < row * width + targets; at++)
      if (!Number.isNaN(features.at(at)) || !isMissing(texts.get(at) ?? '')) return true;
    return false;
  });
}

/** Returns the function from a cell to its problem, if it has one. */
export function cellProblem(
  rows: Rows,
  config: ForecastConfig,
  expected?: string,
): (row: number, column: number) => Diagnostic | undefined {
  const { features: columns } = tableColumns(config);
  const { width, targets } = stepShape(config, undefined);
  return (row, column) => {
    const at = row * width + column;
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
    ...{ name: '', rows, cellAt, values },
    fills: fill.map(scaled),
    isKnownAt: step => !targets.some(target => isMissing(step, target)),
    starts: targets.map(target => rows.findIndex((_, step) => !isMissing(step, target))),
    scaling: { offset, scale },
    naiveErrors: naive_error === undefined ? undefined : [naive_error].flat(),
  };
}
