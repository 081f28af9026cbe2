/** A table of the runs and sweeps in a folder, and the reports of the runs if they are few. */

import { basename, relative, resolve, sep } from 'node:path';
import { findRuns, runsAt } from '../run/find.js';
import type { RunHistory } from '../run/history.js';
import { Run } from '../run/run.js';
import { readSweepResults } from '../sweep/results.js';
import { UserError } from '../util/errors.js';
import { configTexts, endOf, type RunReport, runFacts, runReportOf } from './run-report.js';
import { type SweepRow, sweepRowOf } from './sweep-report.js';

export type IndexReport = ReturnType<typeof buildIndexReport>;
export type RunRow = ReturnType<typeof runRowOf>;

/** Number of pieces of a curve in a short report, and in a sparkline. */
const SHORT = 60;
const SPARK = 24;
/** Maximum number of runs whose reports are embedded: about 25 kB each. */
const MAX_DETAILS = 20;

/** Of an output root, or the folder of an experiment. Unreadable runs are listed. */
export function buildIndexReport(root: string) {
  const found = findRuns(root);
  // throws if there are none
  const all = found.length > 0 ? found : runsAt(root);
  const withDetails = all.filter(({ kind }) => kind === 'run').length <= MAX_DETAILS;
  const runs: RunRow[] = [];
  const sweeps: SweepRow[] = [];
  const details: RunReport[] = [];
  const unreadable: Unreadable[] = [];
  for (const one of all) {
    const path = pathUnder(root, one.path);
    try {
      if (one.kind === 'sweep') sweeps.push(sweepRowOf(readSweepResults(one.path), path));
      else {
        const run = Run.read(one.path);
        const history = run.history(SHORT);
        const row = runRowOf(run, path, () => history);
        runs.push({ ...row, config: configTexts(run.config), sparkline: sparklineOf(history) });
        if (withDetails) details.push({ ...runReportOf(run, history), evaluation: null });
      }
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      unreadable.push({ path, message: error.diagnostics.map(({ message }) => message).join('; ') });
    }
  }
  const title = basename(resolve(root));
  return { kind: 'index' as const, version: 1 as const, title, ...listOf(runs, sweeps, unreadable), details };
}

/** The path below `root`, with forward slashes. */
export function pathUnder(root: string, path: string): string {
  return relative(resolve(root), path).split(sep).join('/');
}

export interface Sparkline {
  readonly metric: string;
  readonly steps: readonly number[];
  readonly values: readonly (number | null)[];
}

/** Values of a config by key path, in YAML's flow style. */
export type ConfigTexts = Readonly<Record<string, string>>;

/** A run in a table, without what takes longest to read: its config and its curve. */
export function runRowOf(run: Run, path: string, historyOf: () => RunHistory) {
  const ended = endOf(run);
  const verdicts = (ended?.gates ?? []).map(({ verdict }) => verdict);
  const worst = (['failed', 'inconclusive', 'passed'] as const).find(one => verdicts.includes(one));
  return {
    ...runFacts(run, ended, historyOf),
    path,
    config: null as ConfigTexts | null,
    gates: worst ?? null,
    duration_s: ended?.duration_s ?? null,
    sparkline: null as Sparkline | null,
  };
}

/** The first of these curves with more than one point. */
function sparklineOf({ curves }: RunHistory): Sparkline | null {
  const metric = ['validation.loss', 'test.loss', 'epoch.loss', 'train.loss'].find(
    name => (curves[name]?.steps.length ?? 0) > 1,
  );
  if (metric === undefined) return null;
  const { steps, values } = curves[metric];
  const every = Math.max(1, Math.ceil(steps.length / (2 * SPARK)));
  const kept = steps.map((_, i) => i).filter(i => i % every === 0 || i === steps.length - 1);
  return { metric, steps: kept.map(i => steps[i]), values: kept.map(i => values[i]) };
}

export interface Unreadable {
  readonly path: string;
  readonly message: string;
}

/** The list without what is common to all configs, which stands there once. */
export function listOf<Row extends Pick<RunRow, 'config'>>(
  runs: readonly Row[],
  sweeps: readonly SweepRow[],
  unreadable: readonly Unreadable[],
) {
  const common_config = commonOf(runs.flatMap(({ config }) => (config === null ? [] : [config])));
  const restOf = (config: ConfigTexts): ConfigTexts =>
    Object.fromEntries(Object.entries(config).filter(([key]) => !(key in common_config)));
  const rows = runs.map(run => ({ ...run, config: run.config && restOf(run.config) }));
  return { common_config, runs: rows, sweeps, unreadable };
}

function commonOf([first = {}, ...others]: readonly ConfigTexts[]): ConfigTexts {
  // compares only the remaining entries, which soon are few
  let left = Object.entries(first);
  for (const config of others) left = left.filter(([key, value]) => config[key] === value);
  return Object.fromEntries(left);
}
