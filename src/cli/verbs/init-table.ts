/** Reads a table and guesses the roles of its columns for `init`. */
import { Problems } from '../../data/core/problems.js';
import { badNumber, COMMA_NUMBER, cellNumber, isMissing, orderKey } from '../../data/csv-columns.js';
import { isParquet } from '../../data/formats/parquet.js';
import {
  guessDelimiter,
  type RowPlace,
  readTable as readRows,
  rowName,
  type TableHandlers,
} from '../../data/formats/tables.js';
import { oneChunk } from '../../data/reading/byte-sources.js';
import { readContent } from '../../data/reading/files.js';
import { damagedError, damagedErrors, usageError } from '../../util/errors.js';
import { counted } from '../../util/words.js';

type Column = ReturnType<typeof columnOf>;

export interface NamedColumns {
  readonly target?: string | undefined;
  readonly group?: string | undefined;
  readonly time?: string | undefined;
}

interface Order {
  readonly columns: readonly Column[];
  /** By row; of dates, milliseconds since 1970. */
  readonly at: readonly number[];
  readonly isDate: boolean;
  /** False if no single column has an order that a config can use: the rows of the file have it. */
  readonly isColumn: boolean;
}

export type Table = Awaited<ReturnType<typeof readTable>>;

const USUAL = {
  group:
    /(^|[_ .-])(ids?|group|series|sequence|seq|session|subject|recording|trial|store|device|sensor|station|user|patient|ticker|symbol|episode|item)$/i,
  time: /^(time|times|timestamp|datetime|date|day|hour|week|month|year|step|t|second|seconds|minute|sample|order|index|frame|tick|ds)$/i,
  year: /^(year|yr)$/i,
  month: /^(month|mon)$/i,
  day: /^(day|date|mday|day_of_month|date_of_month)$/i,
  weekday: /^(weekday|dow|day_of_week)$/i,
  target: /^(label|labels|class|target|y|outcome|category|species|result)$/i,
  measure:
    /(^|[_ .-])(values?|sales|demand|load|count|total|close|consumption|revenue|visitors|quantity|amount)$/i,
} as const;
const MAX_GUESSED_CLASSES = 20;
const MIN_FORECAST_STEPS = 40;

export async function readTable(path: string, named: NamedColumns) {
  const { columns, delimiter } = await readColumns(path);
  const [asked, askedGroup, askedTime] = (['target', 'group', 'time'] as const).map(role =>
    columnNamed(role, named[role], columns, path),
  );
  const given = [asked, askedGroup, askedTime].filter(column => column !== undefined);
  if (new Set(given).size < given.length)
    throw usageError('init/same-column', 'two of --target, --group and --time are equal');
  const free = columns.filter(column => !given.includes(column));
  const time = askedTime ?? free.find(({ isTime }) => isTime);
  const dates = time ? orderBy(time) : splitDates(free);
  const group = askedGroup ?? free.find(column => !dates?.columns.includes(column) && isGroup(column));
  const rows = rowsOf(columns[0].cells, group);
  const steps = free.find(column => column !== group && column.isNumber && USUAL.time.test(column.name));
  const hasDates = dates && (dates.isColumn || ascends(dates, rows));
  const order = hasDates ? dates : steps && orderBy(steps);
  if (order) for (const list of rows) list.sort((a, b) => order.at[a] - order.at[b] || a - b);
  const shortest = Math.min(...rows.map(list => list.length));
  const isOrdered = order !== undefined && ascends(order, rows);
  const roles: Roles = { columns, group, rows, shortest, order, isOrdered };
  const candidates = columns.filter(column => column !== group && !order?.columns.includes(column));
  const target = asked ?? guessTarget(candidates, roles);
  if (target === undefined) throw nothing(path, 'it has no column to predict');
  const otherTargets = candidates.filter(
    column => !asked && column !== target && !column.problem && (isMeasure(column) || isLabel(column)),
  );
  const isSeries = isForecast(target, roles);
  if (isSeries && shortest < MIN_FORECAST_STEPS) {
    const needed = `a forecast needs ${MIN_FORECAST_STEPS}`;
    throw nothing(path, `its shortest series has ${shortest} steps, and ${needed}`);
  }
  const orderedBy = order?.isColumn ? order.columns[0] : undefined;
  const { features, unused } = featuresOf(target, roles, isSeries ? (order?.columns ?? []) : [orderedBy]);
  const words = isSeries || features.length > 0 ? undefined : columnOfWords(target, roles, orderedBy);
  const why = isSeries ? undefined : unusable(target, words ? [words] : features);
  if (why !== undefined) throw nothing(path, why);
  const isAlone = !isSeries && group === undefined;
  if (isAlone && orderedBy)
    unused.push({ name: orderedBy.name, reason: 'it orders the rows of a group, and there is none' });
  return {
    /** `csv`: sequences with a class or a number to predict; `forecast`: time series. */
    kind: isSeries ? 'forecast' : 'csv',
    delimiter,
    target,
    isClass: !target.isNumber || (target.distinct <= MAX_GUESSED_CLASSES && isWhole(target)),
    perStep: group !== undefined && !isConstantWithin(rows, target),
    /** Further columns that could be the target; empty if the user named it. */
    otherTargets: namesOf(otherTargets),
    features: namesOf(words ? [words] : features),
    /** `symbol` and `text`: the only feature is a column of symbols or texts. */
    inputKind: words === undefined ? 'number' : group === undefined ? 'text' : 'symbol',
    unused: unused.filter(({ name }) => name !== words?.name),
    group: group?.name,
    time: !isAlone && orderedBy?.isFull ? orderedBy.name : undefined,
    /** Columns of the dates that order the rows of the file. */
    fileOrder: isSeries && order && !order.isColumn ? namesOf(order.columns) : [],
    /** Rows of each sequence or series, in their order. */
    rows: isAlone ? target.cells.map((_, row) => [row]) : rows,
    /** Milliseconds between two steps; undefined if there are no dates. */
    interval: isSeries && order?.isDate ? medianInterval(rows[0].map(row => order.at[row])) : undefined,
  } as const;
}

