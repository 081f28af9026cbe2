/**
 * Windows of a forecast: which of them a split has, their levels and naive forecasts, and the split
 * that reads them.
 */

import { calendarValues } from '../core/calendar.js';
import { timeColumn } from '../core/columns.js';
import type { Split, SplitName } from '../core/dataset.js';
import { Filler } from '../core/preparation.js';
import { configError } from '../core/problems.js';
import type { ForecastWindow, Preparation, Scaling } from '../core/record.js';
import type { Targets } from '../core/targets.js';
import type { ForecastConfig } from './facts.js';
import { type Series, seriesFeatures, stepShape } from './series.js';

/**
 * Level of a step: the mean of the known values among those `period`, 2 `period`, … `count`
 * `period` steps before it.
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
 * Returns the level of a step of a window whose first forecast step is `origin`; NaN if none of its
 * values is known. An input step has the level of the forecast steps at the same position of a
 * season.
 */
export function levelAt(
  { period, count }: Levels,
  valueAt: (step: number) => number,
  { origin, step }: { readonly origin: number; readonly step: number },
): number {
  const phase = (((step - origin) % period) + period) % period;
  let [sum, known] = [0, 0];
  for (let k = 1; k <= count; k++) {
    const value = valueAt(origin + phase - k * period);
    if (Number.isNaN(value)) continue;
    sum += value;
    known++;
  }
  return sum / known;
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
  /** First point in time that no split has. */
  readonly end: number;
}

/** True if a point in time belongs to a split. */
export function isIn(key: number, name: SplitName, cuts: Cuts): boolean {
  const [from, to] = periodOf(name, cuts);
  return key >= from && key < to;
}

function periodOf(name: SplitName, { validation, test, end }: Cuts): readonly [from: number, to: number] {
  const periods = {
    train: [Number.NEGATIVE_INFINITY, validation ?? test],
    validation: [validation ?? test, test],
    test: [test, end],
  } as const;
  return periods[name];
}

/** All windows of a split, with or without targets. */
export function windowsOf(
  all: readonly Series[],
  keys: ArrayLike<number>,
  cuts: Cuts,
  name: SplitName,
  { input_steps, horizon, stride }: ForecastConfig,
): Window[] {
  const [from, to] = periodOf(name, cuts);
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
  return windows;
}

/** True if a window has a target. A prediction of several values needs all of them. */
export function hasTarget({ series, origin }: Window, { horizon, per_step }: ForecastConfig): boolean {
  const isKnown = (h: number): boolean => series.isKnownAt(origin + h);
  const ahead = [...Array(horizon).keys()];
  return per_step ? ahead.some(isKnown) : ahead.every(isKnown);
}

interface ForecastSplit extends Split {
  id(index: number): string;
  history(index: number): Float64Array;
  forecast(index: number): ForecastWindow;
  readonly targets: Extract<Targets, { readonly kind: 'value' }> & { scaling(at: number): Scaling };
}

export interface SplitOptions {
  readonly keys: ArrayLike<number>;
  /** The text of each time; empty without times. */
  readonly order: readonly string[];
  readonly config: ForecastConfig;
  readonly preparation: Preparation | undefined;
}

/** A value that a prediction consists of. */
interface Target {
  readonly step: number;
  readonly target: number;
}

