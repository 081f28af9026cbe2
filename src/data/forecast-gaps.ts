/**
 * Finds steps that are missing in the series of a forecast. A window counts steps as rows, so it
 * reads across a gap as if nothing were missing.
 */
import { type Diagnostic, damagedErrors } from '../util/errors.js';
import { counted } from '../util/words.js';
import type { TimeGaps } from './core/dataset.js';
import { NUMBER } from './core/labels.js';
import { dateParts } from './csv-columns.js';
import type { RowList, Rows } from './csv-table.js';
import type { ForecastConfig } from './forecast.js';

export const MS_OF_DAY = 86_400_000;

interface TimedSeries {
  readonly name: string;
  readonly rows: readonly number[];
}

/** The time of each row. */
interface Times {
  /** Numbers, or milliseconds since 1970. */
  readonly keys: ArrayLike<number>;
  readonly order: readonly string[];
}

/** Less than this many usual steps is jitter, or a pattern such as Monday, Wednesday, Friday. */
const MIN_GAP = 1.75;
/** If the most frequent difference is rarer, the times are irregular and have no usual step. */
const MIN_FRACTION = 0.25;

/**
 * Returns the gaps of all series; undefined if there are none.
 * @param first the first step of a series whose gaps count; the usual step is that of all steps
 * @param last the last such step
 */
export function timeGaps(
  all: readonly TimedSeries[],
  times: Times,
  first = 0,
  last = Number.POSITIVE_INFINITY,
): TimeGaps | undefined {
  let [count, missing] = [0, 0];
  let largest: TimeGaps['largest'] | undefined;
  for (const { name, rows } of all) {
    const { positions, words } = positionsOf(rows, times);
    const step = usualStep(positions);
    if (step === undefined) continue;
    for (let i = first + 1; i < rows.length && i <= last; i++) {
      const steps = (positions[i] - positions[i - 1]) / step;
      if (steps < MIN_GAP) continue;
      const lacking = Math.round(steps) - 1;
      count++;
      missing += lacking;
      if (largest !== undefined && largest.missing >= lacking) continue;
      const [after, before] = [times.order[rows[i - 1]], times.order[rows[i]]];
      largest = { series: name, missing: lacking, after, before, step: words(step) };
    }
  }
  return largest && { count, missing, largest };
}

export function gapWords({ count, missing, largest }: TimeGaps): {
  readonly lacking: string;
  readonly expected: string;
} {
  const { after, before, series, step } = largest;
  const lacking = `${counted(missing, 'step')} ${missing === 1 ? 'is' : 'are'} missing`;
  const between = `between ${after} and ${before}${series === '' ? '' : ` in series ${JSON.stringify(series)}`}`;
  const where =
    count === 1 ? ` ${between}` : `, in ${count} gaps; the largest lacks ${largest.missing} ${between}`;
  return { lacking: lacking + where, expected: `a row for each step (usual step: ${step})` };
}

/** A series to predict. */
export interface InputSeries {
  /** Empty if the table is one series. */
  readonly name: string;
  /** Its rows, in the order of their times. */
  readonly list: RowList;
  readonly rows: Rows;
}

/** Steps of a series that a window reads. */
export interface WindowRange {
  readonly first: number;
  /** The last one with a target. */
  readonly last: number;
  /** Number of steps after it. */
  readonly ahead: number;
}

/**
 * Steps that are missing in a window. They are warned of, as before training: some series lack
 * steps for a reason, such as the holidays of a market, and the model learned to read across them.
 * But what comes after a gap that is longer than the window does not continue it.
 */
export function gapWarnings(
  { name, list, rows }: InputSeries,
  { input_steps, horizon, time }: ForecastConfig,
  { first, last, ahead }: WindowRange,
): readonly Diagnostic[] {
  if (time === undefined) return [];
  const series = [{ name, rows: list }];
  const leap = timeGaps(series, rows, last, last + Math.min(1, ahead));
  const gaps = timeGaps(series, rows, first, last + ahead);
  if (gaps === undefined) return [];
  const isTooLong = leap !== undefined && leap.missing >= input_steps + horizon;
  const told = isTooLong ? leap : gaps;
  const { lacking, expected } = gapWords(told);
  const place = rows.place(list.find(row => rows.order[row] === told.largest.before) ?? list[0]);
  const code = isTooLong ? 'data/forecast-steps' : 'data/time-gaps';
  const effect = isTooLong
    ? 'The rows without a target do not continue the series'
    : 'The forecast treats the rows as consecutive';
  const problem = { code, message: `${lacking}. ${effect}`, ...place, expected };
  if (isTooLong) throw damagedErrors([problem]);
  return [problem];
}

