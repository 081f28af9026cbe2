/** How the rows of a table belong together: which column groups them, and which orders them. */
import { differences } from '../data/forecast/times.js';
import { usageError } from '../util/errors.js';
import { counted } from '../util/words.js';
import { type Column, type Columns, columnNamed, countsOf, isWhole, keysOf } from './columns.js';
import {
  areOrdinals,
  formsBlocks,
  isConstantWithin,
  isKind,
  namesAmong,
  type Places,
  placesOf,
  type Recordings,
  recordingsWithin,
  rowsOfEach,
  rowsOfParts,
  setsOf,
  smoothness,
  tellsByName,
  withLevelBetween,
} from './groups.js';
import { clockOf, isClock, isMeasure } from './kinds.js';
import { isPartOfDate, isTarget, MIN_SUBJECTS, USUAL } from './names.js';

export interface NamedColumns {
  readonly target?: string | undefined;
  readonly group?: string | undefined;
  readonly time?: string | undefined;
}

export interface Order {
  readonly columns: readonly Column[];
  /** By row; of dates, milliseconds since 1970. */
  readonly at: readonly number[];
  readonly isDate: boolean;
  /**
   * False for several columns, by which no config can order rows: those of the file are in order.
   */
  readonly isColumn: boolean;
  /** True for a column known by its values alone: it counts the rows of each group. */
  readonly counts?: boolean;
  /** How many rows may have the time of another one by mistake. Default: none. */
  readonly allowed?: number;
}

export interface Layout {
  /** Its equal values form a sequence or series. */
  readonly group: Column | undefined;
  /** True if the files of a folder are the groups. */
  readonly perFile: boolean;
  /** Why these rows belong together. */
  readonly why: string | undefined;
  /** What keeps the rows from an order. */
  readonly obstacle?: string | undefined;
  /** Columns that surely only together say which rows belong together; none with `--group`. */
  readonly parts?: readonly Column[] | undefined;
  /** True if the last of these parts may do so alone. */
  readonly mayBeAlone?: boolean | undefined;
  /** Rows of a group with the same time, which have no order. */
  readonly repeated?: string | undefined;
  /** True if `rows` have the first of these only: the steps of `resample` have all of them. */
  readonly isMerged?: boolean;
  readonly order: Order | undefined;
  /** Rows of each group in their order; all of them without a group. */
  readonly rows: readonly (readonly number[])[];
  /** Number of rows of the smallest group. */
  readonly shortest: number;
}

type Parts = Pick<Layout, 'obstacle' | 'parts' | 'mayBeAlone'>;

/** Minimum fraction of rows with the time of another one, if a group is several recordings. */
const MIN_REPEATED = 0.25;
/** Maximum fraction of rows with the time of another one of their group by mistake. */
const MAX_REPEATED = 0.01;
/** The same for groups with a usual name: two events of a user may have one time. */
const MAX_TIED = 0.1;
/** Minimum fraction of all times of all groups that have a row, if words tell series. */
const MIN_FILLED = 0.75;
/** Minimum difference between correlations of neighbours that tells series. */
const MIN_ALIKE = 0.3;
/** Fewer groups whose rows are in no order and not side by side are kinds of rows. */
const MIN_SCATTERED = 20;

