/**
 * The readings of a table, with the evidence for and against each. Its weights add up to a score;
 * the reading with the highest score is written.
 */

import { counted } from '../util/words.js';
import { type Column, isFactOf, isWhole, MAX_CLASSES } from './columns.js';
import { dependsOnPast, formsBlocks, isConstantWithin, smoothness } from './groups.js';
import {
  areYears,
  isCode,
  isIdentifier,
  isLabel,
  isMeasure,
  isName,
  isWordy,
  longestOf,
  mayBeWritten,
  numbersKinds,
  textOf,
} from './kinds.js';
import { areScattered, contradictionsIn, type Layout, repeatsDate } from './layout.js';
import { ATTRIBUTE, isPartOfDate, isTarget, USUAL } from './names.js';
import { aheadOf, mergedSeries, untilLast } from './steps.js';
import { isNamed, namesOfRows } from './subjects.js';

/** What speaks for a reading or, with a negative weight, against it. */
export interface Evidence {
  readonly weight: number;
  readonly says: string;
}

/** A kind of evidence: it counts if it holds. */
type Rule = readonly [
  weight: number | ((facts: Facts) => number),
  holds: (facts: Facts) => unknown,
  says: (facts: Facts) => string,
];

export function weighed(rules: readonly Rule[], facts: Facts): Evidence[] {
  return rules.flatMap(([weight, holds, says]) =>
    holds(facts) ? [{ weight: typeof weight === 'number' ? weight : weight(facts), says: says(facts) }] : [],
  );
}

export function scoreOf(evidence: readonly Evidence[]): number {
  return evidence.reduce((sum, { weight }) => sum + weight, 0);
}

/** Whole numbers of more values are measured, if their name says so. */
const MAX_GRADES = 5;
/** Fewer sequences cannot be split into training, validation and test. */
const MIN_SEQUENCES = 5;
const MIN_FORECAST_STEPS = 40;
/** Columns such as c1, c2 and c3 from which on they are measurements of one kind. */
const MIN_NUMBERED = 3;

/** What is known of a column as a target. */
export type Facts = ReturnType<typeof factsOf>;

export interface Surroundings {
  readonly columns: readonly Column[];
  readonly layout: Layout;
  /** Columns that tell who or what was recorded. */
  readonly subjects: readonly Column[];
  /** True if each row is read alone, even if a column groups rows. */
  readonly asRows: boolean;
}

export function factsOf(target: Column, { columns, layout, subjects, asRows }: Surroundings) {
  const { rows, order, group } = layout;
  const { name, isNumber, distinct, cells } = target;
  const isOutcome = isNumber && distinct > MAX_GRADES && USUAL.outcome.test(name);
  const isClass = !isNumber || (distinct <= MAX_CLASSES && isWhole(target) && !isOutcome);
  const isConstant = group !== undefined && isConstantWithin(rows, target);
  const isShared = isConstant && distinct >= 2 && 2 * distinct <= rows.length;
  /** A name that is a class as well, such as a speaker: few values, with groups of each. */
  const namesFew = isClass && isShared && distinct <= MAX_CLASSES && (isName(target) || isNamed(target));
  const text = textOf(columns.filter(column => column !== target));
  // chapters follow each other, speakers take turns
  const takesTurns = (column: Column) => column !== target && isLabel(column) && !formsBlocks(column);
  const last = columns.at(-1);
  const hasNumbers = columns.some(column => column !== target && isMeasure(column));
  const [, stem] = /^(.*\D)\d+$/.exec(name) ?? [];
  const isAlike = (column: Column) => isMeasure(column) && /^(.*\D)\d+$/.exec(column.name)?.[1] === stem;
  return {
    ...{ name, target, columns, layout, group, order, rows, subjects, text, isOutcome, isClass, isConstant },
    ...{ namesFew, hasNumbers, last },
    isLast: target === last,
    isMeasured: isMeasure(target),
    identifies: isIdentifier(target) && !namesFew,
    isFactOfSubject:
      !namesFew &&
      subjects.some(subject => (target === subject ? isNamed(subject) : isFactOf(subject, target))),
    isRare: 2 * target.missing > cells.length,
    isAgain: repeatsDate(layout, target),
    isPlace: USUAL.chapter.test(name) || (text && formsBlocks(target) && columns.some(takesTurns)),
    isNumbered: stem !== undefined && isMeasure(target) && columns.filter(isAlike).length >= MIN_NUMBERED,
    contradiction: group && contradictionsIn(rows, group, target),
    /** Why it cannot be predicted. */
    bad: badTarget(target),
    /** Why some rows belong to no sequence, or have no place in it. */
    unplaced: gapsIn(layout),
    /** Rows of one sequence, each read alone, would be in several splits. */
    torn: asRows ? undefined : layout.parts && layout.obstacle,
    // a name or a time beside measures or in a group is no text to write
    isKey: (group || hasNumbers) && (isName(target) || target.isTime),
    isUsualForecast: USUAL.forecast.test(name),
    isDated: order !== undefined && (order.isDate || areYears(order.columns[0])),
    series: order && seriesFacts(target, layout, columns),
  };
}

