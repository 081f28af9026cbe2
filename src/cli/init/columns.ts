/** Reads the columns of a table, with the place of every cell. */
import { TIMESTAMP } from '../../data/csv/order.js';
import { badNumber, CHANGE_COMMAS, COMMA_NUMBER, cellNumber, isMissing } from '../../data/csv/table.js';
import { type Delimiter, guessDelimiter } from '../../data/formats/csv.js';
import { isParquet } from '../../data/formats/parquet.js';
import { TableFile, type TableHandlers } from '../../data/formats/tables.js';
import { Problems } from '../../data/problems.js';
import { readContent } from '../../data/reading/files.js';
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
  const rows: TableHandlers = {
    header: header => {
      names = header;
      const again = header.findIndex((name, i) => header.indexOf(name) < i);
      if (again >= 0) {
        const message = `two columns are named ${JSON.stringify(header[again])}`;
        const expected = 'a different name for each column';
        throw damaged({ message, ...file.placeOfName(again), expected });
      }
      cells = header.map(() => []);
      if (!file.isParquet && header.every(name => cellNumber(name) !== undefined)) {
        const expected = 'a line with the names of the columns';
        throw damaged({ message: 'its first line has numbers', ...file.placeOfName(0), expected });
      }
    },
    row: (fields, start) => {
      starts.push(start);
      for (const [i, field] of fields.entries()) cells[i].push(field.trim());
    },
  };
  await file.scan(undefined, rows, problems);
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
