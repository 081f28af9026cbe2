/** What columns are: measures, labels, words, texts or names. */
import { type Column, countsOf, isWhole, MAX_CLASSES } from './columns.js';
import { areOrdinals } from './groups.js';
import { isPartOfDate, isTarget, USUAL } from './names.js';

/** Of the name of a class. */
const MAX_WORDS = 5;
/** Number of rows with the same word, to learn a vector for it. */
const MIN_REPEATS = 5;

/** True for texts that are too many for classes. */
export function mayBeWritten({ isNumber, cells, distinct, problem }: Column): boolean {
  return !isNumber && (distinct > MAX_CLASSES || 2 * distinct > cells.length) && problem === undefined;
}

/** True for whole numbers such as 1998 under a usual name of times. */
export function areYears({ name, isNumber, cells, isValue }: Column): boolean {
  return isNumber && USUAL.time.test(name) && cells.every(cell => !isValue(cell) || /^[12]\d{3}$/.test(cell));
}

/** The longest column of words that differ from row to row and are several in each. */
export function textOf(columns: readonly Column[]): Column | undefined {
  return longestOf(columns.filter(column => 2 * column.distinct > column.cells.length && isWordy(column)));
}

/** True for sentences and the like: a cell of several words is no symbol. */
export function isWordy({ cells, isNumber, isTime }: Column): boolean {
  return !isNumber && !isTime && 2 * cells.filter(cell => /\S\s+\S+\s+\S/.test(cell)).length > cells.length;
}

export function longestOf(columns: readonly Column[]): Column | undefined {
  const length = ({ cells }: Column): number => cells.reduce((sum, cell) => sum + cell.length, 0);
  return columns.toSorted((a, b) => length(b) - length(a))[0];
}

/** A number other than a flag, an identifier or a part of a date. */
export function isMeasure(column: Column): boolean {
  const { isNumber, distinct, name } = column;
  return isNumber && distinct > 2 && !isPartOfDate(name) && !isIdentifier(column);
}

/** True for words, but for dates and sentences. */
function areWords({ isNumber, isTime, cells }: Column): boolean {
  return !isNumber && !isTime && !cells.some(cell => cell.split(/\s+/).length > MAX_WORDS);
}

/** True for words of few kinds. */
export function isLabel(column: Column): boolean {
  const { distinct, cells } = column;
  return distinct >= 2 && distinct <= MAX_CLASSES && 2 * distinct <= cells.length && areWords(column);
}

/** True for many different words that mostly repeat. */
export function isVocabulary(column: Column): boolean {
  if (column.distinct <= MAX_CLASSES || !areWords(column)) return false;
  const repeated = [...countsOf(column.cells).values()].filter(count => count >= MIN_REPEATS);
  return 2 * repeated.reduce((sum, count) => sum + count, 0) >= column.cells.length;
}

/** True for two whole numbers, or all from 0 or 1 to the largest one, as classes are numbered. */
export function isCode(column: Column): boolean {
  return isWhole(column) && (column.distinct === 2 || areOrdinals(column));
}

export function isIdentifier(column: Column): boolean {
  return isName(column) || numbersRows(column);
}

const CLOCK = /^(\d{1,3})([:.])([0-5]\d)(?:\2([0-5]\d(?:\.\d+)?))?$/;

/** The seconds of times such as 00:05 and 1:30:00; undefined for other columns. */
export function clockOf({ isNumber, isTime, isFull, cells }: Column): number[] | undefined {
  if (isNumber || isTime || !isFull || !CLOCK.test(cells[0])) return undefined;
  const at = cells.map(cell => {
    const [, hours = Number.NaN, , minutes, seconds = 0] = CLOCK.exec(cell) ?? [];
    return 3600 * Number(hours) + 60 * Number(minutes) + Number(seconds);
  });
  return at.some(Number.isNaN) ? undefined : at;
}

/** True for times of day such as 18.00.00 and 6:30 PM. */
export function isClock({ name, isNumber, isTime, cells, isValue }: Column): boolean {
  const first = cells.find(isValue) ?? '';
  return !isNumber && !isTime && !USUAL.duration.test(name) && /^\d{1,2}[:.][0-5]\d\b/.test(first);
}

/** True for names such as M1, M2 and M3. */
export function numbersKinds({ isNumber, isTime, cells, distinct }: Column): boolean {
  const kinds = new Set(cells.map(cell => cell.replaceAll(/\d+/g, '#')));
  return !isNumber && !isTime && 3 * kinds.size <= distinct;
}

/** Maximum number of values of a feature with the name of a group, such as `blood_group`. */
const MAX_KINDS = 5;

/** True for words or whole numbers under a name like `id`. */
export function isName(column: Column): boolean {
  const { name, isNumber, distinct } = column;
  if (!USUAL.group.test(name) || isTarget(name) || (isNumber && !isWhole(column))) return false;
  return distinct > MAX_KINDS || /(^|[_ .-])ids?#?$|[a-z](Id|ID)$/i.test(name);
}

/** True for codes such as T-1042. */
export function isOwnCode({ cells, isNumber, isTime }: Column): boolean {
  return !isNumber && !isTime && cells.every(cell => /^\S*\d\S*$/.test(cell));
}

/**
 * Whole numbers that rise by one from row to row, but for new starts, or a name that pandas writes
 * to Parquet.
 */
export function numbersRows(column: Column): boolean {
  const { name, isNumber, isFull, cells, distinct } = column;
  if (/^__index_level_\d+__$/.test(name)) return true;
  if (!isNumber || !isFull || distinct <= 2 || !isWhole(column)) return false;
  const rises = cells.filter((cell, i) => i > 0 && Number(cell) === Number(cells[i - 1]) + 1).length;
  return rises >= 0.98 * (cells.length - 1);
}

/** True for consecutive integers, one for each group. */
export function numbersGroups(column: Column, rows: readonly (readonly number[])[]): boolean {
  const { cells, isNumber, isFull, distinct } = column;
  if (!isNumber || !isFull || !isWhole(column) || distinct < rows.length) return false;
  const values = rows.map(([row]) => Number(cells[row]));
  return (
    values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b)) === rows.length - 1
  );
}
