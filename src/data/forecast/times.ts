/** The usual interval between the steps of a series, and the times that continue it. */

import { counted } from '../../util/words.js';
import { MS_OF_DAY } from '../core/calendar.js';
import { DATE_LENGTH, dateParts, orderKey, ZONED } from '../core/cells.js';
import type { Interval } from '../core/record.js';
import { NUMBER } from '../formats/numbers.js';

/** The time of each row. */
export interface Times {
  /** Numbers, or milliseconds since 1970. */
  readonly keys: ArrayLike<number>;
  readonly order: readonly string[];
}

/** If the most frequent difference is rarer, the times are irregular and have no usual interval. */
const MIN_FRACTION = 0.25;

/** Numbers whose differences are counts of a unit. */
interface Positions extends Omit<Interval, 'count'> {
  readonly positions: readonly number[];
}

/**
 * Counts dates in months, workdays or slots of a week if a series has only these, else in
 * milliseconds.
 * @param known the interval of more of the series: in some days, no pattern of weeks shows
 */
export function positionsOf(
  rows: readonly number[],
  { keys, order }: Times,
  known?: Pick<Interval, 'step' | 'slots'>,
): Positions {
  const positions = rows.map(row => keys[row]);
  if (rows.length === 0 || NUMBER.test(order[rows[0]])) return { positions, unit: 'number' };
  const smallest = differences(positions).reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  // the dates as written: in UTC, midnight elsewhere is another day
  const dates = () => rows.map(row => dateParts(order[row]));
  if (smallest >= SHORTEST_MONTH) {
    const months = monthsOf(dates());
    if (months) return { ...months, unit: 'month' };
  }
  if (known?.slots === undefined && smallest >= SHORTEST_DAY && smallest <= LONGEST_DAY) {
    const workdays = workdaysOf(dates());
    if (workdays) return { positions: workdays, unit: 'workday' };
  }
  const local = rows.map(row => orderKey(false)(withoutZone(order[row])));
  const { step, slots } = known ?? {};
  const week = step !== undefined && slots !== undefined ? { step, slots } : weekOf(local);
  if (week) return { ...week, positions: local.map(positionIn(week)), unit: 'slot' };
  return { positions, unit: 'millisecond' };
}

/** Returns the usual interval between rows; undefined if there is none. */
export function intervalOf(rows: readonly number[], times: Times): Interval | undefined {
  const { positions, ...unit } = positionsOf(rows, times);
  const count = usualStep(positions);
  return count === undefined ? undefined : { ...unit, count };
}

/** Returns the times of `count` steps after the time `last`. */
export function timesAfter(last: string, interval: Interval, count: number) {
  const next = interval.unit === 'number' ? nextNumbers : nextDates;
  const order = Array.from({ length: count }, (_, i) => next(last, interval, i + 1));
  return { order, keys: order.map(orderKey(interval.unit === 'number')) };
}

/** Significant digits that differences of decimal fractions keep. */
const DIGITS = 12;

function nextNumbers(last: string, { count }: Interval, steps: number): string {
  const exact = Number(last) + steps * count;
  return String(Number.isInteger(exact) ? exact : Number(exact.toPrecision(DIGITS)));
}

/** Computes with the date and time as written, and keeps the offset from UTC. */
function nextDates(last: string, interval: Interval, steps: number): string {
  const text = withoutZone(last);
  const zone = last.slice(text.length);
  const time = dateAfter(orderKey(false)(text), interval, steps);
  const written = new Date(time).toISOString().slice(0, -'Z'.length);
  // midnight may be written without a time of day, and the first of a month without a day
  const shortest = written.replace(/(?:(?:(?:-01)?T00:00)?:00)?\.000$/, '').length;
  const digits = written + text.slice(written.length);
  const next = digits.slice(0, Math.max(shortest, text.length));
  return next.replace('T', text[DATE_LENGTH] ?? 'T') + (next.length > DATE_LENGTH ? zone : '');
}

function withoutZone(time: string): string {
  return time.replace(ZONED, '');
}

function dateAfter(
  from: number,
  { unit, count, day = 1, step = MS_OF_DAY, slots = WORKDAYS }: Interval,
  steps: number,
): number {
  const by = steps * count;
  if (unit === 'millisecond') return from + by;
  const date = new Date(from);
  if (unit === 'workday' || unit === 'slot') {
    const week = { step, slots };
    return timeAt(week, positionIn(week)(from) + by) + remainder(from - MONDAY, step);
  }
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth() + by];
  return Date.UTC(year, month, Math.min(day, lastDay(year, month + 1))) + remainder(from, MS_OF_DAY);
}

