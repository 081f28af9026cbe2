/** What a reader should know of a result besides its numbers. */
import { OPTIMISTIC } from '../../config/rules/splits.js';
import type { Summary } from '../summary.js';
import { baselineWarnings } from './baseline-words.js';

/**
 * A sentence for each thing that was selected by the test split, for a result that no trivial
 * baseline exceeds, and for outputs that are constant. Older summaries lack all of these.
 */
export function cautionsOf(summary: Summary): string[] {
  const { selected_on_test = [] } = summary;
  return [...selected_on_test.map(what => `${what} is ${OPTIMISTIC}`), ...baselineWarnings(summary)];
}

/** How training ended before its last step, or with other weights than those of its last step. */
export function endingOf({ stopped_early, restored }: Summary): string | null {
  const sentences = [
    ...(stopped_early ? [`training stopped early: ${stopped_early.metric} no longer improved`] : []),
    ...(restored ? [`the weights are those of step ${restored.step}, the best checkpoint`] : []),
  ];
  return sentences.length > 0 ? sentences.join('; ') : null;
}