export function layoutOf(table: Columns, named: NamedColumns, path: string): Layout {
  const { columns, files } = table;
  const parts = named.time
    ?.split(',')
    .flatMap(part => columns.find(({ name }) => name === part.trim()) ?? []);
  const whole = parts && parts.length > 1 && table.joined?.(parts.map(({ name }) => name));
  const [asked, askedGroup, alone] = (['target', 'group', 'time'] as const).map(role =>
    role === 'time' && whole ? undefined : columnNamed(role, named[role], columns, path),
  );
  const askedTime = whole || alone;
  const given = [asked, askedGroup, askedTime].filter(column => column !== undefined);
  if (new Set(given).size < given.length)
    throw usageError('init/same-column', 'two of --target, --group and --time are equal');
  const free = columns.filter(column => !given.includes(column) && column.name !== '');
  const names = [...(askedGroup ? [askedGroup] : []), ...namesAmong(free.filter(isRepeated))];
  const orders = (
    askedTime
      ? [orderBy(askedTime, whole ? parts : [])]
      : [...datesOf(free, table), ...stepsOf(free, names), ...clocksOf(free)]
  ).filter(order => order.columns[0] !== askedGroup);
  for (const order of orders) {
    const layout = groupedFor(order);
    if (layout) return layout;
  }
  for (const order of orders) {
    const allowed = Math.max(1, MAX_REPEATED * order.at.length);
    const layout = order.isColumn && order.isDate && groupedFor({ ...order, allowed });
    if (!layout) continue;
    // names that are used again explain all equal times
    const split = layout.parts ? layout : joined(order, layout.group);
    if (split.parts) return { ...layout, ...split };
    // a group that was asked for is several ones
    if (split.mayBeAlone !== false) return { ...layout, ...tiesIn(order, layout) };
  }
  const found = groupFor(undefined);
  if (askedTime && !askedTime.isNumber && !askedTime.isTime)
    throw usageError(
      'init/time',
      `${askedTime.name} has neither dates nor numbers, so it cannot order rows`,
      {
        file: '--time',
        expected: 'a column of dates or numbers; --date-format says how dates are written',
        got: JSON.stringify(askedTime.cells[0]),
      },
    );
  if (askedTime) {
    const within = found.group ? ` of one ${found.group.name}` : '';
    const message = `${askedTime.name} has the same value in several rows${within}, so it cannot order them`;
    const expected = 'a column that differs from step to step, or no --time for the order of the file';
    throw usageError('init/time', message, { file: '--time', expected });
  }
  return { ...withRows({ ...found, order: undefined }), ...joined(orders[0], found.group) };

  /** Says which columns together tell equal times apart, since only one can group rows. */
  function joined(order: Order | undefined, group?: Column): Partial<Parts> {
    const isTime =
      order?.isDate || !order?.isColumn || order.counts || USUAL.time.test(order.columns[0].name);
    if (order === undefined || !isTime) return {};
    const fitting = setsOf(names).filter(
      parts =>
        parts.length > 1 &&
        (group === undefined || parts.includes(group)) &&
        isUnique(order, rowsOfParts(parts)) &&
        startTogether(order, rowsOfParts(parts)),
    );
    const sure = fitting.find(parts => repeatsIn(order, rowsIn(group)) || haveFacts(parts));
    const parts = sure && (recordingsBy(order, group)?.parts ?? withLevelBetween(sure, names));
    const split = parts ?? fitting.at(0);
    return split ? apart(`${order.columns[0].name} starts again in each ${listed(split)}`, parts) : {};
  }

  function apart(why: string, parts: readonly Column[] | undefined): Parts {
    const obstacle = `${why}, so no column alone says which rows belong together: --group takes several`;
    return { obstacle, parts: askedGroup ? undefined : parts, mayBeAlone: parts === undefined };
  }

  function unsure({ place, why }: Places, group: Column): Partial<Parts> {
    const obstacle = `${why}, and no other column tells if this is one ${group.name} or one in each ${place.name}`;
    return { obstacle, mayBeAlone: true };
  }

  /** True if a column is the same in all rows with equal parts, but not in those of one part. */
  function haveFacts(parts: readonly Column[]): boolean {
    const rows = rowsOfParts(parts);
    const isFact = (column: Column) =>
      isConstantWithin(rows, column) && parts.every(part => !isConstantWithin(rowsOfEach(part), column));
    return 2 * rows.length <= columns[0].cells.length && columns.some(isFact);
  }

  function rowsIn(group: Column | undefined): number[][] {
    return group ? rowsOfEach(group) : [[...columns[0].cells.keys()]];
  }

  /** With the group within which each time occurs once; undefined if there is none. */
  function groupedFor(order: Order): Layout | undefined {
    const found = groupFor(order);
    const rows = rowsIn(found.group);
    const isOrdered = order.isColumn ? isUnique(order, rows, found.group) : ascends(order, rows);
    if (!isOrdered || !startTogether(order, rows)) return undefined;
    refuseAmbiguous(order.columns[0], path);
    const recordings = files && found.group === files ? undefined : recordingsBy(order, found.group);
    if (recordings === undefined) return withRows({ ...found, order });
    const why = `${recordings.fact.name} is the same in all rows of each ${listed(recordings.parts)}`;
    const [group, ...others] = recordings.parts;
    if (others.length > 0) return { ...withRows({ ...found, order }), ...apart(why, recordings.parts) };
    return withRows(askedGroup ? { ...found, order } : { group, order, why });
  }

  /**
   * True if the rows of each value have the same facts, by which the table is not sorted: the rows
   * stand together, or are many that all have one target.
   */
  function holdsFacts(column: Column): boolean {
    const areTogether = formsBlocks(column);
    const { name, distinct } = column;
    if (isTarget(name) || isPartOfDate(name) || distinct < (areTogether ? MIN_SUBJECTS : MIN_SCATTERED))
      return false;
    const isFact = (fact: Column) =>
      fact !== column && !formsBlocks(fact) && (areTogether || isTarget(fact.name)) && isKind(fact);
    return columns.some(fact => isFact(fact) && isConstantWithin(rowsOfEach(column), fact));
  }

  /** True if neighbours in time are more alike within each value than in the whole table. */
  function holdsSeries(column: Column, { at }: Order): boolean {
    const [rows, whole] = [rowsOfEach(column), rowsIn(undefined)].map(all =>
      all.map(list => list.toSorted((a, b) => at[a] - at[b])),
    );
    return columns.some(
      other =>
        other !== column &&
        isMeasure(other) &&
        smoothness(other, rows) >= smoothness(other, whole) + MIN_ALIKE,
    );
  }

  function recordingsBy({ columns: ordering, at }: Order, group: Column | undefined): Recordings | undefined {
    const facts = columns.filter(column => !ordering.includes(column));
    return recordingsWithin(group, names, facts, at);
  }

  function groupFor(order: Order | undefined): {
    readonly group: Column | undefined;
    readonly why?: string | undefined;
  } {
    if (askedGroup) return { group: askedGroup };
    const candidates = [...(files ? [files] : []), ...free.filter(isRepeated)].filter(
      column => !order?.columns.includes(column),
    );
    const isAlone = order !== undefined && isUnique(order, rowsIn(undefined));
    const tells = (column: Column) => order !== undefined && isUnique(order, rowsOfEach(column), column);
    const whole = rowsIn(undefined);
    const startsAgain = (column: Column) =>
      order?.isDate === true &&
      order.isColumn &&
      column.distinct >= MIN_SUBJECTS &&
      !ascends(order, whole) &&
      ascends(order, rowsOfEach(column));
    const usual = candidates.filter(
      column =>
        column === files ||
        isUsualGroup(column, tells(column) && (!isAlone || startsAgain(column))) ||
        holdsFacts(column) ||
        (order === undefined && numbersBlocks(column)),
    );
    if (order === undefined || isAlone) {
      const isFew = ({ name, distinct }: Column) =>
        isAlone ? distinct < MIN_SUBJECTS || !USUAL.subject.test(name) : distinct < MIN_SCATTERED;
      const areKinds = (column: Column) =>
        !formsBlocks(column) && isFew(column) && !(order && holdsSeries(column, order));
      const finest = usual
        .filter(column => !areKinds(column) || holdsFacts(column))
        .toSorted((a, b) => b.distinct - a.distinct)[0];
      const why =
        finest && (formsBlocks(finest) ? `the rows of each ${finest.name} stand together` : undefined);
      return { group: finest, why };
    }
    const times = new Set(order.at).size;
    const isPanel = ({ cells, distinct }: Column) => cells.length >= MIN_FILLED * times * distinct;
    // words may tell a few equal times apart by chance
    const words = candidates.filter(
      candidate =>
        !candidate.isNumber &&
        !isTarget(candidate.name) &&
        (isPanel(candidate) || tellsByName(candidate, order.at)),
    );
    // numbers from 0 or 1 may be parts of the time
    const isNumbered = (column: Column) =>
      column.distinct > 2 &&
      tellsByName(column, order.at) &&
      (!areOrdinals(column) || holdsSeries(column, order));
    const numbers = candidates.filter(
      candidate =>
        candidate.isNumber &&
        !isTarget(candidate.name) &&
        !isPartOfDate(candidate.name) &&
        isNumbered(candidate),
    );
    const fewestFirst = [words, numbers].flatMap(list => list.toSorted((a, b) => a.distinct - b.distinct));
    const group = [...usual, ...fewestFirst].find(tells);
    const [time] = order.columns;
    const name = (time.parts ? [time] : order.columns).map(column => column.name).join(', ');
    return { group, ...(group && { why: `${name} starts again in each ${group.name}` }) };
  }

  function withRows({
    group,
    order,
    why,
  }: Pick<Layout, 'group' | 'order'> & { why?: string | undefined }): Layout {
    const rows = rowsIn(group);
    if (order?.isColumn) for (const list of rows) list.sort((a, b) => order.at[a] - order.at[b] || a - b);
    const facts = columns.filter(column => !order?.columns.includes(column));
    const places = group && group !== files ? placesOf(group, columns, facts) : undefined;
    return {
      ...(group && places && apart(places.why, [places.place, group])),
      ...(group && places && !places.areSure && unsure(places, group)),
      group,
      perFile: group !== undefined && group === files,
      why,
      order,
      rows,
      shortest: rows.reduce((least, list) => Math.min(least, list.length), Number.POSITIVE_INFINITY),
    };
  }
}