function namesOf(columns: readonly Column[]): string[] {
  return columns.map(({ name }) => name);
}

interface Roles {
  readonly columns: readonly Column[];
  readonly group: Column | undefined;
  /** Rows of each group, in the order of time; all of them without a group. */
  readonly rows: readonly (readonly number[])[];
  /** Number of rows of the smallest group. */
  readonly shortest: number;
  readonly order: Order | undefined;
  /** True if each time occurs once in its group. */
  readonly isOrdered: boolean;
}

function unusable(target: Column, features: readonly Column[]): string | undefined {
  const { name, isFull, problem, distinct } = target;
  // a few words among few numbers are names of classes
  if (!isFull || (problem && distinct > MAX_GUESSED_CLASSES))
    return `its target ${name} has bad cells: ${problem}`;
  if (distinct < 2) return `its target ${name} has the same value everywhere`;
  return features.length === 0 ? 'no column has a number or a text in every row' : undefined;
}

async function readColumns(path: string) {
  const { bytes } = await readContent(path);
  const delimiter = isParquet(bytes) ? ',' : guessDelimiter(bytes);
  const problems = new Problems();
  const found: { name: string; cells: string[]; unreadable: string | undefined }[] = [];
  const places: RowPlace[] = [];
  const handlers: TableHandlers = {
    header({ fields }, parquet) {
      for (const [i, name] of fields.entries())
        found.push({ name, cells: [], unreadable: parquet?.[i].unreadable });
    },
    add({ fields, row }) {
      places.push(row);
      for (const [i, { cells }] of found.entries()) cells.push(fields[i].trim());
    },
    ragged: (_, problem) => problems.add(problem),
  };
  for await (const _ of readRows(oneChunk(path, bytes), handlers, { delimiter }));
  problems.throwIfAny();
  const isHeadless = !isParquet(bytes) && found.every(({ name }) => cellNumber(name) !== undefined);
  if (places.length === 0 || isHeadless)
    throw damagedError('init/table', isHeadless ? 'its first line has numbers' : 'the table has no rows', {
      file: path,
      expected: 'a line with the names of the columns, and rows below it',
    });
  for (const { name, cells } of found) {
    const comma = cells.findIndex(cell => COMMA_NUMBER.test(cell));
    const numbers = cells.filter(cell => COMMA_NUMBER.test(cell) || cellNumber(cell) !== undefined);
    if (comma >= 0 && 2 * numbers.length > cells.length)
      throw damagedErrors([badNumber(cells[comma], { ...places[comma], columnName: name })]);
  }
  const columns = found.map(({ name, cells, unreadable }) => columnOf(name, cells, unreadable, places));
  return { columns, delimiter };
}