/** What is known of the values of a series. */
function seriesFacts(target: Column, layout: Layout, columns: readonly Column[]) {
  const { rows } = layout;
  const last = columns.at(-1);
  const isScattered = areScattered(layout);
  const isLastClass = last && last !== target && (isLabel(last) || last.distinct === 2);
  const merged = mergedSeries(layout);
  return {
    merged,
    /** Number of rows of the smallest one. */
    shortest: untilLast(layout, target).layout.shortest,
    ahead: aheadOf(layout, target, columns),
    isChance: (isScattered || isLastClass) && target.isNumber && !dependsOnPast(target, rows),
    isScatteredClass: isScattered && isLastClass,
    gaps: gapsIn(merged, true),
  };
}

/** The evidence that a column is a target, whatever the reading. */
const USUAL_TARGET: readonly Rule[] = [
  [3, f => isTarget(f.name), f => `${f.name} is a usual name of a target`],
  [1, f => f.isLast, f => `${f.name} is the last column`],
];
const TARGET: readonly Rule[] = [
  ...USUAL_TARGET,
  [1.5, f => f.isOutcome, f => `${f.name} is a usual name of an outcome`],
  [1.5, f => f.isClass && isLabel(f.target), f => `${f.name} has words of few kinds`],
  [
    0.5,
    f => f.isClass && f.target.isNumber && !f.identifies,
    f => `${f.name} has whole numbers of few values, which are classes`,
  ],
  [1, f => f.isLast && f.target.isNumber && isCode(f.target) && !f.isOutcome, f => `${f.name} numbers kinds`],
  [-2, f => f.isNumbered, f => `${f.name} is one of several numbered columns`],
  [-1.5, f => f.namesFew, f => `${f.name} names what was recorded`],
  [-3, f => f.isPlace, f => `${f.name} is a place in a text`],
  [-6, f => f.identifies, f => `${f.name} identifies something`],
  [-3, f => numbersKinds(f.target), f => `${f.name} has names with numbers`],
  [-4, f => f.isFactOfSubject, f => `${f.name} is a fact of ${f.subjects[0]?.name}`],
  [-3, f => ATTRIBUTE.test(f.name) || USUAL.place.test(f.name), f => `${f.name} is a fact of someone`],
  [-3, f => f.isRare, f => `most rows have no ${f.name}`],
  [-6, f => isPartOfDate(f.name) || f.isAgain, f => `${f.name} is a part of a date`],
  [-6, f => f.isClass && !isLabel(f.target) && !f.target.isNumber, f => `${f.name} has words of many kinds`],
];
const FEW_GROUPS: Rule = [
  -4,
  f => f.rows.length < MIN_SEQUENCES,
  f => `${counted(f.rows.length, f.group?.name ?? 'row')} are too few to learn from`,
];
const NUMBER: Rule = [-0.5, f => !f.isClass, f => `${f.name} is a number`];

