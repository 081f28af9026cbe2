/** Sort keys of the cells of an order column. */
import type { Diagnostic } from '../util/errors.js';
import { NUMBER } from './core/labels.js';
import { type CellPlace, type RowPlace, rowName } from './formats/tables.js';

/** A month is its first day. */
export const TIMESTAMP =
  /^\d{4}-\d{2}$|^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?$/;
const ZONED = /(?:Z|[+-]\d{2}:\d{2})$/;
const DATE_LENGTH = 'YYYY-MM-DD'.length;

/**
 * Returns the function from a cell of an order column to its sort key: its value if `numeric`, else
 * milliseconds since 1970. The key is NaN for a cell of the other type.
 */
export function orderKey(numeric: boolean): (cell: string) => number {
  return numeric ? cell => (NUMBER.test(cell) ? Number(cell) : Number.NaN) : timeKey;
}

/** The first row, which determines the type of the order column. */
export interface FirstOrder {
  readonly numeric: boolean;
  readonly place: RowPlace;
}

/** Problem: a cell of the order column has no sort key. */
export function mixedOrder(cell: string, place: Partial<CellPlace>, first: FirstOrder): Diagnostic {
  const { numeric } = first;
  const firstRow = rowName(first.place, place);
  const isForm = !numeric && TIMESTAMP.test(cell);
  return {
    code: 'data/csv-order',
    message: isForm
      ? 'the calendar has no such date'
      : 'the order column must have only numbers or only dates',
    ...place,
    expected: numeric
      ? `numbers, as in ${firstRow}`
      : NUMBER.test(cell)
        ? `ISO 8601 dates or times, as in ${firstRow}`
        : 'numbers, or ISO 8601 dates or times such as 2025-03, 2025-03-01 or 2025-03-01T12:00:00Z',
    got: JSON.stringify(cell.slice(0, 60)),
  };
}

function timeKey(cell: string): number {
  if (!TIMESTAMP.test(cell) || !isDay(cell)) return Number.NaN;
  const iso = cell.replace(' ', 'T');
  return Date.parse(iso.length > DATE_LENGTH && !ZONED.test(iso) ? `${iso}Z` : iso);
}

/** Year, month and day as written. */
export function dateParts(cell: string): [year: number, month: number, day: number] {
  const [year, month, day = 1] = cell.slice(0, DATE_LENGTH).split('-').map(Number);
  return [year, month, day];
}

/** JavaScript engines accept 30 February as 1 or 2 March. */
function isDay(cell: string): boolean {
  const [year, month, day] = dateParts(cell);
  // day 0 of the next month is the last day of this one
  return day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/**
 * Returns the function from a cell to what its sort key leaves out, which orders cells with equal
 * keys: float64 has neither all microseconds since 1970 nor all integers above 2^53.
 */
export function orderRest(numeric: boolean): (cell: string) => number {
  return numeric ? beyondFloat64 : belowMilliseconds;
}

/** An integer that may be above 2^53. */
const LONG_INTEGER = /^[+-]?\d{16,}$/;

/** Difference between a long integer and the float64 nearest to it. */
function beyondFloat64(cell: string): number {
  if (!LONG_INTEGER.test(cell) || !Number.isFinite(Number(cell))) return 0;
  return Number(BigInt(cell) - BigInt(Number(cell)));
}

/** Fraction of a millisecond: 0.456 for `12:00:00.123456`. */
function belowMilliseconds(cell: string): number {
  const [, digits = ''] = /\.\d{3}(\d+)/.exec(cell) ?? [];
  return digits === '' ? 0 : Number(`0.${digits}`);
}

/** A date with a time of day and without an offset, which an hour may have twice. */
const LOCAL_TIME = /^\d{4}-\d{2}-\d{2}[T ][\d:.]+$/;

/**
 * Problem: two rows of a sequence have the same value in the order column.
 * @param owner ` of group "a"`; empty if the table is one sequence
 */
export function sameOrder(
  owner: string,
  column: string,
  text: string,
  [earlier, place]: readonly [RowPlace, RowPlace],
): Diagnostic {
  return {
    code: 'data/csv-order',
    message: `two rows${owner} have the same value in column ${JSON.stringify(column)}`,
    ...place,
    ...(LOCAL_TIME.test(text) && {
      expected: 'different times; if clocks were set back, times with a UTC offset such as +02:00',
    }),
    got: `${text}, as in ${rowName(earlier, place)}`,
  };
}
