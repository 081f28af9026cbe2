/** Guesses the roles of the columns of a csv table for `init`. */

import { TIMESTAMP } from '../../data/csv/order.js';
import { cellNumber, isMissing } from '../../data/csv/table.js';
import { scanCsv } from '../../data/formats/csv.js';
import { Problems } from '../../data/problems.js';
import { readContent } from '../../data/reading/files.js';
import { type Diagnostic, damagedError, usageError } from '../../util/errors.js';

/** Columns named by the user. The others are guessed. */
export interface NamedColumns {
  readonly target?: string | undefined;
  readonly group?: string | undefined;
  readonly time?: string | undefined;
}

/** A table and the task that it fits. */
export type Table = SequenceTable | SeriesTable;

interface Common {
  readonly rows: number;
  readonly target: string;
  /** Names of the feature columns. */
  readonly features: readonly string[];
  /** Columns that are not used, with the reason. */
  readonly unused: readonly { readonly name: string; readonly reason: string }[];
  readonly time?: string;
}

/** Sequences with a class or a number to predict. */
export interface SequenceTable extends Common {
  readonly kind: 'csv';
  readonly targetKind: 'class' | 'value';
  readonly classes?: number;
  /** True if the only feature is a column of symbols. */
  readonly symbols: boolean;
  /** If absent, every row is a sequence of one step. */
  readonly group?: string;
  /** True if the target differs within a sequence. */
  readonly perStep: boolean;
  readonly sequences: number;
}

/** Time series to forecast. */
export interface SeriesTable extends Common {
  readonly kind: 'forecast';
  readonly series?: string;
  /** Steps of the shortest series. */
  readonly steps: number;
  /** Milliseconds between two steps; undefined if the times are not dates. */
  readonly interval?: number;
}

/** Common names of columns by role. */
const USUAL = {
  group:
    /(^|[_ .-])(ids?|group|series|sequence|seq|session|subject|recording|trial|store|device|sensor|station|user|patient|ticker|symbol|episode|item)$/i,
  time: /^(time|times|timestamp|datetime|date|day|hour|week|month|year|step|t|second|seconds|minute|sample|order|index|frame|tick|ds)$/i,
  target: /^(label|labels|class|target|y|outcome|category|species|result)$/i,
} as const;
/** A target of integers with more distinct values is a number, not a class. */
const MAX_NUMBERED_CLASSES = 20;

interface Column {
  readonly name: string;
  readonly cells: readonly string[];
  readonly isNumber: boolean;
  readonly isTime: boolean;
  readonly missing: number;
  readonly distinct: number;
}

/**
 * Reads the table at `path` and guesses the roles of its columns.
 * @throws UserError (exit 2) if a named column does not exist, or nothing can be predicted
 * @throws UserError (exit 5) if the table is damaged
 */
export async function readTable(path: string, named: NamedColumns): Promise<Table> {
  const columns = await readColumns(path);
  const find = (role: keyof NamedColumns): Column | undefined => {
    const name = named[role];
    if (name === undefined) return undefined;
    const found = columns.find(column => column.name === name);
    if (found) return found;
    throw usageError({
      code: 'init/no-column',
      message: `${path} has no column ${JSON.stringify(name)}`,
      file: `--${role}`,
      expected: columns.map(column => column.name).join(', '),
      got: name,
    });
  };
  const asked = { target: find('target'), group: find('group'), time: find('time') };
  const given = Object.values(asked).filter(column => column !== undefined);
  if (new Set(given).size < given.length)
    throw usageError({
      code: 'init/same-column',
      message: '--target, --group and --time must name different columns',
      expected: 'a column for each',
      got: given.map(column => column.name).join(', '),
    });
  const free = (column: Column): boolean => !Object.values(asked).includes(column);
  const time =
    asked.time ??
    columns.find(column => free(column) && column.isTime) ??
    columns.find(column => free(column) && column.isNumber && USUAL.time.test(column.name));
  const group = asked.group ?? columns.find(column => free(column) && column !== time && isGroup(column));
  const left = columns.filter(column => column !== time && column !== group);
  const target =
    asked.target ??
    left.find(column => column.missing === 0 && USUAL.target.test(column.name)) ??
    left.findLast(column => column.missing === 0);
  if (target === undefined) throw nothing(path, 'it has no column to predict');
  const roles: Roles = { path, columns, time, group, target };
  return isForecast(roles) ? seriesTable(roles) : sequenceTable(roles);
}

