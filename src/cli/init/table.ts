/** Guesses the roles of the columns of a table for `init`. */
import type { Delimiter } from '../../data/formats/csv-records.js';
import { usageError } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import {
  ascends,
  type Column,
  DATE_NAMES,
  describeBad,
  medianInterval,
  readColumns,
  type SplitDates,
  splitDates,
  utc,
} from './columns.js';

/** Columns named by the user. The others are guessed. */
export interface NamedColumns {
  readonly target?: string | undefined;
  readonly group?: string | undefined;
  readonly time?: string | undefined;
}

/** A table and the task that it fits. */
export type Table = SequenceTable | SeriesTable;

interface Common {
  readonly delimiter: Delimiter;
  readonly rows: number;
  readonly target: string;
  /** Names of the feature columns. */
  readonly features: readonly string[];
  /** Columns that are not used, with the reason. */
  readonly unused: readonly { readonly name: string; readonly reason: string }[];
  readonly time?: string;
  /** Further columns that could be the target; empty if the user named it. */
  readonly otherTargets: readonly string[];
}

/** Sequences with a class or a number to predict. */
export interface SequenceTable extends Common {
  readonly kind: 'csv';
  readonly targetKind: 'class' | 'value';
  readonly classes?: number;
  /** `symbol` and `text`: the only feature is a column of symbols or texts. */
  readonly inputKind: 'number' | 'symbol' | 'text';
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
  /** The target of each series, in the order of time. */
  readonly values: readonly (readonly number[])[];
  /** Columns known in advance. */
  readonly known: readonly string[];
  /** The columns whose dates ascend in the order of the file; absent if there is a `time`. */
  readonly fileOrder?: string;
}

/** Common names of columns by role. */
const USUAL = {
  group:
    /(^|[_ .-])(ids?|group|series|sequence|seq|session|subject|recording|trial|store|device|sensor|station|user|patient|ticker|symbol|episode|item)$/i,
  time: /^(time|times|timestamp|datetime|date|day|hour|week|month|year|step|t|second|seconds|minute|sample|order|index|frame|tick|ds)$/i,
  target: /^(label|labels|class|target|y|outcome|category|species|result)$/i,
  measure:
    /(^|[_ .-])(values?|sales|demand|load|count|total|close|consumption|revenue|visitors|quantity|amount)$/i,
} as const;
/** A column of integers or texts with more distinct values is not guessed to be a class. */
const MAX_GUESSED_CLASSES = 20;
/** Minimum length of the shortest series of a forecast. */
const MIN_FORECAST_STEPS = 40;

/**
 * Reads the table at `path` and guesses the roles of its columns.
 * @throws UserError (exit 2) if a named column does not exist, or nothing can be predicted
 * @throws UserError (exit 5) if the table is damaged
 */
