/**
 * Windows of a forecast: what they consist of (numbers of their steps, calendar features and
 * levels), which of them a split has, and the split that reads them.
 */
import type { Diagnostic } from '../util/errors.js';
import { calendarValues } from './core/calendar.js';
import type { Scaling, Split, SplitName, Targets } from './core/dataset.js';
import { configError } from './core/problems.js';
import { inDataUnits } from './core/scaling.js';
import type { RowList, Rows } from './csv-rows.js';
import type { TableColumns } from './csv-table.js';
import type { ForecastConfig } from './forecast.js';

export function windowShape({
  features = [],
  known = [],
  calendar = [],
  input_steps,
  horizon,
  per_step = false,
}: ForecastConfig) {
  /** Number of columns: target, features, known. */
  const width = 1 + features.length + known.length;
  /** True if anything is known in advance. */
  const hasFuture = per_step || known.length + calendar.length > 0;
  return {
    size: width + 2 * calendar.length + (hasFuture ? 1 : 0),
    width,
    /** Number of columns that are unknown in the horizon: target and features. */
    observed: 1 + features.length,
    hasFuture,
    steps: input_steps + (hasFuture ? horizon : 0),
  };
}

/**
 * Level of a step: the mean of the values `period`, 2 `period`, … `count` `period` steps before it.
 */
export interface Levels {
  readonly period: number;
  readonly count: number;
}

/** Returns the levels of a config; undefined without `relative_to`. */
export function levelsOf({ relative_to, season, input_steps }: ForecastConfig): Levels | undefined {
  if (relative_to === undefined) return undefined;
  if (relative_to === 'last_value') return { period: 1, count: 1 };
  if (season !== undefined && season <= input_steps)
    return { period: season, count: Math.floor(input_steps / season) };
  throw configError({
    code: 'data/relative-to',
    keyPath: ['dataset', 'relative_to'],
    message:
      season === undefined
        ? '`relative_to: season` needs `season`'
        : 'the input window is shorter than the season',
    expected: season === undefined ? 'dataset.season' : `input_steps of ${season} or more`,
    got: season === undefined ? undefined : `input_steps: ${input_steps}`,
  });
}

/**
 * Returns the level of a step of a window whose first forecast step is `origin`. An input step has
 * the level of the forecast steps at the same position of a season.
 */
export function levelAt(
  { period, count }: Levels,
  valueAt: (step: number) => number,
  { origin, step }: { readonly origin: number; readonly step: number },
): number {
  const phase = (((step - origin) % period) + period) % period;
  let sum = 0;
  for (let k = 1; k <= count; k++) sum += valueAt(origin + phase - k * period);
  return sum / count;
}

export interface Series {
  readonly name: string;
  readonly rows: readonly number[];
  /** `[steps, width]`: target, features and known columns of each step, scaled. */
  readonly values: Float64Array;
  /** The target at a step, as in the data. */
  targetAt(step: number): number;
  readonly scaling: Scaling;
  /** Mean of |y_t - y_(t-m)| over its rows in the training split, in the units of the data. */
  readonly naiveError: number | undefined;
}

type ValueAt = (row: number, column: number) => number;

/** The values that are scaled. */
export function transformed(valueAt: ValueAt, { transform }: ForecastConfig): ValueAt {
  if (transform === undefined) return valueAt;
  return (row, column) => (column === 0 ? Math.log(valueAt(row, column)) : valueAt(row, column));
}

/** Problem: targets have no logarithm; undefined if all have. */
export function withoutLogarithm(
  list: RowList,
  rows: Rows,
  { target, transform, ...config }: ForecastConfig,
): Diagnostic | undefined {
  const { width } = windowShape({ target, transform, ...config });
  const bad = transform === undefined ? [] : list.filter(row => rows.features.at(row * width) <= 0);
  if (bad.length === 0) return undefined;
  const [row] = bad;
  const how =
    bad.length === 1
      ? 'the target is 0 or less and has no logarithm'
      : `${bad.length} targets are 0 or less and have no logarithm; the first:`;
  return {
    code: 'data/no-logarithm',
    message: how,
    ...rows.place(row),
    columnName: target,
    expected: 'positive numbers, or a model without `dataset.transform`',
    got: String(rows.features.at(row * width)),
  };
}

