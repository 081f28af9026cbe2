/** Static features of records: fields with one value per sequence. */
import type { Diagnostic } from '../util/errors.js';
import { cellNumber } from './core/cells.js';
import type { FeatureColumn } from './core/columns.js';
import { MISSING_VALUE, VALUE_NEEDED } from './core/problems.js';
import {
  type CellForms,
  cellReaders,
  hasCategories,
  UNKNOWN_CATEGORY,
  UnknownCategories,
} from './feature-columns.js';
import { textOf, Unfit } from './jsonl-records.js';

/**
 * Returns the function from a static field, by its index, to its numbers. It warns of categories
 * that the training split does not have.
 */
export function staticReader(
  columns: readonly FeatureColumn[],
  forms: CellForms,
): (value: unknown, index: number, warn?: (warning: Diagnostic) => void) => readonly number[] {
  const readers = cellReaders(columns, forms);
  const unknowns = new UnknownCategories();
  return (value, index, warn) => {
    const column = columns[index];
    const text = value === null ? '' : textOf(value, 'a number, a text, a boolean or null').trim();
    const isHole = column.isMissing?.(text) ?? false;
    if (isHole && !column.isFilled && !hasCategories(column))
      throw new Unfit(VALUE_NEEDED, value, { code: MISSING_VALUE });
    const reader = readers[index];
    if (reader === undefined) {
      const number = isHole ? Number.NaN : cellNumber(text);
      if (number !== undefined) return [number];
      throw new Unfit('a finite number', value, { code: 'data/not-finite' });
    }
    const numbers: number[] = [];
    const problem = reader.read(text, number => numbers.push(number))?.({});
    if (problem) throw new Unfit(problem.expected ?? 'a date', value, problem);
    const isUnknown = hasCategories(column) && numbers[0] === UNKNOWN_CATEGORY;
    const warning = isUnknown ? unknowns.warning(column, text, () => ({})) : undefined;
    if (warning) warn?.(warning);
    return numbers;
  };
}
