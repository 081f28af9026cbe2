/** The view of a document, by its kind. */
import type { Report } from '../document.js';
import { IndexView } from './index-view.js';
import { RunView } from './run-view.js';
import { SweepView } from './sweep-view.js';

export function ReportView({ report }: { readonly report: Report }) {
  switch (report.kind) {
    case 'run':
      return <RunView report={report} />;
    case 'sweep':
      return <SweepView report={report} />;
    case 'index':
      return <IndexView report={report} />;
    default:
      return report satisfies never;
  }
}
