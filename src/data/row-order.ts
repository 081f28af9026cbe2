/** Groups the rows of a table into sequences by one column and sorts them by another. */
import type { Diagnostic } from '../util/errors.js';
import { NUMBER } from './core/labels.js';
import type { Problems } from './core/problems.js';
import type { TableRows } from './csv-table.js';
import { type CellPlace, type RowPlace, rowName } from './formats/tables.js';

/** Row indices of one sequence, in the order of its steps. */
export type RowList = readonly number[];

/** A month is its first day. */
export const TIMESTAMP =
  /^\d{4}-\d{2}$|^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?$/;
const ZONED = /(?:Z|[+-]\d{2}:\d{2})$/;
const DATE_LENGTH = 'YYYY-MM-DD'.length;

/**
 * Returns the sequences of a table in the order of their first rows. Without a grouping column,
 * every row is a sequence of one step; without an order column, steps keep the order of the file.
 * Rows that cannot be ordered are added to `problems`, with the sequence `of` a row.
 */
export function rowLists(
  table: TableRows,
  problems: Problems,
  of = (row: number): RowOwner => ownerOf(table, row),
): RowList[] {
  const lists = grouped(table);
  if (table.order === undefined) return lists;
  const keys = orderKeys(table, table.order, problems);
  if (keys === undefined) return lists;
  for (const list of lists) {
    list.sort((a, b) => compare(keys, a, b) || a - b);
    addTies(list, keys, table, { problems, of });
  }
  return lists;
}

function grouped({ rows, groups, groupNames }: TableRows): number[][] {
  if (groups === undefined) return Array.from({ length: rows }, (_, row) => [row]);
  const lists: number[][] = groupNames.map(() => []);
  groups.forEach((group, row) => {
    lists[group].push(row);
  });
  return lists;
}

/** Sort key of each row. */
interface OrderKeys {
  readonly whole: Float64Array;
  /** See {@link orderRest}. */
  readonly rest: Float64Array;
}

function compare({ whole, rest }: OrderKeys, a: number, b: number): number {
  return whole[a] - whole[b] || rest[a] - rest[b];
}

/**
 * Sort keys: numbers if all cells are numbers, or milliseconds since 1970 if all are ISO 8601 dates
 * or times (UTC unless they have an offset).
 */
function orderKeys(table: TableRows, cells: readonly string[], problems: Problems): OrderKeys | undefined {
  const numeric = NUMBER.test(cells[0]);
  const whole = Float64Array.from(cells, orderKey(numeric));
  const bad = whole.findIndex(key => !Number.isFinite(key));
  if (bad < 0) return { whole, rest: Float64Array.from(cells, orderRest(numeric)) };
  problems.add(
    mixedOrder(cells[bad], table.place(bad, 'order'), { numeric, place: table.place(0, 'order') }),
  );
  return undefined;
}

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
  readonly place: Partial<CellPlace> | RowPlace;
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

function addTies(
  list: RowList,
  keys: OrderKeys,
  table: TableRows,
  { problems, of }: { readonly problems: Problems; of(row: number): RowOwner },
): void {
  for (let i = 1; i < list.length && !problems.full; i++) {
    if (compare(keys, list[i], list[i - 1]) !== 0) continue;
    const place = table.place(list[i], 'order');
    const earlier = rowName(table.place(list[i - 1], 'order'), place);
    problems.add(samePlace(of(list[i]), table.order?.[list[i]] ?? '', { place, earlier }));
  }
}

/** A sequence of rows that is a group, or a file. */
export type NamedRows = { readonly group: string } | { readonly file: string };

/** The sequence of two rows; a series has no name if it is the whole table. */
export type RowOwner = NamedRows | { readonly series: string | undefined };

/** `group "a"` or `file "a.csv"`. */
export function rowsName(owner: NamedRows): string {
  const [word, name] = 'file' in owner ? ['file', owner.file] : ['group', owner.group];
  return `${word} ${JSON.stringify(name)}`;
}

/** A date with a time of day and without an offset, which an hour may have twice. */
const LOCAL_TIME = /^\d{4}-\d{2}-\d{2}[T ][\d:.]+$/;

/** Problem: two rows of a sequence have the same value in the order column. */
export function samePlace(
  owner: RowOwner,
  text: string,
  { place, earlier }: { readonly place: Partial<Diagnostic>; readonly earlier: string },
): Diagnostic {
  const message = !('series' in owner)
    ? `two rows of ${rowsName(owner)} have the same value in the order column`
    : owner.series === undefined
      ? `two rows have the time ${text}`
      : `series ${JSON.stringify(owner.series)} has two rows at time ${text}`;
  return {
    code: 'data/csv-order',
    message,
    ...place,
    ...(LOCAL_TIME.test(text) && {
      expected: 'different times; if clocks were set back, times with a UTC offset such as +02:00',
    }),
    got: `${text}, as in ${earlier}`,
  };
}

/** The group or file that `row` belongs to. */
export function ownerOf(table: TableRows, row: number): NamedRows {
  const name = groupOf(table, row);
  return table.perFile ? { file: name } : { group: name };
}

/** Name of the group that `row` belongs to. */
export function groupOf({ groups, groupNames }: TableRows, row: number): string {
  return groups === undefined ? '' : groupNames[groups[row]];
}
