/**
 * What a table can be read as: sequences with a class, classes per step, series, rows, texts, or
 * pairs of sequences.
 */

import { differences, positionsOf } from '../data/forecast/times.js';
import { BLOCK } from '../data/formats/archives.js';
import { damagedError, usageError } from '../util/errors.js';
import { counted, quoted } from '../util/words.js';
import {
  type Column,
  type Columns,
  columnNamed,
  isFactOf,
  isWhole,
  MAX_CLASSES,
  MERGED,
  withoutValue,
} from './columns.js';
import { refuseWide } from './dates.js';
import { dependsOnPast, formsBlocks, isConstantWithin, smoothness, withJoined } from './groups.js';
import {
  areYears,
  clockOf,
  isCode,
  isIdentifier,
  isLabel,
  isMeasure,
  isName,
  isOwnCode,
  isVocabulary,
  isWordy,
  longestOf,
  mayBeWritten,
  numbersGroups,
  numbersKinds,
  numbersRows,
  textOf,
} from './kinds.js';
import {
  areScattered,
  contradictionsIn,
  isPartOfOrder,
  type Layout,
  layoutOf,
  type NamedColumns,
  repeatsDate,
  unevenAmong,
} from './layout.js';
import { ATTRIBUTE, isPartOfDate, isTarget, USUAL } from './names.js';
import { aheadOf, mergedSeries, type RegularSteps, regularSteps, timesIn, untilLast } from './steps.js';
import { coarsest, isNamed, namesOfRows, namesRows, subjectsOf } from './subjects.js';

export const KINDS = ['sequences', 'steps', 'series', 'rows', 'texts', 'pairs'] as const;

/**
 * `sequences`: one target for each. `steps`: a target for each step. `series`: forecasts. `rows`:
 * each row is a sequence of one step. `texts`: each row has a text. `pairs`: the target of each row
 * is a sequence, too.
 */
export type ReadingKind = (typeof KINDS)[number];

export interface Reading {
  readonly kind: ReadingKind;
  readonly layout: Layout;
  /** Who or what was recorded: its sequences are in one split. */
  readonly subject?: Column | undefined;
  readonly target: Column;
  readonly isClass: boolean;
  readonly features: readonly Column[];
  /** Features of a sequence as a whole. */
  readonly statics: readonly Column[];
  /** Names each row that is read alone. */
  readonly id?: Column | undefined;
  /** `symbol` and `text`: the only feature is a column of symbols or texts. */
  readonly inputKind: 'number' | 'symbol' | 'text';
  readonly unused: readonly { readonly name: string; readonly reason: string }[];
  /** The last rows of each series, if their target is not known yet; they are not in `layout`. */
  readonly future?: readonly (readonly number[])[];
  /** Of a series, if some steps have no row: the config resamples them. */
  readonly regular?: RegularSteps | undefined;
  /** Why this is the target, and why it is read so. */
  readonly why: readonly string[];
  readonly score: number;
}

/** A reading before its features are known. */
interface Candidate
  extends Pick<Reading, 'kind' | 'layout' | 'subject' | 'target' | 'isClass' | 'future' | 'why' | 'score'> {
  /** Why no config can be made for it. */
  readonly obstacle?: string | undefined;
}

export interface Choice extends NamedColumns {
  readonly as?: ReadingKind | undefined;
}

const MIN_FORECAST_STEPS = 40;
/** Whole numbers of more values are measured, if their name says so. */
const MAX_GRADES = 5;
/** Maximum fraction of missing values of a column that is used. */
const MAX_MISSING = 0.95;
/** Fewer sequences cannot be split into training, validation and test. */
const MIN_SEQUENCES = 5;

