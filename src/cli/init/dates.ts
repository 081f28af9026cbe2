/** Dates of a table's rows: in several columns, or in a form that the key `time` does not read. */
import type { Column } from './columns.js';

/** Common names of columns with parts of a date. */
export const DATE_NAMES = {
  year: /^(year|yr)$/i,
  month: /^(month|mon)$/i,
  day: /^(day|date|mday|day_of_month|date_of_month)$/i,
  weekday: /^(weekday|dow|day_of_week)$/i,
} as const;

export interface SplitDates {
  /** The columns that form the dates. */
  readonly columns: readonly Column[];
  /** The columns whose values repeat, such as the month; they are known in advance. */
  readonly known: readonly Column[];
  /** Milliseconds since 1970 for each row. */
  readonly times: readonly number[];
}

/**
 * Finds columns for year, month and day, or a column with dates like 31.12.2024 or 12/31/2024;
 * undefined if there are none.
 */
export function splitDates(columns: readonly Column[]): SplitDates | undefined {
  const named = (usual: RegExp): Column | undefined =>
    columns.find(({ isNumber, bad, name }) => isNumber && bad === undefined && usual.test(name));
  const [year, month, day] = [named(DATE_NAMES.year), named(DATE_NAMES.month), named(DATE_NAMES.day)];
  if (year && month) {
    const weekday = named(DATE_NAMES.weekday);
    const parts = [month, ...(day ? [day] : []), ...(weekday ? [weekday] : [])];
    const times = year.cells.map((cell, row) =>
      Date.UTC(Number(cell), Number(month.cells[row]) - 1, Number(day?.cells[row] ?? 1)),
    );
    return { columns: [year, ...parts], known: parts, times };
  }
  for (const column of columns) {
    const times = localDates(column.cells);
    if (times) return { columns: [column], known: [], times };
  }
  return undefined;
}

const LOCAL_DATE = /^(\d{1,2})[./-](\d{1,2})[./-](\d{4})$/;

/** Parses dates in the order day, month, year or month, day, year; undefined for anything else. */
function localDates(cells: readonly string[]): readonly number[] | undefined {
  const parts = cells.map(cell => LOCAL_DATE.exec(cell)?.slice(1).map(Number) ?? []);
  for (const [day, month] of [
    [0, 1],
    [1, 0],
  ]) {
    if (parts.every(part => part.length === 3 && part[month] <= 12 && part[day] <= 31))
      return parts.map(part => Date.UTC(part[2], part[month] - 1, part[day]));
  }
  return undefined;
}

/** True if the dates ascend in the order of `rows`, for each series. */
export function ascends({ times }: SplitDates, rows: readonly (readonly number[])[]): boolean {
  return rows.every(list => list.every((row, i) => i === 0 || times[row] > times[list[i - 1]]));
}

/** Adds the zone UTC to a time without a zone, like the rest of the program. */
export function utc(text: string): string {
  return /T|\s/.test(text) && !/(Z|[+-]\d\d:\d\d)$/.test(text) ? `${text.replace(' ', 'T')}Z` : text;
}

/** @param times in milliseconds */
export function medianInterval(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  const gaps = sorted.slice(1).map((time, i) => time - sorted[i]);
  return gaps.toSorted((a, b) => a - b)[gaps.length >> 1];
}
