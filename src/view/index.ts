/** Reports: documents built from the files of runs and sweeps, and the page that shows them. */
import { kindOf } from '../run/find.js';
import type { Report } from './document.js';
import { buildIndexReport } from './index-report.js';
import { buildRunReport } from './run-report.js';
import { buildSweepReport } from './sweep-report.js';

export type { Report } from './document.js';
export { GENERATOR, readPageAssets, renderPage } from './html.js';

export function buildReport(path: string): Report {
  const kind = kindOf(path);
  if (kind === 'run') return buildRunReport(path);
  return kind === 'sweep' ? buildSweepReport(path) : buildIndexReport(path);
}
