/** The report of whatever a path is. */
import { kindOf } from '../review/reading/find.js';
import type { Report } from './document.js';
import { buildIndexReport } from './index-report.js';
import { buildRunReport } from './run-report.js';
import { buildSweepReport } from './sweep-report.js';

/**
 * Of a run directory, a sweep's directory, or a folder of both. Throws UserError: exit 2 where
 * `path` is none of these, exit 5 where a file is damaged.
 */
export function buildReport(path: string): Report {
  const kind = kindOf(path);
  if (kind === 'run') return buildRunReport(path);
  return kind === 'sweep' ? buildSweepReport(path) : buildIndexReport(path);
}
