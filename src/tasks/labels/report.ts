/** What a report shows of an evaluation of labels. */
import { CLASS_SCORES, scoresOf, worstOf } from '../core/report.js';
import type { LabelEvaluation } from './facts.js';

export type LabelReport = ReturnType<typeof labelReport>;

export function labelReport({ target_names: names, worst, per_label }: LabelEvaluation) {
  return {
    kind: 'label' as const,
    names,
    worst: worstOf(worst),
    scores: scoresOf('label', CLASS_SCORES, per_label, names),
  };
}