function columnOf(
  name: string,
  cells: readonly string[],
  unreadable: string | undefined,
  places: readonly RowPlace[],
) {
  const rowsWhere = (test: (cell: string) => boolean): number[] =>
    cells.flatMap((cell, row) => (test(cell) ? [row] : []));
  const empty = rowsWhere(isMissing);
  const words = rowsWhere(cell => !isMissing(cell) && cellNumber(cell) === undefined);
  const undated = rowsWhere(cell => !isMissing(cell) && Number.isNaN(timeOf(cell)));
  const present = cells.length - empty.length;
  const areFew = (rows: readonly number[]): boolean => rows.length > 0 && 4 * rows.length < present;
  const [what, bad] = areFew(words)
    ? ['not a number', words]
    : areFew(undated)
      ? ['not a date', undated]
      : ['empty', empty];
  const where = () => `${what} in ${counted(bad.length, 'row')}, first in ${rowName(places[bad[0]])}`;
  return {
    name,
    cells,
    isNumber: present > 0 && words.length === 0,
    isTime: present > 0 && undated.length === 0,
    isFull: empty.length === 0,
    distinct: new Set(cells).size,
    problem: unreadable ?? (bad.length === 0 ? undefined : where()),
  };
}

const timeOf = orderKey(false);

function columnNamed(
  role: keyof NamedColumns,
  name: string | undefined,
  columns: readonly Column[],
  path: string,
): Column | undefined {
  const found = columns.find(column => column.name === name);
  if (found || name === undefined) return found;
  throw usageError('init/no-column', `${path} has no column ${JSON.stringify(name)}`, {
    file: `--${role}`,
    expected: columns.map(column => column.name).join(', '),
  });
}

function orderBy(column: Column): Order {
  const keyOf = (cell: string) => (isMissing(cell) ? Number.NaN : Number(cell));
  const at = column.cells.map(column.isTime ? timeOf : keyOf);
  return { columns: [column], at, isDate: column.isTime, isColumn: true };
}

const LOCAL_DATE = /^(\d{1,2})[./-](\d{1,2})[./-](\d{4})$/;

/**
 * Columns for year, month and day, whose months and days are known in advance, or a column with
 * dates like 31.12.2024 or ../../2024.
 */
function splitDates(columns: readonly Column[]): Order | undefined {
  const [year, month, ...rest] = (['year', 'month', 'day', 'weekday'] as const).map(part =>
    columns.find(({ isNumber, isFull, name }) => isNumber && isFull && USUAL[part].test(name)),
  );
  if (year && month) {
    const [day] = rest;
    const at = year.cells.map((cell, row) =>
      Date.UTC(Number(cell), Number(month.cells[row]) - 1, Number(day?.cells[row] ?? 1)),
    );
    const parts = rest.filter(column => column !== undefined);
    return { columns: [year, month, ...parts], at, isDate: true, isColumn: false };
  }
  for (const column of columns) {
    const parts = column.cells.map(cell => LOCAL_DATE.exec(cell)?.slice(1).map(Number) ?? []);
    for (const [day, month] of [
      [0, 1],
      [1, 0],
    ])
      if (parts.every(part => part[month] <= 12 && part[day] <= 31)) {
        const at = parts.map(part => Date.UTC(part[2], part[month] - 1, part[day]));
        return { columns: [column], at, isDate: true, isColumn: false };
      }
  }
  return undefined;
}

/** True if each group has its rows in this order, each time once. */
function ascends({ at }: Order, rows: readonly (readonly number[])[]): boolean {
  return rows.every(list =>
    list.every((row, i) => (i === 0 ? !Number.isNaN(at[row]) : at[row] > at[list[i - 1]])),
  );
}

function medianInterval(times: readonly number[]): number {
  const gaps = times.slice(1).map((time, i) => time - times[i]);
  return gaps.sort((a, b) => a - b)[gaps.length >> 1];
}

/**
 * By its usual name; else a number to forecast if the steps have dates; else texts of few kinds;
 * else the last number.
 */
function guessTarget(candidates: readonly Column[], roles: Roles): Column | undefined {
  const { group, rows, shortest, order, isOrdered } = roles;
  const whole = candidates.filter(({ problem }) => problem === undefined);
  const usual = whole.find(({ name }) => USUAL.target.test(name));
  if (usual) return usual;
  const labels = whole.filter(isLabel);
  const measures = whole.filter(isMeasure);
  const measure =
    measures.findLast(({ name }) => USUAL.measure.test(name)) ??
    measures.findLast(column => column.distinct > MAX_GUESSED_CLASSES || !isWhole(column)) ??
    measures.at(-1);
  if (order?.isDate && isOrdered && measure && shortest >= MIN_FORECAST_STEPS) return measure;
  const ofGroups = group && labels.findLast(column => isConstantWithin(rows, column));
  if (ofGroups) return ofGroups;
  // several columns of words describe what a number belongs to
  const last = whole.at(-1);
  if (labels.length === 1 || (last && labels.includes(last))) return labels.at(-1);
  const numbers = whole.filter(column => column.isNumber && !isIdentifier(column));
  return measure ?? numbers.at(-1) ?? labels.at(-1) ?? last;
}

