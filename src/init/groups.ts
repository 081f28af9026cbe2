/** Rows that belong together: those of each value of a name, or of several names together. */
import { joinedGroup } from '../data/core/held-out.js';
import { type Column, countsOf, isWhole, MAX_CLASSES } from './columns.js';
import { isPartOfDate, isTarget, USUAL } from './names.js';

type Rows = readonly (readonly number[])[];

/** True if all values of each group are equal; some may be missing. */
export function isConstantWithin(rows: Rows, { cells, isValue }: Column): boolean {
  return rows.every(list => {
    const first = list.find(row => isValue(cells[row]));
    return list.every(row => cells[row] === cells[first ?? row] || !isValue(cells[row]));
  });
}

/** The rows of each value of a column. */
export function rowsOfEach({ cells, isValue }: Column): number[][] {
  return rowsOf(cells.keys(), row => (isValue(cells[row]) ? cells[row] : undefined));
}

/** The rows with equal values of all columns. */
export function rowsOfParts(parts: readonly Column[]): number[][] {
  const whole = [[...parts[0].cells.keys()]];
  return parts.reduce((groups, { cells }) => groups.flatMap(list => rowsOf(list, row => cells[row])), whole);
}

/** The rows of each key; those without a key are left out. */
function rowsOf(list: Iterable<number>, keyOf: (row: number) => string | undefined): number[][] {
  const rows = new Map<string, number[]>();
  for (const row of list) {
    const key = keyOf(row);
    if (key === undefined) continue;
    const found = rows.get(key);
    if (found) found.push(row);
    else rows.set(key, [row]);
  }
  return [...rows.values()];
}

/** Maximum number of names that together tell groups, and of those that are tried. */
const MAX_PARTS = 3;
const MAX_NAMES = 6;

/** The columns that may name something, alone or together, among those whose values repeat. */
export function namesAmong(columns: readonly Column[]): Column[] {
  return columns
    .filter(({ name }) => !isTarget(name) && !isPartOfDate(name))
    .filter(
      column =>
        !column.isNumber || USUAL.group.test(column.name) || formsBlocks(column) || areOrdinals(column),
    )
    .slice(0, MAX_NAMES);
}

/** True for all whole numbers from 0 or 1 to the largest one. */
export function areOrdinals({ cells, isValue, distinct }: Column): boolean {
  const numbers = cells.filter(isValue).map(Number);
  const [least, most] = [Math.min, Math.max].map(extreme => numbers.reduce((a, b) => extreme(a, b)));
  return distinct > 2 && (least === 0 || least === 1) && most - least + 1 === distinct;
}

/** The sets of up to three names, smaller ones first, each with the outermost name first. */
export function setsOf(names: readonly Column[]): Column[][] {
  const sets: Column[][] = [[]];
  for (const name of names)
    sets.push(...sets.filter(({ length }) => length < MAX_PARTS).map(set => [...set, name]));
  return sets
    .slice(1)
    .map(outermostFirst)
    .toSorted((a, b) => a.length - b.length);
}

/** By what the names say, then as the rows are sorted, if they are, else as in the table. */
function outermostFirst(names: readonly Column[]): Column[] {
  const level = ({ name }: Column) => (USUAL.place.test(name) ? 0 : USUAL.recording.test(name) ? 2 : 1);
  const blocks = new Map(names.map(column => [column, blocksOf(column.cells)]));
  const areSorted = Math.min(...blocks.values()) <= names[0].cells.length / 4;
  const blocksIn = (column: Column) => (areSorted ? Number(blocks.get(column)) : 0);
  return names.toSorted((a, b) => level(a) - level(b) || blocksIn(a) - blocksIn(b));
}

/** Number of runs of equal values. */
function blocksOf(values: readonly unknown[]): number {
  return values.filter((value, i) => i === 0 || value !== values[i - 1]).length;
}

/**
 * How alike neighbours in time are: 1 if equal, 0 if unrelated. Their correlation in tenths, over
 * at most 1000 pairs.
 */
export function smoothness(column: Column, rows: Rows): number {
  return Math.round(10 * alikeAfter(1, column, rows).alike) / 10;
}

/**
 * True if values depend on the one before or on those of usual seasons: their correlation has more
 * than 3.5 standard errors.
 */
export function dependsOnPast(column: Column, rows: Rows): boolean {
  const all = [1, 7, 12, 24].map(lag => alikeAfter(lag, column, rows));
  return all.some(({ alike, count }) => Math.abs(alike) * Math.sqrt(count) > 3.5);
}

