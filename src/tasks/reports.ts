/** What reports show of the evaluations of each task. */
import { classReport } from './classes/report.js';
import type { Hear, ShownSequence } from './core/report.js';
import type { SplitEvaluation } from './facts.js';
import { labelReport } from './labels/report.js';
import { sequenceReport } from './sequences/report.js';
import { valueReport } from './values/report.js';

export type TaskReport = ReturnType<typeof taskReport>;

export function taskReport(written: SplitEvaluation, hear: Hear) {
  switch (written.kind) {
    case 'class':
      return classReport(written, hear);
    case 'value':
      return valueReport(written);
    case 'label':
      return labelReport(written);
    case 'sequence':
      return sequenceReport(written, hear);
  }
}

/** The sequences that a report of the evaluation shows with their recordings. */
export function shownSequences(written: SplitEvaluation): readonly ShownSequence[] {
  const shown: ShownSequence[] = [];
  taskReport(written, sequence => {
    shown.push(sequence);
    return null;
  });
  return shown;
}