function listed(columns: readonly Column[]): string {
  return new Intl.ListFormat('en-GB').format(columns.map(({ name }) => name));
}

/** Maximum fraction of groups in which a value that is the same in all others is a mistake. */
const MAX_MISTAKEN = 0.05;
/** Columns with more values have no states that an event changes. */
const MAX_STATES = 5;

/**
 * Says in which groups a column has several values if it has one in nearly all of them, as if by
 * mistake.
 */
export function contradictionsIn(rows: Layout['rows'], group: Column, column: Column): string | undefined {
  const { name, cells, isValue, nameOf } = column;
  const changing: (readonly [first: number, other: number])[] = [];
  const constant: string[] = [];
  for (const list of rows) {
    const [first, ...others] = list.filter(row => isValue(cells[row]));
    const other = others.find(row => cells[row] !== cells[first]);
    if (other !== undefined) changing.push([first, other]);
    else if (first !== undefined) constant.push(cells[first]);
  }
  if (changing.length === 0 || changing.length > MAX_MISTAKEN * rows.length) return undefined;
  const [counts, all] = [countsOf(constant), countsOf(cells)];
  // an event changes one of few values to one that groups rarely have throughout, but not just once
  const isUsual = (row: number) =>
    (counts.get(cells[row]) ?? 0) >= changing.length || all.get(cells[row]) === 1;
  if (counts.size <= MAX_STATES && !changing.flat().every(isUsual)) return undefined;
  const [[first, other]] = changing;
  const [value, odd] = [first, other].map(row => `${JSON.stringify(cells[row])} in ${nameOf(row)}`);
  const more = changing.length > 1 ? `, and ${counted(changing.length - 1, 'other')}` : '';
  return `${name} is the same in all rows of each ${group.name} except ${group.cells[first]} (${value}, ${odd})${more}`;
}

