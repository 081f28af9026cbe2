/** The live dashboard: shows everything under a folder of experiments in a browser. */
import { comparisonOf } from '../../judge/comparison/compare.js';
import { describeSide, effectWords, listed, sentencesOf } from '../../judge/comparison/sentences.js';
import { Run, type RunRecord } from '../../run/run.js';
import { programFile } from '../../util/root.js';
import type { ComparisonReport } from '../document.js';
import { runReportOf } from '../run-report.js';
import { buildSweepReport } from '../sweep-report.js';
import { type Dashboard, type DashboardOptions, pageAssets, startDashboard } from './dashboard.js';

export { type Dashboard, PORT_TAKEN } from './dashboard.js';
export { isLoopback } from './requests.js';

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
      run: (folder, history) => runReportOf(Run.read(folder), history),
      sweep: buildSweepReport,
      comparison: places =>
        comparisonReportOf(new Map(places.map(({ path, folder }) => [path, Run.read(folder)]))),
    },
  });
}

/**
 * Compares runs. Runs that differ only in their seed form one side.
 * @param placed by the dashboard's path
 */
export function comparisonReportOf(placed: ReadonlyMap<string, RunRecord>): ComparisonReport {
  const runs = [...placed.values()];
  const pathOf = new Map([...placed].map(([path, { directory }]) => [directory.path, path]));
  const names = [...new Set(runs.map(({ name }) => name))];
  const groups = names.map(name => ({ argument: name, runs: runs.filter(run => run.name === name) }));
  const { comparison } = comparisonOf(groups, { metrics: [], all: true, leftOut: [] });
  const { sides, config, facts, metrics } = comparison;
  return {
    kind: 'comparison',
    version: 1,
    sides: sides.map(side => ({
      id: side.id,
      name: side.name,
      description: describeSide(side),
      runs: side.runs.map(({ directory }) => pathOf.get(directory) ?? directory),
    })),
    changes: Object.fromEntries(config.map(({ key, changes }) => [key, effectWords(changes)])),
    facts: facts
      .filter(({ differs }) => differs)
      .map(({ key, values, changes_results }) => ({ key, values: values.map(listed), changes_results })),
    metrics,
    sentences: sentencesOf(comparison),
  };
}