/** The correlation of values with those `lag` steps before, over at most 1000 pairs. */
function alikeAfter(lag: number, { cells, isValue }: Column, rows: Rows) {
  const pairs = rows
    .flatMap(list => list.slice(lag).map((row, i) => [list[i], row]))
    .slice(0, 1000)
    .filter(([a, b]) => isValue(cells[a]) && isValue(cells[b]))
    .map(([a, b]) => [Number(cells[a]), Number(cells[b])]);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const centre = mean(pairs.map(([a]) => a));
  const variance = mean(pairs.map(([a]) => (a - centre) ** 2));
  if (!(variance > 0)) return { alike: 0, count: pairs.length };
  const alike = mean(pairs.map(([a, b]) => (a - centre) * (b - centre))) / variance;
  return { alike: Math.max(-1, Math.min(1, alike)), count: pairs.length };
}

/** Equal times of equal values to be expected of values that are no names, for each one found. */
const MIN_CHANCES = 5;

/**
 * True if a column that tells rows of equal times apart does so as a name does: of values that are
 * no names, some would be equal at equal times.
 * @param at the time of each row
 */
export function tellsByName(column: Column, at: readonly number[]): boolean {
  const { cells } = column;
  const alone = [...countsOf(cells).values()].reduce((sum, count) => sum + (count / cells.length) ** 2, 0);
  const pairs = [...countsOf(at.map(String)).values()].reduce((sum, n) => sum + (n * (n - 1)) / 2, 0);
  const rows = rowsOfEach(column);
  const found = rows.reduce((sum, list) => sum + list.length - new Set(list.map(row => at[row])).size, 0);
  return pairs * alone >= MIN_CHANCES * (1 + found);
}

/** True if equal values stand together. */
export function formsBlocks({ cells, isValue, distinct }: Column): boolean {
  return blocksOf(cells.filter(isValue)) === distinct;
}

/** True for a column that may be a class, or another fact of what is recorded. */
export function isKind(column: Column): boolean {
  const { distinct, isNumber, isTime } = column;
  return distinct >= 2 && distinct <= MAX_CLASSES && !isTime && (!isNumber || isWhole(column));
}

/** Names that together tell recordings, the outermost first, and a class of each recording. */
export interface Recordings {
  readonly parts: readonly Column[];
  readonly fact: Column;
}

/** Fewer may be phases of one recording. */
const MIN_RECORDINGS = 8;

/**
 * The fewest names that tell recordings within `group`, or within the whole table: these follow
 * each other in time, and have a class that neither a part of the names nor the group has.
 * @param at the time of each row
 */
export function recordingsWithin(
  group: Column | undefined,
  names: readonly Column[],
  facts: readonly Column[],
  at: readonly number[],
): Recordings | undefined {
  const whole = [[...at.keys()]];
  for (const set of setsOf(names)) {
    const rows = rowsOfParts(set);
    if (rows.length < MIN_RECORDINGS || 2 * rows.length > at.length) continue;
    if (group && (set.every(column => column === group) || !isConstantWithin(rows, group))) continue;
    const others = set.length > 1 ? setsOf(set).slice(0, -1) : [];
    const coarser = [...others, ...(group ? [[group]] : [])].map(rowsOfParts);
    // fewer names tell the same rows, so another one is a fact of them
    if (coarser.some(({ length }) => length === rows.length)) continue;
    const fact = facts.find(
      column =>
        !set.includes(column) &&
        column !== group &&
        isKind(column) &&
        isConstantWithin(rows, column) &&
        !coarser.some(list => isConstantWithin(list, column)),
    );
    if (!fact) continue;
    const around = (parts: readonly Column[], inner: Column) => {
      const others = parts.filter(part => part !== inner);
      return others.length > 0 ? rowsOfParts(others) : group ? rowsOfEach(group) : whole;
    };
    const isInner = (parts: readonly Column[], inner = parts[parts.length - 1]) =>
      follow(rows, around(parts, inner), at);
    const levels = names.filter(name => name !== fact && !set.includes(name) && isConstantWithin(rows, name));
    const finer =
      set.length === 2
        ? levels.map(level => outermostFirst(names.filter(name => name === level || set.includes(name))))
        : [];
    // between both, such as machines of a plant whose runs overlap, or that have the same names
    const isBetween = ([outer, level, inner]: readonly Column[]) =>
      set.includes(inner) &&
      (!isInner(set) ||
        (outer === set[0] &&
          !set.includes(level) &&
          !isConstantWithin(rowsOfEach(level), outer) &&
          follow(rowsOfParts([outer, level]), rowsOfEach(outer), at)));
    const parts = finer.find(level => isInner(level) && isBetween(level)) ?? (isInner(set) ? set : undefined);
    if (parts) return { fact, parts };
    const inner = set.findLast(column => isInner(set, column));
    if (inner) return { fact, parts: [...set.filter(column => column !== inner), inner] };
  }
  return undefined;
}

