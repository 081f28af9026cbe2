/** What a page shows of the evaluation of each task. */
import { ClassView } from './classes/view.js';
import type { RecordingReport } from './core/report.js';
import { LabelView } from './labels/view.js';
import type { TaskReport } from './reports.js';
import { SequenceView } from './sequences/view.js';
import { ValueView } from './values/view.js';

interface Props {
  readonly report: TaskReport;
  /** Where it was measured. */
  readonly place: string;
}

export function TaskView({ report, place }: Props) {
  switch (report.kind) {
    case 'class':
      return <ClassView report={report} place={place} />;
    case 'value':
      return <ValueView report={report} place={place} />;
    case 'label':
      return <LabelView report={report} place={place} />;
    case 'sequence':
      return <SequenceView report={report} place={place} />;
  }
}

/** The recordings that the page shows. */
export function recordingsIn(report: TaskReport): readonly RecordingReport[] {
  const shown =
    report.kind === 'class'
      ? report.mistakes
      : report.kind === 'sequence'
        ? [...report.alignments, ...report.misread]
        : [];
  return shown.flatMap(({ recording }) => (recording === null ? [] : [recording]));
}