/** Numbers whose differences are steps, and words for a difference. */
interface Positions {
  readonly positions: readonly number[];
  words(step: number): string;
}

/** Counts dates in months or workdays if a series has only these, else in days and less. */
function positionsOf(rows: readonly number[], { keys, order }: Times): Positions {
  const positions = rows.map(row => keys[row]);
  if (NUMBER.test(order[rows[0]])) return { positions, words: step => String(Number(step.toPrecision(6))) };
  const smallest = differences(positions).reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  // the dates as written: in UTC, midnight elsewhere is another day
  const dates = () => rows.map(row => dateParts(order[row]));
  if (smallest >= SHORTEST_MONTH) {
    const months = monthsOf(dates());
    if (months) return { positions: months, words: step => counted(step, 'month') };
  } else if (smallest >= SHORTEST_DAY && smallest <= LONGEST_DAY) {
    const workdays = workdaysOf(dates());
    if (workdays) return { positions: workdays, words: step => counted(step, 'workday') };
  }
  return { positions, words: duration };
}

/** Days and months are an hour shorter or longer when clocks change. */
const HOUR = MS_OF_DAY / 24;
const SHORTEST_DAY = MS_OF_DAY - HOUR;
const LONGEST_DAY = MS_OF_DAY + HOUR;
const SHORTEST_MONTH = 28 * MS_OF_DAY - HOUR;

/** Months since year 0 if all dates have the same day, or the last one of a shorter month. */
function monthsOf(dates: readonly (readonly number[])[]): number[] | undefined {
  const day = dates.reduce((most, [, , of]) => Math.max(most, of), 0);
  // day 0 of the next month is the last day of this one
  const lastDay = (year: number, month: number) => new Date(Date.UTC(year, month, 0)).getUTCDate();
  const isMonthly = dates.every(([year, month, of]) => of === Math.min(day, lastDay(year, month)));
  return isMonthly ? dates.map(([year, month]) => 12 * year + month) : undefined;
}

/** Workdays since 1970 if no date is a Saturday or Sunday. */
function workdaysOf(dates: readonly (readonly number[])[]): number[] | undefined {
  // 1970 began on a Thursday
  const days = dates.map(([year, month, day]) => Date.UTC(year, month - 1, day) / MS_OF_DAY + 3);
  const weekday = (of: number): number => ((of % 7) + 7) % 7;
  return days.every(day => weekday(day) < 5)
    ? days.map(day => 5 * Math.floor(day / 7) + weekday(day))
    : undefined;
}

function differences(positions: readonly number[]): number[] {
  return positions.slice(1).map((position, i) => position - positions[i]);
}

function usualStep(positions: readonly number[]): number | undefined {
  const all = differences(positions);
  const counts = new Map<number, number>();
  for (const step of all) counts.set(step, (counts.get(step) ?? 0) + 1);
  // differences of decimal fractions are inexact
  const alike = new Map<string, { count: number; step: number; most: number }>();
  for (const [step, count] of counts) {
    const key = step.toPrecision(3);
    const group = alike.get(key) ?? { count: 0, step, most: 0 };
    if (count > group.most) Object.assign(group, { step, most: count });
    group.count += count;
    alike.set(key, group);
  }
  const [usual] = [...alike.values()].sort((a, b) => b.count - a.count || a.step - b.step);
  // one difference alone is not usual
  if (usual === undefined || usual.count < Math.max(2, MIN_FRACTION * all.length)) return undefined;
  return usual.step > 0 ? usual.step : undefined;
}

const UNITS = [
  ['day', MS_OF_DAY],
  ['hour', HOUR],
  ['minute', HOUR / 60],
  ['second', 1000],
] as const;

function duration(milliseconds: number): string {
  const [unit, size] = UNITS.find(([, of]) => milliseconds % of === 0) ?? (['millisecond', 1] as const);
  return counted(milliseconds / size, unit);
}
