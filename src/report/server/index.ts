/** The live dashboard: everything under a folder of experiments, in a browser. */
import type { RunHistory } from '../../review/history.js';
import { readRun } from '../../review/run-record.js';
import { readSweepResults } from '../../sweep/results/index.js';
import { type Dashboard, type DashboardOptions, startDashboard } from './dashboard.js';

export { type Dashboard, PORT_TAKEN } from './dashboard.js';
export { isLoopback } from './guard.js';

/** See `startDashboard`. */
export function startReportDashboard(
  options: Omit<DashboardOptions, 'assets' | 'reports'>,
): Promise<Dashboard> {
  return startDashboard({
    ...options,
    assets: { read: () => '' },
    reports: {
      run: (folder: string, history: RunHistory) => ({
        ...readRun(folder),
        directory: undefined,
        ...history,
      }),
      sweep: folder => readSweepResults(folder).records,
    },
  });
}