/** A reading: what its targets are, what speaks for it, and what it needs. */
interface ReadingRow {
  /** What it predicts. */
  noun(name: string, isClass: boolean): string;
  /** True if rows follow each other. */
  readonly isSequence: boolean;
  isPossible(facts: Facts): unknown;
  readonly evidence: readonly Rule[];
  /** Why no config can be made for it: the first reason that holds. */
  obstacles(facts: Facts): readonly (string | false | undefined)[];
  /** Its rows; those of the future of a series have no target yet. */
  rows(facts: Facts): { readonly layout: Layout; readonly future?: Layout['rows'] };
  /** What equal values keep in one split: the most likely column first. */
  subjects(facts: Facts): readonly Column[];
  /** True if it may be offered. */
  isPlausible(facts: Facts): boolean;
  /** The column of words that is read, if any is, instead of `numbers`. */
  words(columns: readonly Column[], layout: Layout, numbers: readonly Column[]): Column | undefined;
}

const kindOf = (isClass: boolean) => (isClass ? 'class' : 'number');
const wordsWithoutNumbers: ReadingRow['words'] = (columns, layout, numbers) =>
  numbers.length > 0 ? undefined : columnOfWords(layout, columns);

export const KINDS = ['sequences', 'steps', 'series', 'rows', 'texts', 'pairs'] as const;
export type ReadingKind = (typeof KINDS)[number];

