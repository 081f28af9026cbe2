/** Intervals of time of equal length, and the value of those in one. */
import { MS_OF_DAY } from './calendar.js';
import type { Interval } from './record.js';

export const RESAMPLE_BY = ['mean', 'sum', 'min', 'max', 'median', 'first', 'last'] as const;

export interface Resampling {
  /** A duration such as `1h`, or a number if times are numbers. */
  readonly every: string | number;
  readonly by: (typeof RESAMPLE_BY)[number];
}

const UNITS = { s: 1000, min: 60_000, h: 3_600_000, d: MS_OF_DAY, w: 7 * MS_OF_DAY } as const;

export const DURATION = `^[1-9][0-9]* *(?:${Object.keys(UNITS).join('|')}|month)$`;

/** The value of `every` whose intervals have one such step each; undefined if there is none. */
export function everyOf({ unit, count }: Pick<Interval, 'unit' | 'count'>): string | number | undefined {
  if (unit === 'number') return Number(count.toPrecision(12));
  if (unit === 'month') return `${count} month`;
  const found = Object.entries(UNITS).findLast(([, length]) => count % length === 0);
  return unit !== 'millisecond' || found === undefined ? undefined : `${count / found[1]}${found[0]}`;
}

/** Monday, 5 January 1970. */
const FIRST_WEEK = 4 * MS_OF_DAY;

/** Intervals of time, numbered in order. */
export interface Intervals {
  /** The interval of a time: a number, or milliseconds since 1970. */
  of(key: number): number;
  /** Its first time. */
  start(interval: number): number;
  /** The text of a first time. */
  text(key: number, isZoned: boolean): string;
}

export function intervalsOf(every: string | number): Intervals {
  if (typeof every === 'number') {
    // quotients of decimal fractions are inexact: 0.3 / 0.1 is less than 3
    const rounded = (value: number) => Number(value.toPrecision(12));
    return {
      of: key => Math.floor(rounded(key / every)),
      start: interval => rounded(interval * every),
      text: String,
    };
  }
  const count = Number.parseInt(every, 10);
  const unit = every.slice(String(count).length).trim();
  if (unit === 'month')
    return {
      of(key) {
        const date = new Date(key);
        return Math.floor((12 * date.getUTCFullYear() + date.getUTCMonth()) / count);
      },
      start: interval => Date.UTC(1900, interval * count - 12 * 1900),
      text: dateOf,
    };
  const length = count * UNITS[unit as keyof typeof UNITS];
  const origin = unit === 'w' ? FIRST_WEEK : 0;
  return {
    of: key => Math.floor((key - origin) / length),
    start: interval => origin + interval * length,
    text: length % MS_OF_DAY === 0 ? dateOf : timeOf,
  };
}

function dateOf(key: number): string {
  return new Date(key).toISOString().slice(0, 'YYYY-MM-DD'.length);
}

function timeOf(key: number, isZoned: boolean): string {
  const text = new Date(key).toISOString().replace(/(?::00)?\.000Z$/, '');
  return isZoned ? `${text}Z` : text;
}

/** The value of an interval; NaN if all of its values are missing. */
export function aggregated(values: readonly number[], by: Resampling['by']): number {
  const known = values.filter(value => !Number.isNaN(value));
  if (known.length === 0) return Number.NaN;
  const sum = () => known.reduce((total, value) => total + value, 0);
  switch (by) {
    case 'mean':
      return sum() / known.length;
    case 'sum':
      return sum();
    case 'min':
      return known.reduce((a, b) => Math.min(a, b));
    case 'max':
      return known.reduce((a, b) => Math.max(a, b));
    case 'median': {
      const sorted = known.toSorted((a, b) => a - b);
      return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
    }
    case 'first':
      return known[0];
    case 'last':
      return known[known.length - 1];
  }
}
