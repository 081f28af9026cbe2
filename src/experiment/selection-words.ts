/** How a result that was selected by the test split is told. */
import { OPTIMISTIC } from '../config/splits.js';
import type { Summary } from './summary.js';

/** A sentence for each thing that was selected by the test split. */
export function selectionSentences({ selected_on_test = [] }: Pick<Summary, 'selected_on_test'>): string[] {
  return selected_on_test.map(what => `${what[0].toUpperCase()}${what.slice(1)}: ${OPTIMISTIC}.`);
}