interface Roles {
  readonly path: string;
  readonly columns: readonly Column[];
  readonly time: Column | undefined;
  readonly group: Column | undefined;
  readonly target: Column;
}

async function readColumns(path: string): Promise<readonly Column[]> {
  const { bytes } = await readContent(path);
  const problems = new Problems();
  let names: readonly string[] = [];
  let cells: string[][] = [];
  scanCsv(
    bytes,
    path,
    {
      header: header => {
        names = header;
        cells = header.map(() => []);
      },
      row: fields => {
        for (const [i, field] of fields.entries()) cells[i].push(field.trim());
      },
    },
    problems,
  );
  problems.throwIfAny();
  refuseOther(path, names);
  if ((cells[0]?.length ?? 0) === 0) {
    throw damagedError({ code: 'init/no-rows', message: 'the table has no rows', file: path });
  }
  return names.map((name, i) => columnOf(name, cells[i]));
}

function refuseOther(path: string, names: readonly string[]): void {
  const problem: Pick<Diagnostic, 'message' | 'expected'> | undefined =
    names.length === 1 && /[;\t|]/.test(names[0])
      ? {
          message: `its fields are separated by ${JSON.stringify(/[;\t|]/.exec(names[0])?.[0])}`,
          expected: 'commas',
        }
      : names.every(name => cellNumber(name) !== undefined)
        ? { message: 'its first line has numbers', expected: 'a line with the names of the columns' }
        : undefined;
  if (problem) throw damagedError({ code: 'init/table', file: path, line: 1, column: 1, ...problem });
}

function columnOf(name: string, cells: readonly string[]): Column {
  const present = cells.filter(cell => !isMissing(cell));
  const isFull = present.length > 0;
  return {
    name,
    cells,
    isNumber: isFull && present.every(cell => cellNumber(cell) !== undefined),
    isTime: isFull && present.every(cell => TIMESTAMP.test(cell)),
    missing: cells.length - present.length,
    distinct: new Set(cells).size,
  };
}

/** True for repeated values with a name like `id`, or for texts that each form one block. */
function isGroup({ name, cells, distinct, isNumber, isTime, missing }: Column): boolean {
  if (missing > 0 || isTime || distinct < 2 || 2 * distinct > cells.length) return false;
  if (USUAL.target.test(name)) return false;
  if (USUAL.group.test(name)) return true;
  const runs = cells.filter((cell, i) => cell !== cells[i - 1]).length;
  return !isNumber && runs === distinct && distinct > 10;
}

/** Row numbers of each group; a single group of all rows if there is no group column. */
function rowsOf({ group, columns }: Roles): readonly (readonly number[])[] {
  const rows = new Map<string, number[]>();
  for (let row = 0; row < columns[0].cells.length; row++) {
    const key = group?.cells[row] ?? '';
    const list = rows.get(key);
    if (list) list.push(row);
    else rows.set(key, [row]);
  }
  return [...rows.values()];
}

function isConstantWithin(rows: readonly (readonly number[])[], { cells }: Column): boolean {
  return rows.every(list => list.every(row => cells[row] === cells[list[0]]));
}

/** True if the target is a number that changes over time, with each time once per series. */
function isForecast(roles: Roles): boolean {
  const { time, group, target } = roles;
  if (time === undefined || !target.isNumber || target.missing > 0) return false;
  const rows = rowsOf(roles);
  const isOrdered = rows.every(list => new Set(list.map(row => time.cells[row])).size === list.length);
  if (!isOrdered || time.missing > 0) return false;
  return group === undefined ? time.isTime || target.distinct > 2 : !isConstantWithin(rows, target);
}

