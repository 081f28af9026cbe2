/** What limits the trust in a result, though the run completed. */
import { OPTIMISTIC } from '../config/splits.js';
import { baselineWarnings } from './baseline-words.js';
import type { Summary } from './summary.js';

/**
 * A sentence for each thing that was selected by the test split, for a result that no trivial
 * baseline exceeds, and for outputs that are constant. Older summaries lack all of these.
 */
export function cautionsOf(summary: Summary): string[] {
  const { selected_on_test = [] } = summary;
  return [...selected_on_test.map(what => `${what} is ${OPTIMISTIC}`), ...baselineWarnings(summary)];
}