export function forecastSplit(
  windows: readonly Window[],
  { keys, order, config, preparation }: SplitOptions,
): ForecastSplit {
  const { input_steps, horizon, season, calendar = [], per_step = false } = config;
  const {
    steps,
    size,
    statics,
    columns,
    observed,
    hasFuture,
    targets: numTargets,
  } = stepShape(config, preparation);
  const width = columns.length;
  const hasTable = statics === 0 && [config.series ?? []].flat().length < 2 && !config.resample;
  const levels = levelsOf(config);
  const valuesOf = windowReader(config, preparation);
  const levelOf = (window: Window, { step, target }: Target): number => {
    if (levels === undefined) return 0;
    const { origin, series } = window;
    const columnsOfSeries = series.scaling.offset.length;
    const known = levelAt(levels, one => series.values[one * columnsOfSeries + target], { origin, step });
    if (!Number.isNaN(known)) return known;
    const values = valuesOf(window);
    const start = origin - input_steps;
    return levelAt(levels, one => values[(one - start) * width + target], { origin, step });
  };
  // each row is in many windows
  const dateWidth = 2 * calendar.length;
  const dates = new Float32Array(keys.length * dateWidth);
  if (dateWidth > 0)
    for (let row = 0; row < keys.length; row++)
      dates.set(calendarValues(keys[row], calendar), row * dateWidth);
  // with `per_step`, a window has one prediction per step
  const [predictions, first] = per_step ? [steps, input_steps] : [1, 0];
  const perPrediction = per_step ? numTargets : horizon * numTargets;
  /** The window of prediction `at`, its step after the origin, and its values. */
  const predictionOf = (at: number) => {
    const window = windows[Math.floor(at / predictions)];
    const h = (at % predictions) - first;
    const ahead = Array.from({ length: perPrediction }, (_, i): Target => {
      const target = i % numTargets;
      return { step: window.origin + h + (i - target) / numTargets, target };
    });
    return { window, h, ahead };
  };
  const values = new Float32Array(windows.length * predictions * perPrediction).fill(Number.NaN);
  windows.forEach((window, i) => {
    const { series, origin } = window;
    const from = (i * predictions + first) * perPrediction;
    for (let h = 0; h < horizon; h++) {
      const step = origin + h;
      if (!series.isKnownAt(step)) continue;
      for (let target = 0; target < numTargets; target++)
        values[from + h * numTargets + target] =
          series.values[step * series.scaling.offset.length + target] - levelOf(window, { step, target });
    }
  });
  /** @param reach steps before the origin that the forecast reads */
  const naive =
    (reach: number, forecast: (valueAt: (step: number, period?: number) => number, ahead: Ahead) => number) =>
    (at: number): Float32Array | undefined => {
      const { window, h, ahead } = predictionOf(at);
      const { series, origin } = window;
      if (h < 0 || origin < reach) return undefined;
      const { offset, scale } = series.scaling;
      const forecasts = ahead.map(one => {
        const { step, target } = one;
        const start = series.starts[target];
        // of missing values the last one before, or that of the season before
        const valueAt = (before: number, period = 1): number => {
          let last = before;
          while (last >= start && Number.isNaN(series.cellAt(last, target))) last -= period;
          return last < start ? Number.NaN : series.cellAt(last, target);
        };
        // in the units of the data; a line may fall below 0, which has no logarithm
        const value = forecast(valueAt, { origin, h: step - origin, start });
        const transformed = config.transform === 'log' ? Math.log(Math.max(0, value)) : value;
        // relative to the level of the step that is forecast
        return (transformed - offset[target]) / scale[target] - levelOf(window, one);
      });
      return forecasts.some(Number.isNaN) ? undefined : Float32Array.from(forecasts);
    };
  return {
    count: windows.length,
    targets: {
      kind: 'value',
      size: perPrediction,
      values,
      ...(per_step && { perStep: true }),
      scaling: at => {
        const { window, ahead } = predictionOf(at);
        const { offset, scale } = window.series.scaling;
        return {
          offset: ahead.map(one => offset[one.target] + levelOf(window, one) * scale[one.target]),
          scale: ahead.map(({ target }) => scale[target]),
          transform: config.transform,
        };
      },
      given: at => {
        const { window, ahead } = predictionOf(at);
        return ahead.map(({ step, target }) => window.series.cellAt(step, target));
      },
    },
    id: index => {
      const { series, origin } = windows[index];
      return [series.name, timeAt(series, origin, order)].filter(part => part !== '').join(' ');
    },
    forecast: index => {
      const { series, origin } = windows[index];
      const times = Array.from({ length: horizon }, (_, h) => timeAt(series, origin + h, order));
      return { series: series.name, first: origin, times };
    },
    errorScale: index => windows[index].series.naiveErrors,
    history: index => {
      const { series, origin } = windows[index];
      return Float64Array.from({ length: input_steps * numTargets }, (_, i) =>
        series.cellAt(origin - input_steps + Math.floor(i / numTargets), i % numTargets),
      );
    },
    ...(hasTable && { table: index => tableOf(windows[index], order, config) }),
    naive: {
      last_value: naive(1, (valueAt, { origin }) => valueAt(origin - 1)),
      drift: naive(2, (valueAt, { origin, h, start }) => {
        const last = valueAt(origin - 1);
        const steps = origin - 1 - start;
        return steps < 1 ? Number.NaN : last + ((h + 1) * (last - valueAt(start))) / steps;
      }),
      ...(season !== undefined && {
        seasonal_naive: naive(season, (valueAt, { origin, h }) =>
          valueAt(origin + h - season * Math.ceil((h + 1) / season), season),
        ),
        season_mean: naive(season, (valueAt, { origin }) => {
          let sum = 0;
          for (let step = origin - season; step < origin; step++) sum += valueAt(step, season);
          return sum / season;
        }),
      }),
    },
    read(index, out, offset, stepStride) {
      const window = windows[index];
      const { rows } = window.series;
      const values = valuesOf(window);
      for (let step = 0; step < steps; step++) {
        const at = window.origin - input_steps + step;
        const isFuture = step >= input_steps;
        const to = offset + step * stepStride;
        for (let c = 0; c < width; c++) {
          const level = c < numTargets ? levelOf(window, { step: at, target: c }) : 0;
          out[to + c] = isFuture && columns[c].column < observed ? 0 : values[step * width + c] - level;
        }
        for (let d = 0; d < dateWidth; d++) out[to + width + d] = dates[rows[at] * dateWidth + d];
        if (hasFuture) out[to + width + dateWidth] = isFuture ? 1 : 0;
        if (statics > 0) out.set(window.series.statics, to + size - statics);
      }
    },
  };
}