/** A series of rows, without the facts about its training. */
export function scaledSeries(
  rows: RowList,
  valueAt: ValueAt,
  scaling: Scaling,
  config: ForecastConfig,
): Series {
  const { offset, scale } = scaling;
  const width = offset.length;
  const values = new Float64Array(rows.length * width);
  const scaledAt = transformed(valueAt, config);
  rows.forEach((row, step) => {
    for (let column = 0; column < width; column++)
      values[step * width + column] = (scaledAt(row, column) - offset[column]) / scale[column];
  });
  const targetAt = (step: number) => valueAt(rows[step], 0);
  return { name: '', rows, values, targetAt, scaling, naiveError: undefined };
}

/** The columns to read: the target, then the features and those known in advance. */
export function tableColumns({
  target,
  features = [],
  known = [],
  series,
  time,
  delimiter,
  date_format,
}: ForecastConfig): Omit<TableColumns, 'purpose'> {
  const named = (name: string, ...at: (string | number)[]) => ({ name, keyPath: ['dataset', ...at] });
  return {
    delimiter,
    dateFormat: date_format,
    features: [
      named(target, 'target'),
      ...features.map((name, i) => named(name, 'features', i)),
      ...known.map((name, i) => named(name, 'known', i)),
    ],
    targets: [],
    targetKind: 'value',
    keepsFloat64: true,
    group: series === undefined ? 'table' : named(series, 'series'),
    groupWord: 'series',
    order: time === undefined ? undefined : named(time, 'time'),
  };
}

/** A window; its first predicted step is step `origin` of the series. */
export interface Window {
  readonly series: Series;
  readonly origin: number;
}

/** First point in time of each split; undefined if there is no such split. */
export interface Cuts {
  readonly validation: number | undefined;
  readonly test: number;
}

export function windowsOf(
  all: readonly Series[],
  keys: ArrayLike<number>,
  { validation, test }: Cuts,
  name: SplitName,
  { input_steps, horizon, stride, limit = Number.POSITIVE_INFINITY }: ForecastConfig,
): Window[] {
  const [from, to] = {
    train: [Number.NEGATIVE_INFINITY, validation ?? test],
    validation: [validation ?? test, test],
    test: [test, Number.POSITIVE_INFINITY],
  }[name];
  const windows: Window[] = [];
  for (const series of all) {
    const { rows } = series;
    const first = rows.findIndex(row => keys[row] >= from);
    if (first < 0) continue;
    for (let origin = Math.max(first, input_steps); origin + horizon <= rows.length; origin += stride) {
      if (keys[rows[origin + horizon - 1]] >= to) break;
      windows.push({ series, origin });
    }
  }
  if (windows.length === 0) {
    throw configError({
      code: 'data/no-window',
      keyPath: ['dataset', 'horizon'],
      message: `the ${name === 'train' ? 'training' : name} split has no window of ${input_steps} input steps and ${horizon} steps to predict`,
    });
  }
  return name === 'train' ? windows.slice(0, limit) : windows;
}

interface ForecastSplit extends Split {
  history(index: number): Float64Array;
  readonly targets: Extract<Targets, { readonly kind: 'value' }> & { scaling(at: number): Scaling };
}

