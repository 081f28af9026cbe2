/** The page of one run or sweep, and the style of all pages. */
import 'uplot/dist/uPlot.min.css';
import './style.css';
import './list/list.css';
import type { RunReport, SweepReport } from '../document.js';
import { RunView } from './run-view.js';
import { show } from './show.js';
import { SweepView } from './sweep-view.js';

show<RunReport | SweepReport>(report =>
  report.kind === 'run' ? <RunView report={report} /> : <SweepView report={report} />,
);