/** A number other than a flag, an identifier or a part of a date. */
function isMeasure(column: Column): boolean {
  const { isNumber, distinct, name } = column;
  const ofDates = [USUAL.time, USUAL.month, USUAL.day, USUAL.weekday];
  return isNumber && distinct > 2 && !ofDates.some(usual => usual.test(name)) && !isIdentifier(column);
}

function isLabel({ isNumber, isTime, distinct, cells }: Column): boolean {
  const areFew = distinct >= 2 && distinct <= MAX_GUESSED_CLASSES && 2 * distinct <= cells.length;
  return !isNumber && !isTime && areFew;
}

function isIdentifier(column: Column): boolean {
  return USUAL.group.test(column.name) || numbersRows(column);
}

/** Whole numbers that rise by one from row to row, or a name that pandas writes to Parquet. */
function numbersRows(column: Column): boolean {
  const { name, isNumber, cells } = column;
  const rises = (cell: string, i: number) => i === 0 || Number(cell) === Number(cells[i - 1]) + 1;
  return /^__index_level_\d+__$/.test(name) || (isNumber && isWhole(column) && cells.every(rises));
}

/** True for repeated values with a name like `id`, or for texts that each form one block. */
function isGroup({ name, cells, distinct, isNumber, isTime, isFull }: Column): boolean {
  if (!isFull || isTime || distinct < 2 || 2 * distinct > cells.length) return false;
  if (USUAL.target.test(name)) return false;
  const blocks = cells.filter((cell, i) => cell !== cells[i - 1]).length;
  return USUAL.group.test(name) || (!isNumber && blocks === distinct && distinct > 10);
}

function rowsOf(cells: readonly string[], group: Column | undefined): number[][] {
  const rows = new Map<string, number[]>();
  for (const row of cells.keys()) {
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
function isForecast(target: Column, { order, isOrdered, group, rows }: Roles): boolean {
  if (order === undefined || !isOrdered || !target.isNumber || target.problem) return false;
  return group ? !isConstantWithin(rows, target) : order.isDate || target.distinct > 2;
}

/**
 * The column of symbols of a table with groups, else that of texts; a text is longer than what else
 * a row has, such as a name.
 */
function columnOfWords(
  target: Column,
  { columns, group }: Roles,
  time: Column | undefined,
): Column | undefined {
  const words = columns.filter(column => ![time, group, target].includes(column) && !column.problem);
  if (group !== undefined) return words[0];
  const size = ({ cells }: Column): number => cells.reduce((sum, cell) => sum + cell.length, 0);
  return words
    .filter(({ isNumber, isTime, distinct }) => !isNumber && !isTime && distinct > 1)
    .toSorted((a, b) => size(b) - size(a))[0];
}

function featuresOf(
  target: Column,
  { columns, group }: Roles,
  ordering: readonly (Column | undefined)[],
): { features: Column[]; unused: { name: string; reason: string }[] } {
  const features: Column[] = [];
  const unused: { name: string; reason: string }[] = [];
  for (const column of columns.filter(one => ![target, group, ...ordering].includes(one))) {
    const { name, problem, isNumber, isTime, distinct } = column;
    const reasons: readonly (readonly [boolean, string])[] = [
      [problem !== undefined, String(problem)],
      [isTime, 'dates'],
      [!isNumber, 'not numbers'],
      [numbersRows(column), 'it numbers the rows'],
      [distinct === 1, 'the same value everywhere'],
    ];
    const found = reasons.find(([isSo]) => isSo);
    if (found) unused.push({ name, reason: found[1] });
    else features.push(column);
  }
  return { features, unused };
}

function isWhole({ cells }: Column): boolean {
  return cells.every(cell => Number.isInteger(Number(cell)));
}

function nothing(path: string, why: string) {
  return usageError('init/nothing-to-learn', `no config can be made for this table: ${why}`, {
    file: path,
    expected:
      'a column to predict, and columns of numbers or one of texts to predict it from; --target, --group and --time name them',
  });
}
