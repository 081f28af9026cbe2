/** The page of a report, and the style of all pages. */
import './style.css';
import { render } from 'preact';
import type { Report } from '../document.js';
import { IndexView } from './index-view.js';
import { RunView } from './run-view.js';
import { SweepView } from './sweep-view.js';

function ReportView({ report }: { readonly report: Report }) {
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

const place = document.querySelector('main');
const source = document.querySelector('#report')?.textContent;
if (place !== null && source) {
  place.replaceChildren();
  render(<ReportView report={JSON.parse(source)} />, place);
}