/** A column with fewer gaps may group or order the rows, and the gaps are a mistake. */
const MAX_GAPS = 0.1;

export function isGappy({ cells, missing }: Column): boolean {
  return missing > MAX_GAPS * cells.length;
}

/** True for words or whole numbers whose values repeat: at most half as many as rows. */
function isRepeated(column: Column): boolean {
  const { cells, distinct, isNumber, isTime } = column;
  if (isGappy(column) || isTime || distinct < 2 || 2 * distinct > cells.length) return false;
  return !isNumber || isWhole(column);
}

/** True for a name like `id`, or if equal values stand together and are too many for classes. */
function isUsualGroup(column: Column, tellsTimesApart: boolean): boolean {
  const { name, distinct, isNumber } = column;
  if (isTarget(name)) return false;
  if (USUAL.group.test(name)) return true;
  return formsBlocks(column) && (tellsTimesApart || (!isNumber && distinct > MAX_CLASSES_IN_ORDER));
}

/** Rows with more values that stand together are not sorted by class. */
const MAX_CLASSES_IN_ORDER = 10;

/** True for the numbers of blocks of rows, from 0 or 1. */
function numbersBlocks({ name, cells, distinct }: Column): boolean {
  const rises = (cell: string, i: number) => [0, 1].includes(Number(cell) - Number(cells[i - 1] ?? cell));
  const isCount = /^[01]$/.test(cells[0]) && cells.every(rises);
  return isCount && distinct > MAX_CLASSES_IN_ORDER && !isTarget(name);
}

