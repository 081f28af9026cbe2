/** The live dashboard: shows everything under a folder of experiments in a browser. */

import { readRun } from '../../run/record.js';
import { programFile } from '../../util/root.js';
import { comparisonReportOf } from '../comparison-report.js';
import { runReportOf } from '../run-report.js';
import { buildSweepReport } from '../sweep-report.js';
import { pageAssets } from './assets.js';
import { type Dashboard, type DashboardOptions, startDashboard } from './dashboard.js';

export { type Dashboard, PORT_TAKEN } from './dashboard.js';
export { isLoopback } from './guard.js';

/** The build writes them next to the report's assets. */
const ASSETS = programFile('view/');

/** See `startDashboard`. */
export function startReportDashboard(
  options: Omit<DashboardOptions, 'assets' | 'reports'>,
): Promise<Dashboard> {
  return startDashboard({
    ...options,
    assets: pageAssets(ASSETS),
    reports: {
      run: (folder, history) => runReportOf(readRun(folder), history),
      sweep: buildSweepReport,
      comparison: places =>
        comparisonReportOf(new Map(places.map(({ path, folder }) => [path, readRun(folder)]))),
    },
  });
}
