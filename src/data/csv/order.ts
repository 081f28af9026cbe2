/** Rows of a table to sequences: grouped by one column, sorted by another. */
import type { Diagnostic } from '../../util/errors.js';
import type { CsvPlace } from '../formats/csv.js';
import { NUMBER } from '../label-texts.js';
import type { Problems } from '../problems.js';
import type { CsvTable } from './table.js';

/** The rows of one sequence, in the order of its steps. */
export type RowList = readonly number[];

export const TIMESTAMP = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?$/;
const ZONED = /(?:Z|[+-]\d{2}:\d{2})$/;
const DATE_LENGTH = 'YYYY-MM-DD'.length;

/**
 * The sequences of a table in the order of their first rows. Without a grouping column every row is
 * a sequence of one step; without an order column the steps go in the order of the file. Adds to
 * `problems` what cannot be ordered.
 */
export function rowLists(table: CsvTable, problems: Problems): RowList[] {
  const lists = grouped(table);
  if (table.order === undefined) return lists;
  const keys = orderKeys(table, table.order, problems);
  if (keys === undefined) return lists;
  for (const list of lists) {
    list.sort((a, b) => compare(keys, a, b) || a - b);
    addTies(list, keys, table, problems);
  }
  return lists;
}

function grouped({ rows, groups, groupNames }: CsvTable): number[][] {
  if (groups === undefined) return Array.from({ length: rows }, (_, row) => [row]);
  const lists: number[][] = groupNames.map(() => []);
  groups.forEach((group, row) => {
    lists[group].push(row);
  });
  return lists;
}

/** Of each row. */
interface OrderKeys {
  readonly whole: Float64Array;
  /**
   * What is less than a millisecond, as a share of one: no float64 has a date with its
   * microseconds.
   */
  readonly rest: Float64Array | undefined;
}

function compare({ whole, rest }: OrderKeys, a: number, b: number): number {
  return whole[a] - whole[b] || (rest === undefined ? 0 : rest[a] - rest[b]);
}

/**
 * Numbers where all cells are numbers, milliseconds since 1970 where all are ISO 8601 dates or
 * times (else UTC).
 */
function orderKeys(table: CsvTable, cells: readonly string[], problems: Problems): OrderKeys | undefined {
  const numeric = NUMBER.test(cells[0]);
  const whole = Float64Array.from(cells, orderKey(numeric));
  const bad = whole.findIndex(key => !Number.isFinite(key));
  if (bad < 0) return { whole, rest: numeric ? undefined : Float64Array.from(cells, belowMilliseconds) };
  problems.add(mixedOrder(cells[bad], numeric, table.place(bad, 'order')));
  return undefined;
}

/**
 * What compares the cells of an order column: their value if it is `numeric`, else milliseconds
 * since 1970. NaN for a cell of another kind.
 */
export function orderKey(numeric: boolean): (cell: string) => number {
  return numeric ? cell => (NUMBER.test(cell) ? Number(cell) : Number.NaN) : timeKey;
}

/** The complaint about a cell that has no key. */
export function mixedOrder(cell: string, numeric: boolean, place: CsvPlace): Diagnostic {
  return {
    code: 'data/csv-order',
    message: 'the order column must have only numbers or only dates',
    ...place,
    expected: numeric
      ? 'numbers, as in the first row'
      : 'numbers, or ISO 8601 dates or times such as 2025-03-01 or 2025-03-01T12:00:00Z',
    got: JSON.stringify(cell.slice(0, 60)),
  };
}

function timeKey(cell: string): number {
  if (!TIMESTAMP.test(cell) || !isDay(cell)) return Number.NaN;
  const iso = cell.replace(' ', 'T');
  return Date.parse(iso.length > DATE_LENGTH && !ZONED.test(iso) ? `${iso}Z` : iso);
}

/** Engines take 30 February for 1 or 2 March. */
function isDay(cell: string): boolean {
  const [year, month, day] = cell.slice(0, DATE_LENGTH).split('-').map(Number);
  // day 0 of the month after is the last of this one
  return day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/** Of `12:00:00.123456`, 0.456. */
export function belowMilliseconds(cell: string): number {
  const [, digits = ''] = /\.\d{3}(\d+)/.exec(cell) ?? [];
  return digits === '' ? 0 : Number(`0.${digits}`);
}

function addTies(list: RowList, keys: OrderKeys, table: CsvTable, problems: Problems): void {
  for (let i = 1; i < list.length && !problems.full; i++) {
    if (compare(keys, list[i], list[i - 1]) !== 0) continue;
    const earlier = table.place(list[i - 1], 'order').line;
    problems.add({
      code: 'data/csv-order',
      message: `two rows of group ${JSON.stringify(groupOf(table, list[i]))} have the same value in the order column`,
      ...table.place(list[i], 'order'),
      got: `${table.order?.[list[i]]}, as in line ${earlier}`,
    });
  }
}

/** Name of the group that `row` belongs to. */
export function groupOf({ groups, groupNames }: CsvTable, row: number): string {
  return groups === undefined ? '' : groupNames[groups[row]];
}
