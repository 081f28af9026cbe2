/** Reads the columns of a table, with the place of every cell. */

import { Problems } from '../../data/core/problems.js';
import { badNumber, CHANGE_COMMAS, COMMA_NUMBER, cellNumber, isMissing } from '../../data/csv-columns.js';
import { type Delimiter, guessDelimiter } from '../../data/formats/csv-records.js';
import { isParquet } from '../../data/formats/parquet.js';
import { TableFile, type TableRecord } from '../../data/formats/tables.js';
import { readContent } from '../../data/reading/files.js';
import { TIMESTAMP } from '../../data/row-order.js';
import { type Diagnostic, damagedError, placeOf, type UserError } from '../../util/errors.js';

export interface Column {
  readonly name: string;
  /** From 0. */
  readonly index: number;
  readonly cells: readonly string[];
  readonly isNumber: boolean;
  readonly isTime: boolean;
  readonly missing: number;
  readonly distinct: number;
  /** The rows of empty cells, or of the few cells that are unlike all others. */
  readonly bad?: { readonly rows: readonly number[]; readonly what: 'empty' | 'number' | 'date' };
  /** Why the column is unused. */
  readonly unreadable?: string;
  /** `FILE:LINE:COLUMN` of a cell, or `FILE: row ROW: column NAME`. */
  place(row: number): string;
}

export interface Columns {
  readonly columns: readonly Column[];
  /** A comma for Parquet, which has none. */
  readonly delimiter: Delimiter;
}

/**
 * @throws UserError (exit 5) if the table is damaged, has no rows, names a column twice, or has
 *   numbers with commas
 */
export async function readColumns(path: string): Promise<Columns> {
  const { bytes } = await readContent(path);
  const delimiter = isParquet(bytes) ? ',' : guessDelimiter(bytes);
  const file = new TableFile(path, bytes, delimiter);
  const problems = new Problems();
  let names: readonly string[] = [];
  let cells: string[][] = [];
  const starts: number[] = [];
  const rows = {
    header(record: TableRecord) {
      const { fields: header } = record;
      names = [...header];
      const again = header.findIndex((name, i) => header.indexOf(name) < i);
      if (again >= 0) {
        const message = `two columns are named ${JSON.stringify(header[again])}`;
        const expected = 'a different name for each column';
        throw damaged({ message, ...record.place(again), expected });
      }
      cells = header.map(() => []);
      if (!file.isParquet && header.every(name => cellNumber(name) !== undefined)) {
        const expected = 'a line with the names of the columns';
        throw damaged({ message: 'its first line has numbers', ...record.place(0), expected });
      }
    },
    add({ fields, at }: TableRecord) {
      starts.push(at);
      for (const [i, field] of fields.entries()) cells[i].push(field.trim());
    },
  };
  await file.scan(rows, problems);
  problems.throwIfAny();
  if ((cells[0]?.length ?? 0) === 0) {
    throw damagedError({ code: 'init/no-rows', message: 'the table has no rows', file: path });
  }
  for (const [index, column] of cells.entries()) {
    const commas = column.filter(cell => COMMA_NUMBER.test(cell));
    const numbers = column.filter(cell => cellNumber(cell) !== undefined);
    if (commas.length > 0 && commas.length + numbers.length > column.length / 2) {
      const { message, expected, ...place } = badNumber(
        commas[0],
        file.place(starts[column.indexOf(commas[0])], index),
      );
      throw damaged({ message, ...place, expected: `${expected} (${CHANGE_COMMAS})` });
    }
  }
  const { unreadable } = file;
  const columns = names.map((name, index) => {
    const why = unreadable.get(name);
    const column = columnOf(
      { name, index, cells: cells[index], ...(why !== undefined && { unreadable: why }) },
      row => placeOf(file.place(starts[row], index)).replace(/: $/, ''),
    );
    return column.isNumber && PANDAS_INDEX.test(name) ? withoutUse(column, 'the index of pandas') : column;
  });
  return { columns, delimiter };
}

/** Name of an index without a name that pandas writes to Parquet. */
const PANDAS_INDEX = /^__index_level_\d+__$/;

function withoutUse(column: Column, unreadable: string): Column {
  return { ...column, isNumber: false, bad: { rows: [], what: 'number' }, unreadable };
}

function damaged(problem: Omit<Diagnostic, 'code'>): UserError {
  return damagedError({ ...problem, code: 'init/table' });
}

function columnOf(
  column: Pick<Column, 'name' | 'index' | 'cells' | 'unreadable'>,
  place: Column['place'],
): Column {
  const { cells } = column;
  const rowsWhere = (test: (cell: string) => boolean): number[] =>
    cells.flatMap((cell, row) => (test(cell) ? [row] : []));
  const empty = rowsWhere(isMissing);
  const words = rowsWhere(cell => !isMissing(cell) && cellNumber(cell) === undefined);
  const undated = rowsWhere(cell => !isMissing(cell) && !TIMESTAMP.test(cell));
  const present = cells.length - empty.length;
  const isFull = present > 0;
  const areFew = (rows: readonly number[]): boolean => rows.length > 0 && 4 * rows.length < present;
  const bad = areFew(words)
    ? ({ rows: words, what: 'number' } as const)
    : areFew(undated)
      ? ({ rows: undated, what: 'date' } as const)
      : empty.length > 0
        ? ({ rows: empty, what: 'empty' } as const)
        : undefined;
  return {
    ...column,
    isNumber: isFull && words.length === 0,
    isTime: isFull && undated.length === 0,
    missing: empty.length,
    distinct: new Set(cells).size,
    ...(bad && { bad }),
    place,
  };
}

/** `2 cells are not numbers, the first "?" at data.csv:7:3`. */
export function describeBad({ bad, cells, place, unreadable }: Column): string | undefined {
  if (unreadable !== undefined) return unreadable;
  if (bad === undefined) return undefined;
  const { rows, what } = bad;
  const isOne = rows.length === 1;
  const first = what === 'empty' ? '' : ` ${JSON.stringify(cells[rows[0]].slice(0, 60))}`;
  const at = `${first} at ${place(rows[0])}`;
  if (what === 'empty') return isOne ? `1 empty cell,${at}` : `${rows.length} empty cells, the first${at}`;
  return isOne ? `1 cell is not a ${what},${at}` : `${rows.length} cells are not ${what}s, the first${at}`;
}

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
