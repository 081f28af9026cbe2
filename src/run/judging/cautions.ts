/** Cautions about a result, besides its numbers. */
import { OPTIMISTIC } from '../../config/rules/splits.js';
import type { Summary } from '../summary.js';
import { baselineWarnings } from './baseline-words.js';

/**
 * A sentence for each result that was selected by the test split, for a result no better than a
 * trivial baseline, and for constant outputs. Older summaries have none of these fields.
 */
export function cautionsOf(summary: Summary): string[] {
  const { selected_on_test = [] } = summary;
  return [...selected_on_test.map(what => `${what} is ${OPTIMISTIC}`), ...baselineWarnings(summary)];
}

/**
 * A sentence if training ended before its last step, or with other weights than its last step's;
 * else null.
 */
export function endingOf({ stopped_early, restored }: Summary): string | null {
  const sentences = [
    ...(stopped_early ? [`training stopped early: ${stopped_early.metric} no longer improved`] : []),
    ...(restored ? [`the weights are those of step ${restored.step}, the best checkpoint`] : []),
  ];
  return sentences.length > 0 ? sentences.join('; ') : null;
}
