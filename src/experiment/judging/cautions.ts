/** Cautions about a result, besides its numbers. */
import { OPTIMISTIC } from '../../config/rules/splits.js';
import { isRecord } from '../../config/schema/walk.js';
import type { Summary } from '../summary.js';
import { baselineWarnings } from './baseline-words.js';

/**
 * A sentence for each result that was selected by the test split, for a result no better than a
 * trivial baseline, and for constant outputs. Older summaries have none of these fields.
 * @param config the resolved config of the run
 */
export function cautionsOf(summary: Summary, { dataset }: Readonly<Record<string, unknown>>): string[] {
  const { selected_on_test = [] } = summary;
  const relativeTo = isRecord(dataset) ? dataset.relative_to : undefined;
  return [
    ...selected_on_test.map(what => `${what} is ${OPTIMISTIC}`),
    ...baselineWarnings(summary, relativeTo),
  ];
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