/** @param parts the columns that it is made of */
function orderBy(column: Column, parts: readonly Column[] = []): Order {
  return { columns: [column, ...parts], at: keysOf(column), isDate: column.isTime, isColumn: true };
}

/** Dates whose days and months cannot be told apart are asked for, never guessed. */
function refuseAmbiguous({ name, forms, cells }: Column, path: string): void {
  if (forms.length < 2) return;
  throw usageError('init/date-format', `the dates of ${name} can be read in ${forms.length} ways`, {
    file: path,
    expected: forms.map(form => `--date-format ${JSON.stringify(form)}`).join(' or '),
    got: cells[0],
  });
}

/** Columns of dates, those with a time of day beside them first, and of year, month and so on. */
function datesOf(columns: readonly Column[], { joined }: Columns): Order[] {
  const isDate = (column: Column) => column.isTime && !isGappy(column) && !USUAL.birth.test(column.name);
  const whole = (parts: readonly Column[], form?: string): Order[] => {
    const names = parts.map(({ name }) => name);
    const column = names.length > 1 ? joined?.(names, form) : undefined;
    const lacking = parts.reduce((sum, { missing }) => sum + missing, 0);
    return column?.isTime && column.missing <= lacking ? [orderBy(column, parts)] : [];
  };
  const days = columns.filter(isDate);
  const clocks = columns.filter(
    column => isClock(column) || (column.isNumber && USUAL.hour.test(column.name)),
  );
  const times = days.flatMap(day => clocks.flatMap(clock => whole([day, clock])));
  const [year, quarter, ...others] = (['year', 'quarter', 'month', 'day', 'hour', 'minute'] as const).map(
    part => columns.find(({ name, isFull, isTime }) => isFull && !isTime && USUAL[part].test(name)),
  );
  const all = [...times, ...days.map(day => orderBy(day))];
  if (!year?.isNumber) return all;
  const lacking = others.indexOf(undefined);
  const given = others.slice(0, lacking < 0 ? undefined : lacking).filter(other => other !== undefined);
  const month = given[0] && !given[0].isNumber && (given[0].cells.every(isShort) ? '%b' : '%B');
  const codes = ['%Y', month || '%m', '%d', '%H', '%M'].slice(0, 1 + given.length);
  if (given.length > 0 || !quarter?.isNumber) return [...all, ...whole([year, ...given], codes.join(' '))];
  const at = year.cells.map((cell, row) => Date.UTC(Number(cell), 3 * (Number(quarter.cells[row]) - 1)));
  return [...all, { columns: [year, quarter], at, isDate: true, isColumn: false }];
}