/** The best reading of a table, and the others, best first. */
export function readingsOf(table: Columns, choice: Choice, path: string): readonly Reading[] {
  const layout = layoutOf(table, choice, path);
  const subjects = subjectsOf(layout, table.columns);
  const asked = columnNamed('target', choice.target, table.columns, path);
  const isOrder = (column: Column) => layout.order?.columns.includes(column) ?? false;
  // what a group is in, such as the clinic of a patient, is known with its name
  const around = layout.group?.parts?.slice(0, -1) ?? [];
  const isKnown = (column: Column) => column === layout.group || around.includes(column.name);
  const targets = asked ? [asked] : table.columns.filter(column => !isKnown(column));
  const candidates = targets
    .flatMap(target => candidatesFor(target, layout, subjects, table.columns, choice.as === 'rows'))
    .filter(
      ({ kind, target }) =>
        (choice.as === undefined || kind === choice.as) &&
        (asked || ((isFit(target) || isTarget(target.name)) && (kind === 'pairs' || !isOrder(target)))),
    )
    .toSorted((a, b) => b.score - a.score);
  if (candidates.length === 0) throw nothing(path, asked ? unfit(asked) : 'it has no column to predict');
  if (!asked && choice.as === undefined) refuseWide(table.columns, candidates[0].target, path);
  checkNumbers(candidates[0], table.columns, layout.group, path);
  const made = candidates.map(candidate => completed(candidate, table.columns, layout.group));
  const readings = made.filter(one => typeof one === 'object');
  const prevented = (readings.length > 0 ? candidates.slice(0, 1) : candidates).find(one => one.obstacle);
  // the most likely reading is not silently replaced by another one
  if (prevented || readings.length === 0) {
    const { parts, mayBeAlone } = layout;
    const isApart = parts !== undefined && prevented?.obstacle === layout.obstacle;
    if (isApart && !mayBeAlone && !parts.some(one => one === table.files)) {
      const whole = joined(table, choice, parts);
      return readingsOf(whole.table, whole.choice, path);
    }
    const [alone, all] = [parts?.slice(-1), parts].map(some => some?.map(({ name }) => name).join());
    const expected = `--group ${quoted(alone ?? '')} if it is one, or --group ${quoted(all ?? '')}`;
    const obstacle = prevented?.obstacle ?? String(made[0]);
    throw nothing(path, obstacle, readings, isApart ? expected : undefined);
  }
  const [best, ...others] = readings;
  if (best.kind !== 'series') return readings;
  return [{ ...best, regular: regularSteps(best.layout, best.future) }, ...others];
}

/** With the columns of `--group clinic,patient` as one, or else the blocks of lines as groups. */
export function withNamedGroup(table: Columns, choice: Choice): { table: Columns; choice: Choice } {
  const { columns } = table;
  const hasBlocks = columns.some(({ name }) => name === BLOCK);
  const { group = hasBlocks ? BLOCK : undefined } = choice;
  if (group === undefined || group === BLOCK) return { table, choice: { ...choice, group } };
  const levels = group.split(',').flatMap(part => columns.find(({ name }) => name === part.trim()) ?? []);
  const isOne = columns.some(({ name }) => name === group);
  if (isOne || levels.length < Math.max(2, group.split(',').length)) return { table, choice };
  return joined(table, choice, levels);
}

function joined(table: Columns, choice: Choice, levels: readonly Column[]) {
  const [outer, inner] = levels.slice(-2);
  // kinds of recordings, such as the hands of subjects, are classes, too
  const isClass = isLabel(inner) && !numbersKinds(inner) && !USUAL.group.test(inner.name);
  const group = isClass ? `${outer.name}-${inner.name}` : inner.name;
  const columns = withJoined(table.columns, levels, group);
  return { table: { ...table, columns }, choice: { ...choice, group } };
}

function isFit({ name, problem, distinct }: Column): boolean {
  return name !== '' && problem === undefined && distinct >= 2;
}

function unfit({ name, problem, gaps }: Column): string {
  const invalid = problem ?? gaps;
  return invalid ? `its target ${name} has invalid cells: ${invalid}` : `${name} cannot be such a target`;
}