export const READINGS: Readonly<Record<ReadingKind, ReadingRow>> = {
  /** One target for each. */
  sequences: {
    noun: (name, isClass) => `${kindOf(isClass)} ${name} of each sequence`,
    isSequence: true,
    isPossible: f => f.group && (f.isConstant || f.contradiction),
    evidence: [
      ...TARGET,
      [3, () => true, f => `${f.name} is the same in all rows of each ${f.group?.name}`],
      FEW_GROUPS,
      [
        5,
        f => f.isClass && f.target.distinct > 1 && f.order?.isDate && endApart(f.order.at, f.rows),
        f => `the rows of most ${f.group?.name} end before the others`,
      ],
      [
        -4,
        f => f.isClass && f.isConstant && f.target.distinct > 2 && 2 * f.target.distinct > f.rows.length,
        f => `${f.name} has nearly as many classes as there are ${f.group?.name}`,
      ],
    ],
    obstacles: f => [f.bad, f.unplaced, f.contradiction],
    rows: f => f,
    subjects: f => f.subjects,
    isPlausible: f => !f.identifies,
    words: wordsWithoutNumbers,
  },
  /** A target for each step. */
  steps: {
    noun: (name, isClass) => `${kindOf(isClass)} ${name} of each step`,
    isSequence: true,
    isPossible: f => f.group && !f.isConstant,
    evidence: [
      ...TARGET,
      [2, () => true, f => `${f.name} differs within ${f.group?.name}`],
      FEW_GROUPS,
      [-1, f => !f.isClass, f => `${f.name} is a number at every step`],
    ],
    obstacles: f => [f.bad, f.unplaced],
    rows: f => f,
    subjects: f => f.subjects,
    isPlausible: f => !f.identifies,
    words: wordsWithoutNumbers,
  },
  /** Forecasts. */
  series: {
    noun: name => `a forecast of ${name}`,
    isSequence: true,
    isPossible: f => f.order && f.target.isNumber && !f.isConstant && f.target.distinct > 1,
    evidence: [
      [3, f => f.isUsualForecast, f => `${f.name} is a usual name of what is forecast`],
      [5, f => f.series?.ahead, f => f.series?.ahead ?? ''],
      [4, f => f.isDated, f => `${f.order?.columns[0].name} has dates`],
      [-1, f => !f.isDated, f => `${f.order?.columns[0].name} has no dates`],
      [f => smoothness(f.target, f.rows), f => f.isMeasured, f => `${f.name} is like the value before`],
      [-5, f => !f.isMeasured, f => `${f.name} is no measurement`],
      [-8, f => f.series?.isChance, f => `${f.name} does not depend on the values before`],
      [
        -4,
        f => f.series?.isScatteredClass && !f.series.isChance,
        f => `${f.order?.columns[0].name} is irregular, and ${f.last?.name} is a class`,
      ],
      [-10, f => isShort(f), f => `its series have ${f.series?.shortest} steps`],
      [-3, f => f.isRare, f => `most rows have no ${f.name}`],
      [-6, f => f.isAgain, f => `${f.name} is a part of a date`],
    ],
    obstacles: f => [
      f.bad,
      f.series?.gaps,
      isShort(f) &&
        `its series${f.group ? ` (the rows of each ${f.group.name})` : ''} have ${f.series?.shortest} steps, and a forecast needs ${MIN_FORECAST_STEPS}`,
      f.layout.perFile &&
        'a forecast reads one table, in which a column names the series, and no files of one each',
    ],
    rows: f => untilLast(f.series?.merged ?? f.layout, f.target),
    subjects: () => [],
    isPlausible: f => !f.identifies,
    words: () => undefined,
  },
  /** Each row is a sequence of one step. */
  rows: {
    noun: (name, isClass) => `${kindOf(isClass)} ${name} of each row`,
    isSequence: false,
    isPossible: () => true,
    evidence: [
      ...TARGET,
      [1, f => !f.group, () => 'no column says which rows belong together'],
      [-1, f => f.group, f => `the rows of each ${f.group?.name} belong together`],
      NUMBER,
    ],
    obstacles: f => [f.bad, f.torn],
    rows: f => ({ layout: alone(f.layout) }),
    subjects: f => namesOfRows(f.layout, f.columns),
    isPlausible: f => !f.identifies,
    words: wordsWithoutNumbers,
  },
  /** Each row has a text. */
  texts: {
    noun: (name, isClass) => `${kindOf(isClass)} ${name} of each text`,
    isSequence: false,
    isPossible: f => f.text,
    evidence: [...TARGET, [4, () => true, f => `${f.text?.name} has texts`], NUMBER],
    obstacles: f => [f.bad],
    rows: f => ({ layout: alone(f.layout) }),
    subjects: () => [],
    isPlausible: f => !f.identifies,
    words: columns => textOf(columns),
  },
  /** The target of each row is a sequence, too. */
  pairs: {
    noun: name => `the sequence ${name} of each row`,
    isSequence: false,
    isPossible: f => mayBeWritten(f.target) && !f.isKey,
    evidence: [
      ...USUAL_TARGET,
      [
        f => (f.group || f.hasNumbers || 2 * f.target.distinct <= f.target.cells.length ? -2 : 2),
        () => true,
        f => `${f.name} has ${f.target.distinct} different texts`,
      ],
    ],
    obstacles: () => [],
    rows: f => ({ layout: alone(f.layout) }),
    subjects: () => [],
    isPlausible: f =>
      !f.identifies && !(f.target.isTime || numbersKinds(f.target) || f.order?.columns.includes(f.target)),
    words: columns => longestOf(columns.filter(column => mayBeWritten(column) && !isName(column))),
  },
};

function isShort({ series }: Facts): boolean {
  return series !== undefined && series.shortest < MIN_FORECAST_STEPS;
}

/** True if most groups end before the last quarter of the time, as recordings do, and no series. */
function endApart(at: readonly number[], rows: Layout['rows']): boolean {
  const [first, last] = [Math.min, Math.max].map(extreme =>
    at.filter(time => !Number.isNaN(time)).reduce((a, b) => extreme(a, b)),
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

/** Why a column cannot be a target. */
export function unfit({ name, problem, gaps }: Column): string {
  const invalid = problem ?? gaps;
  return invalid ? `its target ${name} has invalid cells: ${invalid}` : `${name} cannot be such a target`;
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