function isShort({ length }: string): boolean {
  return length <= 'Jan'.length;
}

function stepsOf(columns: readonly Column[], names: readonly Column[]): Order[] {
  const numbers = columns.filter(column => column.isNumber && !isGappy(column));
  const named = numbers.filter(({ name }) => USUAL.time.test(name));
  const counts = (column: Column) => countsSteps(column) || countsWithin(column, names);
  const counting = numbers.filter(column => !named.includes(column) && counts(column));
  return [
    ...named.map(column => orderBy(column)),
    ...counting.map(column => ({ ...orderBy(column), counts: true })),
  ];
}

/** Times without a date, by which no config can order rows. */
function clocksOf(columns: readonly Column[]): Order[] {
  return columns.flatMap(column => {
    const at = clockOf(column);
    return at ? [{ columns: [column], at, isDate: false, isColumn: false }] : [];
  });
}

/** True for numbers that rise by one and start again, several times. */
function countsSteps({ cells }: Column): boolean {
  const rises = cells.filter((cell, i) => i > 0 && Number(cell) === Number(cells[i - 1]) + 1).length;
  const starts = cells.filter(cell => cell === cells[0]).length;
  return starts > 2 && rises + starts === cells.length;
}

/** Fewer rows of a group may have such numbers by chance. */
const MIN_COUNTED = 5;

/** True for numbers that count the rows of each group that some names tell, in any order. */
function countsWithin(column: Column, names: readonly Column[]): boolean {
  if (!column.isFull || !areOrdinals(column)) return false;
  const at = column.cells.map(Number);
  const isCounted = (list: readonly number[]) =>
    new Set(list.map(row => at[row])).size === list.length &&
    earliest(at, list) === earliest(at, [...at.keys()]) &&
    list.every(row => at[row] < earliest(at, list) + list.length);
  return setsOf(names.filter(name => name !== column)).some(parts => {
    const rows = rowsOfParts(parts);
    return at.length >= MIN_COUNTED * rows.length && rows.every(isCounted);
  });
}

function earliest(at: readonly number[], rows: readonly number[]): number {
  return rows.reduce((least, row) => Math.min(least, at[row]), Number.POSITIVE_INFINITY);
}

/** True if each time occurs once in its group, but for the `allowed` rows. Some may be missing. */
function isUnique({ at, allowed = 0 }: Order, rows: Layout['rows'], group?: Column): boolean {
  let left = allowed > 0 && group && USUAL.group.test(group.name) ? MAX_TIED * at.length : allowed;
  return rows.every(list => {
    const times = list.map(row => at[row]).filter(time => !Number.isNaN(time));
    left -= times.length - new Set(times).size;
    return times.length > 0 && left >= 0;
  });
}

/** True if the numbers that count the rows of each group start alike. */
function startTogether({ at, counts }: Order, rows: Layout['rows']): boolean {
  return !counts || rows.every(list => earliest(at, list) === earliest(at, rows[0]));
}

/** True if many rows have the time of another one of their group. */
function repeatsIn({ at }: Order, rows: Layout['rows']): boolean {
  const different = rows.reduce((sum, list) => sum + new Set(list.map(row => at[row])).size, 0);
  return different <= (1 - MIN_REPEATED) * at.length;
}

