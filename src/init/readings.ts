/**
 * What a table can be read as: sequences with a class, classes per step, series, rows, texts, or
 * pairs of sequences.
 */

import { differences, positionsOf } from '../data/forecast/times.js';
import { BLOCK } from '../data/formats/archives.js';
import { damagedError, usageError } from '../util/errors.js';
import { counted, quoted } from '../util/words.js';
import { type Column, type Columns, columnNamed, isFactOf, MERGED, withoutValue } from './columns.js';
import { refuseWide } from './dates.js';
import {
  type Evidence,
  factsOf,
  KINDS,
  READINGS,
  type ReadingKind,
  type Surroundings,
  scoreOf,
  unfit,
  weighed,
} from './evidence.js';
import { isConstantWithin, withJoined } from './groups.js';
import {
  clockOf,
  isIdentifier,
  isLabel,
  isName,
  isOwnCode,
  isVocabulary,
  numbersGroups,
  numbersKinds,
  numbersRows,
} from './kinds.js';
import { isPartOfOrder, type Layout, layoutOf, type NamedColumns, unevenAmong } from './layout.js';
import { isTarget, USUAL } from './names.js';
import { type RegularSteps, regularSteps, timesIn } from './steps.js';
import { coarsest, namesRows, subjectsOf } from './subjects.js';

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
  /** False for a target that no one predicts, such as a name. */
  readonly isPlausible: boolean;
  /** What speaks for this target and this way to read it, and what against it. */
  readonly evidence: readonly Evidence[];
  readonly score: number;
  /** Why it is read so. */
  readonly why: readonly string[];
}

/** A reading before its features are known. */
interface Candidate
  extends Pick<
    Reading,
    | 'kind'
    | 'layout'
    | 'subject'
    | 'target'
    | 'isClass'
    | 'isPlausible'
    | 'future'
    | 'evidence'
    | 'why'
    | 'score'
  > {
  /** Why no config can be made for it. */
  readonly obstacle?: string | undefined;
}

export interface Choice extends NamedColumns {
  readonly as?: ReadingKind | undefined;
}

/** Maximum fraction of missing values of a column that is used. */
const MAX_MISSING = 0.95;
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
  const surroundings = { columns: table.columns, layout, subjects, asRows: choice.as === 'rows' };
  const candidates = targets
    .flatMap(target => candidatesFor(target, surroundings))
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
  const readings = made.filter(candidate => typeof candidate === 'object');
  const prevented = (readings.length > 0 ? candidates.slice(0, 1) : candidates).find(
    candidate => candidate.obstacle,
  );
  // the most likely reading is not silently replaced by another one
  if (prevented || readings.length === 0) {
    const { parts, mayBeAlone } = layout;
    const isApart = parts !== undefined && prevented?.obstacle === layout.obstacle;
    if (isApart && !mayBeAlone && !parts.some(part => part === table.files)) {
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

/** All that a column may be predicted as. */
function candidatesFor(target: Column, surroundings: Surroundings): Candidate[] {
  const facts = factsOf(target, surroundings);
  const { isClass } = facts;
  return KINDS.filter(kind => READINGS[kind].isPossible(facts)).map(kind => {
    const reading = READINGS[kind];
    const evidence = weighed(reading.evidence, facts);
    // whole classes in one split cannot be learned
    const subjects = reading
      .subjects(facts)
      .filter(column => column !== target && !(isClass && isFactOf(target, column)));
    const subject = coarsest(subjects);
    const nested = `each ${subjects[0]?.name} has one ${subject?.name}, which is kept in one split`;
    return {
      ...{ kind, target, subject, evidence },
      ...reading.rows(facts),
      isClass: isClass && kind !== 'pairs',
      isPlausible: reading.isPlausible(facts),
      score: scoreOf(evidence),
      why: [
        ...evidence.flatMap(({ weight, says }) => (weight > 0 ? [says] : [])),
        ...(subject === subjects[0] ? [] : [nested]),
      ],
      obstacle: reading.obstacles(facts).find(obstacle => obstacle) || undefined,
    };
  });
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
  const others = columns.filter(column => column !== target && column !== grouping && column.name !== '');
  const words = READINGS[kind].words(others, layout, features);
  if (kind !== 'series' && features.length === 0 && words === undefined)
    return 'no column has a number or a text in every row';
  const names = isSequence(kind)
    ? []
    : [...others.filter(isName), ...others.filter(isOwnCode)].filter(
        other => other.distinct === other.cells.length && other.lackedBy.length === 0,
      );
  const id = names.find(name => name !== words);
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
      ...features.flatMap(feature =>
        words && feature !== words ? [{ name: feature.name, reason: 'a text is read alone' }] : [],
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
    const cellType = isNumber ? 'numbers' : 'words';
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
        `each of its ${cellType} has one value of ${target.name}, as if it were the target`,
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
    .filter(column => column.name !== '' && column.hasNumbers && column.distinct > 2 && !isIdentifier(column))
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

/** True if rows follow each other. */
export function isSequence(kind: ReadingKind): boolean {
  return READINGS[kind].isSequence;
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
  const possible = others.filter(other => other.isPlausible).slice(0, 2);
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