function candidatesFor(
  target: Column,
  layout: Layout,
  subjects: readonly Column[],
  columns: readonly Column[],
  asRows: boolean,
): Candidate[] {
  const { rows, order, group } = layout;
  const { name, isNumber, distinct } = target;
  const isMeasured = isMeasure(target);
  const isAgain = repeatsDate(layout, target);
  const isRare = 2 * target.missing > target.cells.length;
  const isOutcome = isNumber && distinct > MAX_GRADES && USUAL.outcome.test(name);
  const isClass = !isNumber || (distinct <= MAX_CLASSES && isWhole(target) && !isOutcome);
  const isConstant = group !== undefined && isConstantWithin(rows, target);
  const contradiction = group && contradictionsIn(rows, group, target);
  const isSubjects = subjects.some(one => (target === one ? isNamed(one) : isFactOf(one, target)));
  // whole classes in one split cannot be learned
  const outermost = (all: readonly Column[]) => {
    const possible = all.filter(one => one !== target && !(isClass && isFactOf(target, one)));
    const subject = coarsest(possible);
    const isNested = subject && subject !== possible[0];
    const nested = isNested && `each ${possible[0].name} has one ${subject.name}, which is kept in one split`;
    return { subject, nested: nested ? [nested] : [] };
  };
  const last = columns.at(-1);
  const text = textOf(columns.filter(column => column !== target));
  // chapters follow each other, speakers take turns
  const takesTurns = (one: Column) => one !== target && isLabel(one) && !formsBlocks(one);
  const isPlace = USUAL.chapter.test(name) || (text && formsBlocks(target) && columns.some(takesTurns));
  const hints: readonly (readonly [is: boolean | undefined, score: number, why: string])[] = [
    [isTarget(name), 3, `${name} is a usual name of a target`],
    [target === last, 1, `${name} is the last column`],
    [isOutcome, 1.5, `${name} is a usual name of an outcome`],
    [isPlace, -3, `${name} is a place in a text`],
    [isClass && isLabel(target), 1.5, `${name} has words of few kinds`],
    [
      isClass && isNumber && !isIdentifier(target),
      0.5,
      `${name} has whole numbers of few values, which are classes`,
    ],
    [target === last && isNumber && isCode(target) && !isOutcome, 1, `${name} numbers kinds`],
    [isIdentifier(target), -6, `${name} identifies something`],
    [numbersKinds(target), -3, `${name} has names with numbers`],
    [isSubjects, -4, `${name} is a fact of ${subjects[0]?.name}`],
    [ATTRIBUTE.test(name) || USUAL.place.test(name), -3, `${name} is a fact of someone`],
    [isRare, -3, `most rows have no ${name}`],
    [isPartOfDate(name) || isAgain, -6, `${name} is a part of a date`],
    [isClass && !isLabel(target) && !isNumber, -6, `${name} has words of many kinds`],
  ];
  const holding = hints.filter(([is]) => is);
  const hinted = holding.reduce((sum, [, score]) => sum + score, 0);
  const reasons = holding.flatMap(([, score, why]) => (score > 0 ? [why] : []));
  const found: Candidate[] = [];
  const series = mergedSeries(layout);
  const add = (kind: ReadingKind, score: number, why: readonly string[], obstacle?: string) => {
    const alike = isSequence(kind) ? subjects : kind === 'rows' ? namesOfRows(layout, columns) : [];
    const { subject, nested } = outermost(alike);
    found.push({
      kind,
      target,
      isClass: isClass && kind !== 'pairs',
      score,
      obstacle,
      ...(kind === 'series'
        ? { why, ...untilLast(series, target) }
        : { why: [...why, ...nested], layout: isSequence(kind) ? layout : alone(layout), subject }),
    });
  };
  const bad = badTarget(target);
  const unplaced = gapsIn(layout);
  if (group !== undefined) {
    const few = rows.length < MIN_SEQUENCES ? -4 : 0;
    const areOver = isClass && distinct > 1 && order?.isDate && endApart(order.at, rows);
    const recorded = areOver ? 5 : 0;
    const held = `${name} is the same in all rows of each ${group.name}`;
    const obstacle = bad ?? unplaced ?? contradiction;
    if (isConstant || contradiction)
      add('sequences', 3 + hinted + few + recorded, [...reasons, held], obstacle);
    if (!isConstant) {
      const value = isClass ? 0 : -1;
      const differs = `${name} differs within ${group.name}`;
      add('steps', 2 + hinted + few + value, [...reasons, differs], bad ?? unplaced);
    }
  }
  if (order && isNumber && !isConstant && distinct > 1) {
    const isUsual = USUAL.forecast.test(name);
    const named = isUsual ? [`${name} is a usual name of what is forecast`] : [];
    const dated = order.isDate ? [`${order.columns[0].name} has dates`] : [];
    const { shortest } = untilLast(layout, target).layout;
    const isShort = shortest < MIN_FORECAST_STEPS;
    const ahead = aheadOf(layout, target, columns);
    const which = group ? ` (the rows of each ${group.name})` : '';
    const short = `its series${which} have ${shortest} steps, and a forecast needs ${MIN_FORECAST_STEPS}`;
    const moves = isMeasured ? smoothness(target, rows) : -5;
    const isScattered = areScattered(layout);
    const isLastClass = last && last !== target && (isLabel(last) || last.distinct === 2);
    const isChance = (isScattered || isLastClass) && !dependsOnPast(target, rows);
    const isDated = order.isDate || areYears(order.columns[0]);
    const score =
      (isDated ? 4 : -1) +
      (isUsual ? 3 : 0) +
      (ahead ? 5 : 0) +
      moves -
      (isChance ? 8 : isScattered && isLastClass ? 4 : 0) -
      (isShort ? 10 : 0) -
      (isRare ? 3 : 0) -
      (isAgain ? 6 : 0);
    const files =
      layout.perFile &&
      'a forecast reads one table, in which a column names the series, and no files of one each';
    const why = [...named, ...(ahead ? [ahead] : []), ...dated];
    add('series', score, why, bad ?? gapsIn(series, true) ?? (isShort ? short : files || undefined));
  }
  if (text) add('texts', 4 + hinted - (isClass ? 0 : 0.5), [...reasons, `${text.name} has texts`], bad);
  // rows of one sequence, each read alone, would be in several splits
  const torn = asRows ? undefined : layout.parts && layout.obstacle;
  add('rows', (group ? -1 : 1) + hinted - (isClass ? 0 : 0.5), reasons, bad ?? torn);
  const hasNumbers = columns.some(column => column !== target && isMeasure(column));
  // a name or a time beside measures or in a group is no text to write
  const isKey = (group || hasNumbers) && (isName(target) || target.isTime);
  if (mayBeWritten(target) && !isKey) {
    const usual = hints.slice(0, 2).reduce((sum, [is, score]) => sum + (is ? score : 0), 0);
    const isUnlikely = group || hasNumbers || 2 * distinct <= target.cells.length;
    const different = `${name} has ${distinct} different texts`;
    add('pairs', (isUnlikely ? -2 : 2) + usual, [...reasons, different]);
  }
  return found;
}