/**
 * The columns with unique names at all levels: `patient` stands for the patients of each clinic.
 * @param levels names that start again in each value of the one before
 * @param group the name for those of the last level, which replace them if it is theirs
 */
export function withJoined(
  columns: readonly Column[],
  levels: readonly Column[],
  group: string,
): readonly Column[] {
  const joined = levels.slice(1).map((level, i): Column => {
    const all = levels.slice(0, i + 2);
    const isValue = (cell: string) => cell !== '';
    const cells = level.cells.map((_, row) =>
      all.every(column => column.isValue(column.cells[row]))
        ? joinedGroup(all.map(column => column.cells[row]))
        : '',
    );
    return {
      ...level,
      ...{ cells, isValue, markers: [], unit: undefined, problem: undefined },
      ...{ isNumber: false, hasNumbers: false, isTime: false },
      name: i === levels.length - 2 ? group : level.name,
      parts: all.map(({ name }) => name),
      gaps: all.find(({ gaps }) => gaps !== undefined)?.gaps,
      isFull: all.every(({ isFull }) => isFull),
      distinct: new Set(cells.filter(isValue)).size,
    };
  });
  const replaced = columns.map(column => joined.find(({ name }) => name === column.name) ?? column);
  return [...new Set([...replaced, ...joined])];
}

/**
 * The two `parts` with a level between them, such as the machines of a plant whose runs the plant
 * numbers: the names of the machines start again in each plant, too.
 */
export function withLevelBetween(parts: readonly Column[], names: readonly Column[]): readonly Column[] {
  if (parts.length !== 2) return parts;
  const rows = rowsOfParts(parts);
  const isLevel = (column: Column) =>
    !parts.includes(column) &&
    (USUAL.group.test(column.name) || USUAL.subject.test(column.name)) &&
    isConstantWithin(rows, column) &&
    !isConstantWithin(rowsOfEach(column), parts[0]) &&
    !isConstantWithin(rowsOfEach(parts[0]), column);
  const level = names.find(isLevel);
  return level ? [parts[0], level, parts[1]] : parts;
}

/** True if the recordings within each outer group follow each other in time. */
function follow(recordings: Rows, outer: Rows, at: readonly number[]): boolean {
  const recording = new Map(recordings.flatMap((list, i) => list.map(row => [row, i] as const)));
  const blocks = outer.map(list =>
    blocksOf(list.toSorted((a, b) => at[a] - at[b] || a - b).map(row => recording.get(row))),
  );
  return blocks.reduce((sum, count) => sum + count, 0) === recordings.length;
}

/** Names of a place, such as patients of a clinic, that are used again in other places. */
export interface Places {
  readonly place: Column;
  readonly why: string;
  /** True if each name surely is another one in each place. */
  readonly areSure: boolean;
}

/**
 * Finds a column of places, such as clinics, in which most values of a group are used again, as if
 * for others in each place; not if they have the same facts in all places, as a patient has whom
 * several wards treat.
 * @param facts columns that may tell the individuals
 */
export function placesOf(
  group: Column,
  columns: readonly Column[],
  facts: readonly Column[],
): Places | undefined {
  const rows = rowsOfEach(group);
  for (const place of columns) {
    if (place === group || !USUAL.place.test(place.name)) continue;
    const again = rows.filter(list => !isConstantWithin([list], place));
    if (2 * again.length < rows.length) continue;
    const within = rowsOfParts([place, group]);
    const several = within.filter(({ length }) => length > 1);
    const others = facts.filter(fact => fact !== place && fact !== group && fact.distinct > 1);
    const areSame = others.some(column => isConstantWithin(rows, column));
    // facts of each name in each place, but not of the place
    const differ =
      2 * several.length > within.length &&
      others
        .filter(name => isConstantWithin(within, name) && !isConstantWithin(rowsOfEach(place), name))
        .some(column => 2 * again.filter(list => !isConstantWithin([list], column)).length > again.length);
    if (areSame && !differ) continue;
    const [[first, ...later]] = again;
    const other = later.find(row => place.cells[row] !== place.cells[first]) ?? first;
    const [here, two] = [first, other].map(row => `in ${place.name} ${JSON.stringify(place.cells[row])}`);
    return {
      place,
      areSure: differ && !areSame,
      why: `${group.name} ${JSON.stringify(group.cells[first])} is ${here} and ${two}`,
    };
  }
  return undefined;
}
