/** Who or what was recorded: a column whose equal values keep sequences in one split. */
import { BLOCK } from '../data/formats/archives.js';
import { type Column, countsOf, isFactOf, isWhole } from './columns.js';
import { formsBlocks, isConstantWithin } from './groups.js';
import { isName, numbersKinds } from './kinds.js';
import { contradictionsIn, isGappy, type Layout } from './layout.js';
import { ATTRIBUTE, isPartOfDate, isTarget, MIN_SUBJECTS, USUAL } from './names.js';

/** Fewer values, under a name that does not tell subjects, are kinds such as treatments. */
const MIN_NAMES = 8;

/** The columns that tell subjects, the most likely one first: words, then most values. */
export function subjectsOf(layout: Layout, columns: readonly Column[]): Column[] {
  const found = columns.filter(column => tellsSubjects(layout, column) === 'surely');
  const named = found.filter(isNamed);
  const others = found
    .filter(column => !named.includes(column))
    .toSorted((a, b) => Number(a.isNumber) - Number(b.isNumber) || b.distinct - a.distinct);
  return [...named, ...others];
}

/** `perhaps`: whole numbers that may be measured as well. */
export function tellsSubjects(layout: Layout, column: Column): 'surely' | 'perhaps' | undefined {
  const { group, order, rows } = layout;
  const { cells, isValue, isNumber, distinct } = column;
  const named = isNamed(column);
  if (
    group === undefined ||
    column === group ||
    order?.columns.includes(column) ||
    isGappy(column) ||
    distinct < (named ? MIN_SUBJECTS : MIN_NAMES) ||
    distinct >= rows.length ||
    !(named || mayName(column)) ||
    !(isConstantWithin(rows, column) || contradictionsIn(rows, group, column))
  )
    return undefined;
  if (named) return 'surely';
  const values = rows.map(list => cells[list.find(row => isValue(cells[row])) ?? list[0]]);
  const counts = [...countsOf(values).values()];
  const unshared = counts.filter(count => count === 1).length;
  if (2 * unshared > rows.length) return undefined;
  // measured numbers are rarely side by side, or equally often the same
  const blocks = values.filter((value, i) => value !== values[i - 1]).length;
  return !isNumber || blocks === distinct || new Set(counts).size === 1 ? 'surely' : 'perhaps';
}

/** The columns that name what rows read alone are of, such as lots: the most likely one first. */
export function namesOfRows({ group, perFile }: Layout, columns: readonly Column[]): Column[] {
  const isOwn = group && !perFile && group.name !== BLOCK && group.distinct >= MIN_SUBJECTS;
  return [...new Set([...(isOwn ? [group] : []), ...columns.filter(namesRows)])];
}

/** True for a name that several rows have, by its own name or as such names are given. */
export function namesRows(column: Column): boolean {
  const { name, cells, isValue, isNumber, isTime, distinct, problem } = column;
  if (isTime || problem !== undefined || isTarget(name) || isGappy(column)) return false;
  if (isName(column)) return distinct >= MIN_SUBJECTS && distinct < cells.length;
  if (distinct < MIN_NAMES || 2 * distinct > cells.length || (isNumber && !isWhole(column))) return false;
  const counts = [...countsOf(cells.filter(isValue)).values()];
  const isUsual = USUAL.lot.test(name) || isNamed(column);
  // kinds, such as towns, are rarely side by side, or equally often the same
  const most = (isUsual ? 2 : 1) * counts.reduce((least, count) => Math.min(least, count));
  const areEven = formsBlocks(column) || counts.every(count => count <= most);
  return isUsual ? !isNumber || areEven : numbersKinds(column) && areEven;
}

/** True for a name that tells subjects. */
export function isNamed({ name }: Pick<Column, 'name'>): boolean {
  return USUAL.subject.test(name);
}

/** True for words and whole numbers, unless their name says what they measure. */
function mayName(column: Column): boolean {
  const { name, isNumber, isTime, problem } = column;
  if (isTime || problem !== undefined) return false;
  return !isNumber || (isWhole(column) && !ATTRIBUTE.test(name) && !isPartOfDate(name));
}

/** Why the subject cannot keep its sequences in one split. */
export function subjectProblem({ group, rows }: Layout, subject: Column | undefined): string | undefined {
  if (subject?.gaps) return `${subject.name} has ${subject.gaps}`;
  return subject && group && contradictionsIn(rows, group, subject);
}

/**
 * The first subject, or one around it, such as the site of patients: sequences of a site are alike,
 * too.
 */
export function coarsest([first, ...others]: readonly Column[]): Column | undefined {
  return others.reduce(
    (inner, column) => (column.distinct < inner.distinct && isFactOf(inner, column) ? column : inner),
    first,
  );
}