/** True if most groups end before the last quarter of the time, as recordings do, and no series. */
function endApart(at: readonly number[], rows: Layout['rows']): boolean {
  const [first, last] = [Math.min, Math.max].map(one =>
    at.filter(time => !Number.isNaN(time)).reduce((a, b) => one(a, b)),
  );
  const over = rows.filter(list => at[list[list.length - 1]] < last - (last - first) / 4);
  return 2 * over.length > rows.length;
}

/** Why some rows belong to no sequence, or have no place in it. */
function gapsIn(layout: Layout, isSeries = false): string | undefined {
  const { group, order, repeated, isMerged, obstacle, parts } = layout;
  const ordering = order?.columns.find(({ gaps }) => gaps !== undefined);
  if (parts) return obstacle;
  if (group?.gaps) return `the rows of each ${group.name} belong together, and it has ${group.gaps}`;
  if (ordering) return `${ordering.name} orders the rows, and it has ${ordering.gaps}`;
  return repeated && !isMerged && (isSeries || order?.isColumn)
    ? `${repeated}; sort the file by time if such rows are in order in it, keep one row of each time, or merge them with \`resample\``
    : undefined;
}

/** The rows of a table, each a sequence. */
function alone(layout: Layout): Layout {
  const rows = layout.rows
    .flat()
    .sort((a, b) => a - b)
    .map(row => [row]);
  return {
    ...layout,
    group: undefined,
    perFile: false,
    why: undefined,
    rows,
    shortest: 1,
  };
}