/** Says how many rows have the time of the one before them; those of a file in order keep it. */
function tiesIn(order: Order, { group, rows }: Layout): Pick<Layout, 'repeated' | 'order'> {
  const {
    at,
    columns: [{ name, cells, nameOf }],
  } = order;
  const pairs = rows.flatMap(list => list.slice(1).map((row, i) => [list[i], row]));
  const same = pairs.filter(([a, b]) => at[a] === at[b]);
  const [earlier, later] = same[0];
  const [have, their] = same.length === 1 ? ['1 row has', 'its'] : [`${same.length} rows have`, 'their'];
  const within = group ? ` in ${their} ${group.name}` : '';
  const repeated = `${have} the ${name} of the row before${within}, first ${nameOf(later)} after ${nameOf(earlier)}: ${JSON.stringify(cells[later])}`;
  const isInOrder = rows.every(list => list.every((row, i) => i === 0 || row > list[i - 1]));
  return { repeated, order: isInOrder ? { ...order, isColumn: false } : order };
}

/** True for rows at any times, such as those of applications: a third of their steps are uneven. */
export function areScattered({ order, rows }: Layout): boolean {
  if (!order?.isDate) return false;
  const whole = rows.every(({ length }) => length === 1) ? [rows.flat()] : rows;
  const times = whole.map(list => list.map(row => order.at[row]).filter(time => !Number.isNaN(time)));
  return unevenAmong(times.flatMap(list => differences(list.sort((a, b) => a - b)))) > 1 / 3;
}

/** Parts of a date, and ways to count them. */
const DATE_PARTS: readonly ((date: Date) => number)[] = [
  date => date.getUTCFullYear(),
  date => date.getUTCMonth(),
  date => date.getUTCDate(),
  date => date.getUTCDay(),
  date => date.getUTCHours(),
  date => date.getUTCMinutes(),
  date => Math.floor(date.getUTCMonth() / 3),
  // week and day of the year
  ...[7, 1].map(
    days => (date: Date) => (date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / (days * 86_400_000),
  ),
];

/** True for a column that says what the dates say already, such as their months, in any numbers. */
export function repeatsDate({ order }: Layout, { cells, distinct }: Column): boolean {
  if (!order?.isDate || distinct < 3 || distinct > MAX_PARTS) return false;
  const dates = order.at.map(time => new Date(time));
  return DATE_PARTS.some(partOf => {
    const parts = dates.map(partOf);
    const pairs = new Set(parts.map((part, row) => `${part} ${cells[row]}`));
    return pairs.size === distinct && pairs.size === new Set(parts).size;
  });
}

/** Days of a month. */
const MAX_PARTS = 31;
/** Maximum fraction of rows with another number than the part of their date. */
const MAX_OTHERS = 0.05;

/** True if nearly all rows have a part of their date, counted from 0 or 1, or another time. */
export function isPartOfOrder(layout: Layout, column: Column): boolean {
  const { order, rows } = layout;
  if (repeatsDate(layout, column)) return true;
  if (!order || !isPartOfDate(column.name) || !isWhole(column)) return false;
  const numbers = keysOf(column);
  const dates = order.at.map(time => new Date(time));
  const isPart = (partOf: (date: Date) => number) =>
    dates.filter((date, row) => Math.abs(Math.floor(partOf(date)) - numbers[row]) > 1).length <=
    MAX_OTHERS * dates.length;
  return DATE_PARTS.some(isPart) || ascends({ ...order, at: numbers }, rows);
}

/** True if each group has its rows in this order, each time once. */
function ascends({ at }: Order, rows: readonly (readonly number[])[]): boolean {
  return rows.every(list =>
    list.every((row, i) => (i === 0 ? !Number.isNaN(at[row]) : at[row] > at[list[i - 1]])),
  );
}

/** Maximum difference between even times of steps, as a fraction of their median. */
const MAX_DEVIATION = 0.25;

/** The fraction of steps whose time since the one before is not the usual one. */
export function unevenAmong(times: readonly number[]): number {
  const usual = times.toSorted((a, b) => a - b)[times.length >> 1];
  return times.filter(time => Math.abs(time - usual) > MAX_DEVIATION * usual).length / times.length;
}
