/** What a window consists of: the numbers of its steps, calendar features and levels. */
import { configError } from './core/problems.js';
import type { ForecastConfig } from './forecast.js';
import { MS_OF_DAY } from './forecast-gaps.js';

export type CalendarFeature = 'hour' | 'day_of_week' | 'day_of_month' | 'day_of_year' | 'month';

/** Mean number of days in a Gregorian year. */
const DAYS_OF_YEAR = 365.2425;

/** Position of a time in its cycle, from 0 to 1. */
const CYCLES: Readonly<Record<CalendarFeature, (time: Date) => number>> = {
  hour: time => (time.getTime() / MS_OF_DAY) % 1,
  day_of_week: time => ((time.getUTCDay() + 6) % 7) / 7,
  day_of_month: time => (time.getUTCDate() - 1) / 31,
  day_of_year: time => (time.getTime() - Date.UTC(time.getUTCFullYear(), 0)) / MS_OF_DAY / DAYS_OF_YEAR,
  month: time => time.getUTCMonth() / 12,
};

/** Layout of a window and its steps. */
export interface WindowShape {
  /** Numbers per step. */
  readonly size: number;
  /** Number of columns among them: target, features, known. */
  readonly width: number;
  /** Number of columns that are unknown in the horizon: target and features. */
  readonly observed: number;
  /** True if anything is known in advance. */
  readonly hasFuture: boolean;
  /** Steps of a window. */
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

/**
 * Returns the levels of a config; undefined without `relative_to`.
 * @throws UserError (exit 2) if a window does not cover a season
 */
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
 * All numbers of a step: its scaled columns, sine and cosine of each calendar feature at `key`, and
 * the flag.
 */
export function rowValues(
  columns: readonly number[],
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
  return [...columns, ...cycles, ...(hasFuture ? [isFuture ? 1 : 0] : [])];
}