function badTarget(target: Column): string | undefined {
  const { name, isNumber, problem, distinct, cells } = target;
  // a few words among few numbers are names of classes
  if (problem && distinct > MAX_CLASSES) return unfit(target);
  if (distinct < 2) return `its target ${name} has the same value everywhere`;
  const isName = !isNumber && 2 * distinct > cells.length;
  return isName ? `its target ${name} has ${distinct} different words in ${cells.length} rows` : undefined;
}

/**
 * The candidate with its features, or why it has none.
 * @param grouping names the rows of a sequence, also if they are read alone
 */
function completed(
  candidate: Candidate,
  columns: readonly Column[],
  grouping: Column | undefined,
): Reading | string {
  const { kind, layout, target, obstacle } = candidate;
  if (obstacle !== undefined) return obstacle;
  const { order } = layout;
  const { features, statics, unused } = featuresOf(candidate, columns, grouping);
  const others = columns.filter(one => one !== target && one !== grouping && one.name !== '');
  const words =
    kind === 'texts'
      ? textOf(others)
      : kind === 'series' || (features.length > 0 && kind !== 'pairs')
        ? undefined
        : kind === 'pairs'
          ? longestOf(others.filter(one => mayBeWritten(one) && !isName(one)))
          : columnOfWords(layout, others);
  if (kind !== 'series' && features.length === 0 && words === undefined)
    return 'no column has a number or a text in every row';
  const names = isSequence(kind)
    ? []
    : [...others.filter(isName), ...others.filter(isOwnCode)].filter(
        one => one.distinct === one.cells.length && one.lackedBy.length === 0,
      );
  const id = names.find(one => one !== words);
  const [ordering] = order?.columns ?? [];
  if (kind === 'rows' && (order?.columns.length === 1 || ordering?.parts))
    unused.push({
      name: ordering.parts?.join(', ') ?? ordering.name,
      reason: 'it orders the rows of a group, and there is none',
    });
  return {
    ...candidate,
    features: words ? [words] : features,
    statics,
    id,
    inputKind: words === undefined ? 'number' : layout.group === undefined ? 'text' : 'symbol',
    unused: [
      ...unused.filter(({ name }) => name !== words?.name && name !== id?.name),
      ...features.flatMap(one =>
        words && one !== words ? [{ name: one.name, reason: 'a text is read alone' }] : [],
      ),
    ],
  };
}