function seriesTable(roles: Roles): SeriesTable {
  const { path, time, group, target } = roles;
  const lists = rowsOf(roles);
  const steps = Math.min(...lists.map(list => list.length));
  if (steps < 40) throw nothing(path, `its shortest series has ${steps} steps, and a forecast needs 40`);
  const { features, unused } = featuresOf(roles);
  const interval = time?.isTime
    ? medianInterval(lists[0].map(row => Date.parse(utc(time.cells[row]))))
    : undefined;
  return {
    kind: 'forecast',
    rows: target.cells.length,
    target: target.name,
    features: features.map(({ name }) => name),
    unused,
    ...(time && { time: time.name }),
    ...(group && { series: group.name }),
    steps,
    ...(interval !== undefined && { interval }),
  };
}

/** Times without a zone are UTC, as in the rest of the program. */
function utc(text: string): string {
  return /T|\s/.test(text) && !/(Z|[+-]\d\d:\d\d)$/.test(text) ? `${text.replace(' ', 'T')}Z` : text;
}

function medianInterval(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  const gaps = sorted.slice(1).map((time, i) => time - sorted[i]);
  return gaps.toSorted((a, b) => a - b)[gaps.length >> 1];
}

function sequenceTable(roles: Roles): SequenceTable {
  const { path, columns, time, group, target } = roles;
  const lists = rowsOf(roles);
  const isClass =
    !target.isNumber ||
    (target.distinct <= MAX_NUMBERED_CLASSES && target.cells.every(cell => Number.isInteger(Number(cell))));
  if (target.missing > 0) throw nothing(path, `its target ${target.name} has ${target.missing} empty cells`);
  if (target.distinct < 2) throw nothing(path, `its target ${target.name} has the same value everywhere`);
  const { features, unused } = featuresOf(roles);
  const symbols = features.length === 0 && group !== undefined ? columns.find(isSymbols(roles)) : undefined;
  const chosen = symbols ? [symbols] : features;
  if (chosen.length === 0) throw nothing(path, 'none of its columns is a feature: a number in every row');
  return {
    kind: 'csv',
    rows: target.cells.length,
    target: target.name,
    targetKind: isClass ? 'class' : 'value',
    ...(isClass && { classes: target.distinct }),
    features: chosen.map(({ name }) => name),
    unused: unused.filter(({ name }) => name !== symbols?.name),
    symbols: symbols !== undefined,
    ...(group && { group: group.name, ...(time && time.missing === 0 && { time: time.name }) }),
    perStep: group !== undefined && !isConstantWithin(lists, target),
    sequences: group === undefined ? target.cells.length : lists.length,
  };
}

function isSymbols({ time, group, target }: Roles): (column: Column) => boolean {
  return column => ![time, group, target].includes(column) && column.missing === 0;
}

function featuresOf({
  columns,
  time,
  group,
  target,
}: Roles): Pick<Common, 'unused'> & { features: readonly Column[] } {
  const others = columns.filter(column => ![time, group, target].includes(column));
  const reason = ({ isNumber, missing, distinct }: Column): string | undefined => {
    if (missing > 0) return `${missing} empty cells`;
    if (!isNumber) return 'not numbers';
    return distinct === 1 ? 'the same value everywhere' : undefined;
  };
  return {
    features: others.filter(column => reason(column) === undefined),
    unused: others.flatMap(column => {
      const why = reason(column);
      return why === undefined ? [] : [{ name: column.name, reason: why }];
    }),
  };
}

function nothing(path: string, why: string) {
  return usageError({
    code: 'init/nothing-to-learn',
    message: `no config can be made for this table: ${why}`,
    file: path,
    expected:
      'a column to predict and columns of numbers to predict it from; --target, --group and --time name them',
  });
}
