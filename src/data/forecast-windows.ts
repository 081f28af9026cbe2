/**
 * Windows of a forecast: what they consist of (numbers of their steps, calendar features and
 * levels), which of them a split has, and the split that reads them.
 */
import type { Scaling, Split, SplitName, Targets } from './core/dataset.js';
import { configError } from './core/problems.js';
import type { CalendarFeature, ForecastConfig } from './forecast.js';
import { MS_OF_DAY } from './forecast-gaps.js';

const DAYS_OF_YEAR = 365.2425;

const CYCLES: Readonly<Record<CalendarFeature, (time: Date) => number>> = {
  hour: time => (time.getTime() / MS_OF_DAY) % 1,
  day_of_week: time => ((time.getUTCDay() + 6) % 7) / 7,
  day_of_month: time => (time.getUTCDate() - 1) / 31,
  day_of_year: time => (time.getTime() - Date.UTC(time.getUTCFullYear(), 0)) / MS_OF_DAY / DAYS_OF_YEAR,
  month: time => time.getUTCMonth() / 12,
};

export interface WindowShape {
  readonly size: number;
  /** Number of columns among them: target, features, known. */
  readonly width: number;
  /** Number of columns that are unknown in the horizon: target and features. */
  readonly observed: number;
  /** True if anything is known in advance. */
  readonly hasFuture: boolean;
  readonly steps: number;
}

export function windowShape({
  features = [],
  known = [],
  calendar = [],
  input_steps,
  horizon,
  per_step = false,
}: ForecastConfig): WindowShape {
  const width = 1 + features.length + known.length;
  const hasFuture = per_step || known.length + calendar.length > 0;
  return {
    size: width + 2 * calendar.length + (hasFuture ? 1 : 0),
    width,
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
    ...(season !== undefined && { got: `input_steps: ${input_steps}` }),
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

/**
 * The numbers of a step that its time determines: sine and cosine of each calendar feature at
 * `key`, and the flag.
 */
function timeValues(
  key: number,
  {
    calendar,
    isFuture,
    hasFuture,
  }: {
    readonly calendar: readonly CalendarFeature[];
    readonly isFuture: boolean;
    readonly hasFuture: boolean;
  },
): number[] {
  const time = new Date(key);
  const cycles = calendar.flatMap(feature => {
    const angle = 2 * Math.PI * CYCLES[feature](time);
    return [Math.sin(angle), Math.cos(angle)];
  });
  return [...cycles, ...(hasFuture ? [isFuture ? 1 : 0] : [])];
}

export interface Series {
  readonly name: string;
  readonly rows: readonly number[];
  /** `[steps, width]`: target, features and known columns of each step, scaled. */
  readonly values: Float64Array;
  /** The target at a step, as in the data. */
  targetAt(step: number): number;
  readonly scalings: readonly (readonly [offset: number, scale: number])[];
  /** Mean of |y_t - y_(t-m)| over its rows in the training split, in the units of the data. */
  readonly naiveError: number | undefined;
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
  keys: Float64Array,
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
  readonly targets: Extract<Targets, { readonly kind: 'value' }> & { scaling(at: number): Scaling };
}

export function forecastSplit(
  windows: readonly Window[],
  keys: Float64Array,
  config: ForecastConfig,
  id: (index: number) => string,
): ForecastSplit {
  const { input_steps, horizon, season, calendar = [], per_step = false } = config;
  const { steps, size, width, observed, hasFuture } = windowShape(config);
  const levels = levelsOf(config);
  const level = (i: number, step: number): number => {
    const { series, origin } = windows[i];
    if (levels === undefined) return 0;
    return levelAt(levels, one => series.values[one * width], { origin, step });
  };
  // the step's values except its columns, which are in the series
  const rest = (row: number, isFuture: boolean): number[] =>
    timeValues(keys[row], { calendar, isFuture, hasFuture });
  const targetAt = (i: number, step: number): number =>
    windows[i].series.values[step * width] - level(i, step);
  // with `per_step`, a window has one prediction per step
  const [predictions, first] = per_step ? [steps, input_steps] : [1, 0];
  const numTargets = per_step ? 1 : horizon;
  const targets = new Float32Array(windows.length * predictions * numTargets).fill(Number.NaN);
  windows.forEach(({ origin }, i) => {
    const from = i * predictions + first;
    for (let h = 0; h < horizon; h++) targets[from * numTargets + h] = targetAt(i, origin + h);
  });
  const naive =
    (stepOf: (origin: number, h: number) => number) =>
    (at: number): Float32Array | undefined => {
      const i = Math.floor(at / predictions);
      const h = (at % predictions) - first;
      const { origin } = windows[i];
      if (h < 0 || stepOf(origin, 0) < 0) return undefined;
      const { values } = windows[i].series;
      // relative to the level of the step that is forecast
      return Float32Array.from({ length: numTargets }, (_, more) => {
        const step = origin + h + more;
        return values[stepOf(origin, h + more) * width] - level(i, step);
      });
    };
  return {
    count: windows.length,
    targets: {
      kind: 'value',
      size: numTargets,
      values: targets,
      ...(per_step && { perStep: true }),
      scaling: at => {
        const i = Math.floor(at / predictions);
        const { series, origin } = windows[i];
        const [offset, scale] = series.scalings[0];
        const from = origin + (at % predictions) - first;
        const steps = Array.from({ length: numTargets }, (_, more) => from + more);
        return {
          offset: steps.map(step => offset + level(i, step) * scale),
          scale: steps.map(() => scale),
        };
      },
      given: at => {
        const { series, origin } = windows[Math.floor(at / predictions)];
        const from = origin + (at % predictions) - first;
        return Array.from({ length: numTargets }, (_, more) => series.targetAt(from + more));
      },
    },
    id,
    errorScale: index => windows[index].series.naiveError,
    naive: {
      last_value: naive(origin => origin - 1),
      ...(season !== undefined && {
        seasonal_naive: naive((origin, h) => origin + h - season * Math.ceil((h + 1) / season)),
      }),
    },
    read(index, out, offset, stepStride) {
      const { series, origin } = windows[index];
      for (let step = 0; step < steps; step++) {
        const at = origin - input_steps + step;
        const isFuture = step >= input_steps;
        const to = offset + step * stepStride;
        for (let c = 0; c < width; c++)
          out[to + c] =
            isFuture && c < observed ? 0 : series.values[at * width + c] - (c === 0 ? level(index, at) : 0);
        if (size > width) out.set(rest(series.rows[at], isFuture), to + width);
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
  return series.scalings.map(([offset, scale], c) =>
    Array.from({ length: c < observed ? input_steps : steps }, (_, step) => {
      const at = origin - input_steps + step;
      return series.values[at * width + c] * scale + offset;
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