/** @param areNumbers true if each step has numbers besides `columns` */
export function featuresOf(
  { kind, layout, subject, target }: Pick<Candidate, 'kind' | 'layout' | 'subject' | 'target'>,
  columns: readonly Column[],
  grouping: Column | undefined,
  areNumbers = false,
) {
  const { group, order, rows } = layout;
  const ordering = kind === 'series' || order?.isColumn ? (order?.columns ?? []) : [];
  const canEncode = kind !== 'series' && kind !== 'texts';
  // the model reads the calendar instead
  const isDated = kind === 'series' && order?.isDate === true && order.isColumn;
  const features: Column[] = [];
  const statics: Column[] = [];
  const unused: { name: string; reason: string }[] = [];
  for (const column of columns) {
    const { name, problem, missing, gaps, isNumber, isTime, distinct, unit, lackedBy } = column;
    if (column === target || column === group || column === subject || ordering.includes(column)) continue;
    const isFact = group !== undefined && rows.length > 1 && isConstantWithin(rows, column);
    const areFew = 2 * distinct <= (isFact ? rows.length : column.cells.length);
    const isWords =
      (canEncode || (isFact && kind === 'series')) &&
      ((areFew && isLabel(column)) || ((areFew || !isFact) && isVocabulary(column)));
    const own = isNumber ? 'numbers' : 'words';
    const reasons: readonly (readonly [boolean, string])[] = [
      [numbersRows(column), 'it numbers the rows'],
      [name === '', 'the header has no name for it'],
      [problem !== undefined, String(problem)],
      [column.areMerged && !isFact, MERGED],
      [missing > MAX_MISSING * column.cells.length, `${gaps}: too few values`],
      [clockOf(column) !== undefined, 'times without a date: the rows keep the order of the file'],
      [isTime, 'dates, which are features with `encode: calendar` or `elapsed`'],
      [distinct === 1, 'the same value everywhere'],
      [lackedBy.length > 0, `${lackedBy[0]} does not have it`],
      [unit !== undefined, `numbers with "${unit}", which have to be numbers alone`],
      [!isNumber && !isWords && isFact, `the same in all rows of each ${group?.name}: a name of it`],
      [!isNumber && !isWords, 'not numbers'],
      [
        !isNumber && isFact && subject !== undefined && isFactOf(column, subject),
        `each of its words is of one ${subject?.name}`,
      ],
      [
        (isWords || (isFact && areFew)) && isFactOf(column, target),
        `each of its ${own} has one value of ${target.name}, as if it were the target`,
      ],
      [isFact && numbersGroups(column, rows), `it numbers each ${group?.name}`],
      [column === grouping && isNumber, 'it says which rows belong together'],
      [isName(column), 'it names something, as its own name says'],
      [kind === 'rows' && namesRows(column), 'it names what several rows are of'],
      [isDated && isPartOfOrder(layout, column), `a part of ${order?.columns[0].name}`],
    ];
    const found = reasons.find(([isSo]) => isSo);
    if (found) unused.push({ name: name || 'a column without a name', reason: found[1] });
    else (isFact ? statics : features).push(column);
  }
  // words alone are symbols or texts, which are read alone
  if (!areNumbers && !features.some(({ isNumber }) => isNumber)) {
    for (const { name } of features.splice(0)) unused.push({ name, reason: 'not numbers' });
    for (const { name } of statics.splice(0))
      unused.push({ name, reason: `the same in all rows of each ${group?.name}` });
  }
  return { features, statics, unused };
}

/** Refuses a reading that uses none of the numeric columns: the table is then misread. */
function checkNumbers(
  candidate: Candidate,
  columns: readonly Column[],
  grouping: Column | undefined,
  path: string,
): void {
  const { kind, layout, target, obstacle } = candidate;
  const { features, unused } = featuresOf(candidate, columns, grouping);
  const areTexts = kind === 'texts' || kind === 'pairs';
  if (kind === 'series' || areTexts || obstacle !== undefined || features.length > 0) return;
  const isTold = (column: Column) => [grouping, target, ...(layout.order?.columns ?? [])].includes(column);
  const isFact = (column: Column) => layout.group !== undefined && isConstantWithin(layout.rows, column);
  const names = columns
    .filter(one => one.name !== '' && one.hasNumbers && one.distinct > 2 && !isIdentifier(one))
    .filter(column => !isTold(column) && !isFact(column))
    .map(({ name }) => name);
  if (names.length === 0) return;
  const first = unused.find(({ name }) => names.includes(name));
  throw damagedError('init/no-numbers', 'none of the columns of numbers can be used', {
    file: path,
    expected: `at least one without problems${first ? `; ${first.name}: ${first.reason}` : ''}`,
    got: counted(names.length, 'column'),
  });
}

