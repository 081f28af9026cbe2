/** The page's beginning: the document is in the page itself; nothing is fetched. */
import { render } from 'preact';
import 'uplot/dist/uPlot.min.css';
import './style.css';
import type { Report } from '../document.js';
import { ReportView } from './report-view.js';

const place = document.querySelector('main');
const source = document.querySelector('#report')?.textContent;
if (place !== null && source) {
  place.replaceChildren();
  render(<ReportView report={JSON.parse(source) as Report} />, place);
}