export async function readTable(path: string, named: NamedColumns): Promise<Table> {
  const { columns, delimiter } = await readColumns(path);
  const find = (role: keyof NamedColumns): Column | undefined => {
    const name = named[role];
    if (name === undefined) return undefined;
    const found = columns.find(column => column.name === name);
    if (found) return found;
    const suggestion = nearest(
      name,
      columns.map(column => column.name),
    );
    throw usageError({
      code: 'init/no-column',
      message: `${path} has no column ${JSON.stringify(name)}`,
      file: `--${role}`,
      expected: columns.map(column => column.name).join(', '),
      got: name,
      ...(suggestion !== undefined && { suggestion }),
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
  const dates = asked.time ?? columns.find(column => free(column) && column.isTime);
  const split = dates === undefined ? splitDates(columns.filter(free)) : undefined;
  const isOfDates = (column: Column): boolean => column === dates || split?.columns.includes(column) === true;
  const group = asked.group ?? columns.find(column => free(column) && !isOfDates(column) && isGroup(column));
  const series = rowsOf(columns, group);
  const fileOrder = split && ascends(split, series) ? split : undefined;
  const time =
    dates ??
    (fileOrder ? undefined : columns.find(column => free(column) && column !== group && isStep(column)));
  const roles = { path, delimiter, columns, time, fileOrder, group, rows: series };
  const candidates = columns.filter(
    column => column !== time && column !== group && fileOrder?.columns.includes(column) !== true,
  );
  const target = asked.target ?? guessTarget(roles, candidates);
  if (target === undefined) throw nothing(path, 'it has no column to predict');
  const isGuessed = asked.target === undefined;
  const others = candidates.filter(
    column =>
      isGuessed && column !== target && column.bad === undefined && (isMeasure(column) || isLabel(column)),
  );
  const otherTargets = others.map(({ name }) => name);
  const complete: Roles = { ...roles, target, otherTargets };
  return isForecast(complete) ? seriesTable(complete) : sequenceTable({ ...complete, fileOrder: undefined });
}

function isStep({ isNumber, name }: Column): boolean {
  return isNumber && USUAL.time.test(name);
}

/**
 * By its usual name; else a number to forecast if the steps have dates; else texts of few kinds;
 * else the last number.
 */
function guessTarget(roles: Omit<Roles, 'target' | 'otherTargets'>, candidates: readonly Column[]) {
  const { time, fileOrder, group, rows } = roles;
  const whole = candidates.filter(({ bad }) => bad === undefined);
  const usual = whole.find(({ name }) => USUAL.target.test(name));
  if (usual) return usual;
  const labels = whole.filter(isLabel);
  const measure = bestMeasure(whole.filter(isMeasure));
  const hasDates = fileOrder !== undefined || (time?.isTime === true && isOrdered({ time, rows }));
  if (hasDates && measure && stepsOf(rows) >= MIN_FORECAST_STEPS) return measure;
  const ofGroups = group && labels.findLast(column => isConstantWithin(rows, column));
  if (ofGroups) return ofGroups;
  // several columns of words describe what a number belongs to
  if (labels.length === 1 || labels.includes(whole[whole.length - 1])) return labels[labels.length - 1];
  const numbers = whole.filter(column => column.isNumber && !isIdentifier(column));
  return measure ?? numbers.at(-1) ?? labels.at(-1) ?? whole.at(-1);
}

function bestMeasure(measures: readonly Column[]): Column | undefined {
  const isReal = ({ cells, distinct }: Column): boolean =>
    distinct > MAX_GUESSED_CLASSES || cells.some(cell => !Number.isInteger(Number(cell)));
  return (
    measures.findLast(({ name }) => USUAL.measure.test(name)) ??
    measures.findLast(isReal) ??
    measures[measures.length - 1]
  );
}

/** A number other than a flag, an identifier or a part of a date. */
function isMeasure(column: Column): boolean {
  const { isNumber, distinct, name } = column;
  const isOfDate = [USUAL.time, DATE_NAMES.month, DATE_NAMES.day, DATE_NAMES.weekday].some(usual =>
    usual.test(name),
  );
  return isNumber && distinct > 2 && !isOfDate && !isIdentifier(column);
}

/** Texts that repeat. */
function isLabel({ isNumber, isTime, distinct, cells }: Column): boolean {
  return (
    !isNumber && !isTime && distinct >= 2 && distinct <= MAX_GUESSED_CLASSES && 2 * distinct <= cells.length
  );
}

function isIdentifier(column: Column): boolean {
  return USUAL.group.test(column.name) || numbersRows(column);
}

/** Whole numbers that rise by one from row to row, in the first column. */
function numbersRows({ index, isNumber, cells }: Column): boolean {
  return (
    index === 0 && isNumber && cells.every((cell, i) => i === 0 || Number(cell) === Number(cells[i - 1]) + 1)
  );
}

interface Roles {
  readonly path: string;
  readonly delimiter: Delimiter;
  readonly columns: readonly Column[];
  readonly time: Column | undefined;
  readonly fileOrder: SplitDates | undefined;
  readonly group: Column | undefined;
  readonly target: Column;
  readonly otherTargets: readonly string[];
  /** Rows of each group; all of them without one. */
  readonly rows: readonly (readonly number[])[];
}

/** True for repeated values with a name like `id`, or for texts that each form one block. */
function isGroup({ name, cells, distinct, isNumber, isTime, missing }: Column): boolean {
  if (missing > 0 || isTime || distinct < 2 || 2 * distinct > cells.length) return false;
  if (USUAL.target.test(name)) return false;
  if (USUAL.group.test(name)) return true;
  const runs = cells.filter((cell, i) => cell !== cells[i - 1]).length;
  return !isNumber && runs === distinct && distinct > 10;
}

function rowsOf(columns: readonly Column[], group: Column | undefined): Roles['rows'] {
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
  const { time, fileOrder, group, target, rows } = roles;
  if (!target.isNumber || target.bad !== undefined) return false;
  if (fileOrder) return true;
  if (time === undefined || !isOrdered({ time, rows })) return false;
  return group === undefined ? time.isTime || target.distinct > 2 : !isConstantWithin(rows, target);
}

/** Whether each time occurs once in its series. */
function isOrdered({ time, rows }: { readonly time: Column; readonly rows: Roles['rows'] }): boolean {
  return (
    time.missing === 0 && rows.every(list => new Set(list.map(row => time.cells[row])).size === list.length)
  );
}

/** Of the shortest series. */
function stepsOf(rows: Roles['rows']): number {
  return Math.min(...rows.map(list => list.length));
}

function seriesTable(roles: Roles): SeriesTable {
  const { path, time, fileOrder, group, target, otherTargets, rows } = roles;
  const steps = stepsOf(rows);
  if (steps < MIN_FORECAST_STEPS)
    throw nothing(path, `its shortest series has ${steps} steps, and a forecast needs ${MIN_FORECAST_STEPS}`);
  const { features, unused } = featuresOf(roles);
  const timeOf = fileOrder
    ? (row: number) => fileOrder.times[row]
    : time?.isTime
      ? (row: number) => Date.parse(utc(time.cells[row]))
      : undefined;
  const interval = timeOf && medianInterval(rows[0].map(timeOf));
  const keyOf = timeOf ?? ((row: number) => Number(time?.cells[row] ?? row));
  const values = rows.map(list =>
    list.toSorted((a, b) => keyOf(a) - keyOf(b)).map(row => Number(target.cells[row])),
  );
  return {
    kind: 'forecast',
    delimiter: roles.delimiter,
    rows: target.cells.length,
    target: target.name,
    otherTargets,
    features: features.map(({ name }) => name),
    unused,
    known: fileOrder?.known.map(({ name }) => name) ?? [],
    ...(fileOrder && { fileOrder: fileOrder.columns.map(({ name }) => name).join(', ') }),
    ...(time && { time: time.name }),
    ...(group && { series: group.name }),
    steps,
    ...(interval !== undefined && { interval }),
    values,
  };
}

function sequenceTable(roles: Roles): SequenceTable {
  const { path, time, group, target, otherTargets, rows } = roles;
  const isClass =
    !target.isNumber ||
    (target.distinct <= MAX_GUESSED_CLASSES && target.cells.every(cell => Number.isInteger(Number(cell))));
  // a few words among few numbers are names of classes
  if (target.missing > 0 || (target.bad && target.distinct > MAX_GUESSED_CLASSES))
    throw nothing(path, `its target ${target.name} has bad cells: ${describeBad(target)}`);
  if (target.distinct < 2) throw nothing(path, `its target ${target.name} has the same value everywhere`);
  const { features, unused } = featuresOf(roles);
  const words = features.length === 0 ? columnOfWords(roles) : undefined;
  const chosen = words ? [words] : features;
  if (chosen.length === 0) throw nothing(path, 'no column has a number or a text in every row');
  return {
    kind: 'csv',
    delimiter: roles.delimiter,
    rows: target.cells.length,
    target: target.name,
    otherTargets,
    targetKind: isClass ? 'class' : 'value',
    ...(isClass && { classes: target.distinct }),
    features: chosen.map(({ name }) => name),
    unused: [
      ...unused.filter(({ name }) => name !== words?.name),
      ...(time && !group
        ? [{ name: time.name, reason: 'it orders the rows of a group, and there is none' }]
        : []),
    ],
    inputKind: words === undefined ? 'number' : group === undefined ? 'text' : 'symbol',
    ...(group && { group: group.name, ...(time && time.missing === 0 && { time: time.name }) }),
    perStep: group !== undefined && !isConstantWithin(rows, target),
    sequences: group === undefined ? target.cells.length : rows.length,
  };
}

/**
 * The column of symbols of a table with groups, else that of texts; a text is longer than what else
 * a row has, such as a name.
 */
function columnOfWords({ columns, time, group, target }: Roles): Column | undefined {
  const words = columns.filter(
    column => ![time, group, target].includes(column) && column.bad === undefined && column.missing === 0,
  );
  if (group !== undefined) return words[0];
  const size = ({ cells }: Column): number => cells.reduce((sum, cell) => sum + cell.length, 0);
  return words
    .filter(({ isNumber, isTime, distinct }) => !isNumber && !isTime && distinct > 1)
    .toSorted((a, b) => size(b) - size(a))[0];
}

function featuresOf(roles: Roles): Pick<Common, 'unused'> & { features: readonly Column[] } {
  const { columns, time, fileOrder, group, target } = roles;
  const used = [time, group, target, ...(fileOrder?.columns ?? [])];
  const others = columns.filter(column => !used.includes(column));
  const reason = (column: Column): string | undefined => {
    const { isNumber, isTime, distinct } = column;
    const bad = describeBad(column);
    if (bad !== undefined) return bad;
    if (isTime) return 'dates';
    if (!isNumber) return 'not numbers';
    if (numbersRows(column)) return 'it numbers the rows';
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
      'a column to predict, and columns of numbers or one of texts to predict it from; --target, --group and --time name them',
  });
}