/**
 * Returns the function from a window to its columns, `[steps, columns]`, valid until the next call.
 * A window is filled by its own values, so that it does not depend on what is known before it:
 * `forward` with the last value before, or else with the first one.
 */
function windowReader(
  config: ForecastConfig,
  preparation: Preparation | undefined,
): (window: Window) => Float64Array {
  const { columns, width, observed } = stepShape(config, preparation);
  const { input_steps, horizon } = config;
  const steps = input_steps + horizon;
  const out = new Float64Array(steps * columns.length);
  const filler = preparation && new Filler(preparation);
  const elapsed = columns.flatMap(({ kind }, c) => (kind === 'elapsed' ? [c] : []));
  let latest: Window | undefined;
  return window => {
    if (window === latest) return out;
    latest = window;
    const { values, fills } = window.series;
    const from = (window.origin - input_steps) * width;
    if (filler === undefined) {
      out.set(values.subarray(from, from + steps * width));
      return out;
    }
    const firstOf = (column: number): number => {
      const known = column < observed ? input_steps : steps;
      for (let step = 0; step < known; step++) {
        const value = values[from + step * width + column];
        if (value !== undefined && !Number.isNaN(value)) return value;
      }
      return fills[column];
    };
    filler.restart(fills.map((fill, c) => (preparation?.columns[c].fill?.forward ? firstOf(c) : fill)));
    for (let step = 0; step < steps; step++) {
      const to = step * columns.length;
      filler.step(values, from + step * width, out, to);
      if (config.normalize !== 'none') for (const c of elapsed) out[to + c] /= input_steps;
    }
    return out;
  };
}

/** What a naive forecast depends on, besides the values. */
interface Ahead {
  readonly origin: number;
  /** Steps after the origin. */
  readonly h: number;
  /** The first step of the series with a value. */
  readonly start: number;
}

/** The steps of a window as in the data, without what it cannot know. */
function tableOf(window: Window, order: readonly string[], config: ForecastConfig): string[][] {
  const { series, origin } = window;
  const { input_steps, time, series: named } = config;
  const { steps } = stepShape(config, undefined);
  const names = seriesFeatures(config).map(({ column }) => column);
  const cells = cellsOf(window, config);
  return [
    [...names, ...(time === undefined ? [] : [timeColumn(time).name]), ...[named ?? []].flat()],
    ...Array.from({ length: steps }, (_, step) => [
      ...cells.map(column => String(column[step] ?? '').replace('NaN', '')),
      ...(time === undefined ? [] : [timeAt(series, origin - input_steps + step, order)]),
      ...(named === undefined ? [] : [series.name]),
    ]),
  ];
}

/** The cells of a window's steps; those that are unknown in the horizon end before it. */
export function cellsOf({ series, origin }: Window, config: ForecastConfig): number[][] {
  const { steps, width, observed } = stepShape(config, undefined);
  const first = origin - config.input_steps;
  return Array.from({ length: width }, (_, c) =>
    Array.from({ length: c < observed ? config.input_steps : steps }, (_, step) =>
      series.cellAt(first + step, c),
    ),
  );
}

/** The time of a step, or its number, from 1. */
function timeAt({ rows }: Series, step: number, order: readonly string[]): string {
  return order[rows[step]] ?? String(step + 1);
}