/** Days and months are an hour shorter or longer when clocks change. */
const HOUR = MS_OF_DAY / 24;
const SHORTEST_DAY = MS_OF_DAY - HOUR;
const LONGEST_DAY = MS_OF_DAY + HOUR;
const SHORTEST_MONTH = 28 * MS_OF_DAY - HOUR;

/** The last day of a month from 1; day 0 of the next month is the last day of this one. */
const lastDay = (year: number, month: number): number => new Date(Date.UTC(year, month, 0)).getUTCDate();

/**
 * Months since year 0 if all dates have the same day, or the last one of a shorter month. Last days
 * of months continue as such, as in pandas.
 */
function monthsOf(
  dates: readonly (readonly number[])[],
): { readonly positions: number[]; readonly day: number } | undefined {
  const isLast = dates.every(([year, month, day]) => day === lastDay(year, month));
  const day = isLast ? 31 : dates.reduce((most, [, , of]) => Math.max(most, of), 0);
  const isMonthly = dates.every(([year, month, of]) => of === Math.min(day, lastDay(year, month)));
  return isMonthly ? { positions: dates.map(([year, month]) => 12 * year + month), day } : undefined;
}

/** The steps of a week in which a series has rows. */
type Week = Pick<Required<Interval>, 'step' | 'slots'>;

/** A Monday. */
const MONDAY = 4 * MS_OF_DAY;
const WEEK = 7 * MS_OF_DAY;
const WORKDAYS = [0, 1, 2, 3, 4];

/** Workdays since 1970 if the dates leave out all weekends, at least one. */
function workdaysOf(dates: readonly (readonly number[])[]): number[] | undefined {
  const week = { step: MS_OF_DAY, slots: WORKDAYS };
  const times = dates.map(([year, month, day]) => Date.UTC(year, month - 1, day));
  const workdays = times.map(positionIn(week));
  const isWorkday = times.every((time, i) => timeAt(week, workdays[i]) === time);
  const last = times.length - 1;
  const days = (times[last] - times[0]) / MS_OF_DAY;
  return isWorkday && days > workdays[last] - workdays[0] ? workdays : undefined;
}

/** Shorter steps would make long lists. */
const SHORTEST_SLOT = HOUR / 12;
/** A pattern repeats, and a series that is open all the time has none. */
const MIN_WEEKS = 2;
const MOST_OPEN = 6 / 7;
/** Holidays and other gaps are rare. */
const MIN_COVERED = 0.9;

/** The slots of opening hours, if the times have a pattern of weeks. */
function weekOf(times: readonly number[]): Week | undefined {
  const step = usualStep(times);
  if (step === undefined || step < SHORTEST_SLOT || WEEK % step !== 0) return undefined;
  const [first, last] = [times[0], times[times.length - 1]];
  if (last - first < MIN_WEEKS * WEEK || times.some(time => remainder(time - first, step) !== 0))
    return undefined;
  const open = new Set(times.map(time => Math.floor(remainder(time - MONDAY, WEEK) / step)));
  const week = { step, slots: [...open].sort((a, b) => a - b) };
  const positionOf = positionIn(week);
  const covered = times.length / (positionOf(last) - positionOf(first) + 1);
  return open.size * step <= MOST_OPEN * WEEK && covered >= MIN_COVERED ? week : undefined;
}

/** Returns the function from a time to the number of its slot since 1970, or of the one before. */
function positionIn({ step, slots }: Week): (time: number) => number {
  const before = new Int32Array(WEEK / step);
  for (let slot = 0, next = 0; slot < before.length; slot++) {
    if (slots[next] === slot) next++;
    before[slot] = next - 1;
  }
  return time => {
    const week = Math.floor((time - MONDAY) / WEEK);
    return week * slots.length + before[Math.floor(remainder(time - MONDAY, WEEK) / step)];
  };
}

/** The start of a slot. */
function timeAt({ step, slots }: Week, position: number): number {
  const week = Math.floor(position / slots.length);
  return MONDAY + week * WEEK + slots[remainder(position, slots.length)] * step;
}

/** Not negative. */
function remainder(value: number, divisor: number): number {
  return value - Math.floor(value / divisor) * divisor;
}

export function differences(positions: readonly number[]): number[] {
  return positions.slice(1).map((position, i) => position - positions[i]);
}

export function usualStep(positions: readonly number[]): number | undefined {
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

/** `1 hour`; a number if times are numbers. */
export function intervalWords({ unit, step = 1, ...interval }: Omit<Interval, 'day' | 'slots'>): string {
  const count = interval.count * step;
  if (unit === 'number') return String(Number(count.toPrecision(6)));
  if (unit === 'month' || unit === 'workday') return counted(count, unit);
  const [word, size] = UNITS.find(([, of]) => count % of === 0) ?? (['millisecond', 1] as const);
  return counted(count / size, word);
}