/** The column of symbols of a table with groups, else that of texts: the longest one. */
function columnOfWords({ group, order }: Layout, columns: readonly Column[]): Column | undefined {
  const words = columns.filter(
    column =>
      !column.isNumber &&
      !column.isTime &&
      !column.problem &&
      column.distinct > 1 &&
      !isName(column) &&
      // words that differ from row to row name the rows of a group
      (group === undefined || (column.distinct < column.cells.length && !isWordy(column))) &&
      !(order?.columns.includes(column) ?? false),
  );
  return group === undefined ? longestOf(words) : words[0];
}

/** False for names and times, which no one predicts. */
export function isPlausible({ kind, target, layout: { order } }: Reading): boolean {
  if (isIdentifier(target)) return false;
  return kind !== 'pairs' || !(target.isTime || numbersKinds(target) || order?.columns.includes(target));
}

/** True if rows follow each other. */
export function isSequence(kind: ReadingKind): boolean {
  return kind === 'sequences' || kind === 'steps' || kind === 'series';
}

/** True for words that are features beside numbers. */
export function isEncoded({ inputKind }: Pick<Reading, 'inputKind'>, column: Column): boolean {
  return inputKind === 'number' && !column.isNumber;
}

/** True for words with a target each: a model has vectors for them, also for unknown ones. */
export function areTagged({ kind, inputKind }: Reading): boolean {
  return kind === 'steps' && inputKind === 'symbol';
}

/** Number of characters at the end of words that tell what kind of word it is. */
const ENDING = 3;

/** The number of characters that a model reads apart, at the end of words that it tags. */
export function endingsOf(reading: Reading): number | undefined {
  if (!areTagged(reading)) return undefined;
  const [words] = reading.features;
  const kinds = [...new Set(words.cells)];
  const long = kinds.filter(({ length }) => length > ENDING);
  return 2 * long.length > kinds.length ? ENDING : undefined;
}

/** True if a step of a series before its last value has none. */
export function lacksTargets({ layout, target, regular }: Reading): boolean {
  return (regular?.missing ?? 0) > 0 || layout.rows.some(list => withoutValue(target, list).length > 0);
}

/** Fraction of other times from which on they are uneven. */
const MIN_UNEVEN = 0.1;

/** The column with the times of steps of numbers if these are uneven. */
export function unevenTimes({ kind, inputKind, layout: { order, rows } }: Reading): Column | undefined {
  if (!isSequence(kind) || inputKind !== 'number' || !order?.isColumn) return undefined;
  const times = timesIn(order);
  const passed = rows.flatMap(list => differences(positionsOf(list, times).positions));
  return unevenAmong(passed) > MIN_UNEVEN ? order.columns[0] : undefined;
}

/**
 * What is known in advance: features with a value in most rows of the future, and parts of a date
 * but the year, which repeat.
 */
export function knownOf({ layout: { order }, features, future = [] }: Reading): Column[] {
  const parts = order?.isColumn ? [] : (order?.columns.slice(1) ?? []);
  const rows = future.flat();
  const isGiven = (column: Column) => 2 * withoutValue(column, rows).length < rows.length;
  return [...parts.filter(({ isNumber }) => isNumber), ...features.filter(isGiven)];
}

/**
 * @param others readings that are possible
 * @param expected what helps, if it is none of them
 */
function nothing(path: string, why: string, others: readonly Reading[] = [], expected?: string) {
  const possible = others.filter(isPlausible).slice(0, 2);
  const flags = possible.map(({ target, kind }) => `--target ${quoted(target.name)} --as ${kind}`);
  const another =
    flags.length > 0
      ? `a table without this problem, or another reading: ${flags.join(', or ')}`
      : 'a column to predict, and columns of numbers or one of texts to predict it from; --target, --group and --time name them';
  return usageError('init/nothing-to-learn', `cannot write a config for this table: ${why}`, {
    file: path,
    expected: expected ?? another,
  });
}
