/** The page of one run or sweep, and the style of all pages. */
import 'uplot/dist/uPlot.min.css';
import './style.css';
import type { RunReport, SweepReport } from '../document.js';
import { show } from './components.js';
import { RunView } from './run-view.js';
import { SweepView } from './sweep-view.js';

show<RunReport | SweepReport>(report =>
  report.kind === 'run' ? <RunView report={report} /> : <SweepView report={report} />,
);