export function forecastSplit(
  windows: readonly Window[],
  keys: ArrayLike<number>,
  config: ForecastConfig,
  id: (index: number) => string,
): ForecastSplit {
  const { input_steps, horizon, season, calendar = [], per_step = false } = config;
  const { steps, size, width, observed, hasFuture } = windowShape(config);
  const levels = levelsOf(config);
  const level = ({ series, origin }: Window, step: number): number =>
    levels ? levelAt(levels, one => series.values[one * width], { origin, step }) : 0;
  /** The values of a step that its time determines: calendar features and the flag. */
  const rest = (row: number, isFuture: boolean): number[] => [
    ...calendarValues(keys[row], calendar),
    ...(hasFuture ? [isFuture ? 1 : 0] : []),
  ];
  // with `per_step`, a window has one prediction per step
  const [predictions, first] = per_step ? [steps, input_steps] : [1, 0];
  const numTargets = per_step ? 1 : horizon;
  const targets = new Float32Array(windows.length * predictions * numTargets).fill(Number.NaN);
  windows.forEach((window, i) => {
    const { series, origin } = window;
    const from = (i * predictions + first) * numTargets;
    for (let h = 0; h < horizon; h++)
      targets[from + h] = series.values[(origin + h) * width] - level(window, origin + h);
  });
  /** The window of prediction `at`, and its steps: the first is `h` after the origin. */
  const predictionOf = (at: number) => {
    const window = windows[Math.floor(at / predictions)];
    const h = (at % predictions) - first;
    return { window, h, ahead: Array.from({ length: numTargets }, (_, more) => window.origin + h + more) };
  };
  /** @param reach steps before the origin that the forecast reads */
  const naive =
    (reach: number, forecast: (valueAt: (step: number) => number, origin: number, h: number) => number) =>
    (at: number): Float32Array | undefined => {
      const { window, h, ahead } = predictionOf(at);
      const { series, origin } = window;
      if (h < 0 || origin < reach) return undefined;
      const { scaling, targetAt } = series;
      // in the units of the data; a line may fall below 0, which has no logarithm
      const valueAt = (step: number) => forecast(targetAt, origin, step - origin);
      const transformedAt = (step: number) =>
        config.transform === 'log' ? Math.log(Math.max(0, valueAt(step))) : valueAt(step);
      // relative to the level of the step that is forecast
      return Float32Array.from(
        ahead,
        step => (transformedAt(step) - scaling.offset[0]) / scaling.scale[0] - level(window, step),
      );
    };
  return {
    count: windows.length,
    targets: {
      kind: 'value',
      size: numTargets,
      values: targets,
      ...(per_step && { perStep: true }),
      scaling: at => {
        const { window, ahead } = predictionOf(at);
        const { offset, scale } = window.series.scaling;
        return {
          offset: ahead.map(step => offset[0] + level(window, step) * scale[0]),
          scale: ahead.map(() => scale[0]),
          transform: config.transform,
        };
      },
      given: at => {
        const { window, ahead } = predictionOf(at);
        return ahead.map(step => window.series.targetAt(step));
      },
    },
    id,
    errorScale: index => windows[index].series.naiveError,
    history: index => {
      const { series, origin } = windows[index];
      return Float64Array.from({ length: input_steps }, (_, step) =>
        series.targetAt(origin - input_steps + step),
      );
    },
    naive: {
      last_value: naive(1, (valueAt, origin) => valueAt(origin - 1)),
      drift: naive(2, (valueAt, origin, h) => {
        const last = valueAt(origin - 1);
        return last + ((h + 1) * (last - valueAt(0))) / (origin - 1);
      }),
      ...(season !== undefined && {
        seasonal_naive: naive(season, (valueAt, origin, h) =>
          valueAt(origin + h - season * Math.ceil((h + 1) / season)),
        ),
        season_mean: naive(season, (valueAt, origin) => {
          let sum = 0;
          for (let step = origin - season; step < origin; step++) sum += valueAt(step);
          return sum / season;
        }),
      }),
    },
    read(index, out, offset, stepStride) {
      const window = windows[index];
      const { rows, values } = window.series;
      for (let step = 0; step < steps; step++) {
        const at = window.origin - input_steps + step;
        const isFuture = step >= input_steps;
        const to = offset + step * stepStride;
        for (let c = 0; c < width; c++) {
          const value = values[at * width + c] - (c === 0 ? level(window, at) : 0);
          out[to + c] = isFuture && c < observed ? 0 : value;
        }
        if (size > width) out.set(rest(rows[at], isFuture), to + width);
      }
    },
  };
}

/**
 * The columns of a window's steps in the units of the data; those that are unknown in the horizon
 * end before it.
 */
export function unscaledWindow({ series, origin }: Window, config: ForecastConfig): number[][] {
  const { steps, width, observed } = windowShape(config);
  const { input_steps } = config;
  const { offset, scale } = series.scaling;
  return offset.map((_, c) =>
    Array.from({ length: c < observed ? input_steps : steps }, (_, step) => {
      const at = origin - input_steps + step;
      const stored = {
        offset: [offset[c]],
        scale: [scale[c]],
        transform: c === 0 ? config.transform : undefined,
      };
      return inDataUnits([series.values[at * width + c]], stored)[0];
    }),
  );
}

/**
 * Names a window by its series and the time of its first target, or the number of that step, from
 * 1.
 */
export function idOf({ series, origin }: Window, order: readonly string[]): string {
  const row = series.rows[origin];
  return [series.name, order[row] ?? String(origin + 1)].filter(part => part !== '').join(' ');
}
