/** A table of the runs and sweeps in a folder, and the reports of the runs if they are few. */

import { basename, relative, resolve, sep } from 'node:path';
import type { Verdict } from '../run/events.js';
import { type Found, findRuns, runsAt } from '../run/find.js';
import type { RunHistory } from '../run/history.js';
import { Run, type RunRecord } from '../run/run.js';
import { readSweepResults, type SweepResults, summaryOf } from '../sweep/index.js';
import { UserError } from '../util/errors.js';
import type { CommonConfig, IndexReport, RunReport, RunRow, SweepRow } from './document.js';
import { configTexts, runReportOf } from './run-report.js';

/** Number of pieces of a curve in a short report, and in a sparkline. */
const SHORT = 60;
const SPARK = 24;
/** Maximum number of runs whose reports are embedded: about 25 kB each. */
const MAX_DETAILS = 20;

/** Of an output root, or the folder of an experiment. Unreadable runs are listed. */
export function buildIndexReport(root: string): IndexReport {
  const found = findRuns(root);
  // throws if there are none
  const all = found.length > 0 ? found : runsAt(root);
  const withDetails = all.filter(({ kind }) => kind === 'run').length <= MAX_DETAILS;
  const runs: RunRow[] = [];
  const sweeps: SweepRow[] = [];
  const details: RunReport[] = [];
  const unreadable: { path: string; message: string }[] = [];
  for (const one of all) {
    const path = pathOf(root, one);
    try {
      if (one.kind === 'sweep') sweeps.push(sweepRowOf(readSweepResults(one.path), path));
      else {
        const record = Run.read(one.path);
        const history = record.history(SHORT);
        runs.push(runRowOf(record, history, path));
        if (withDetails) details.push({ ...runReportOf(record, history), evaluation: null });
      }
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      unreadable.push({ path, message: error.diagnostics.map(({ message }) => message).join('; ') });
    }
  }
  const { common_config, rows } = withoutCommon(runs);
  return {
    kind: 'index',
    version: 1,
    title: basename(resolve(root)),
    common_config,
    runs: rows,
    sweeps,
    unreadable,
    details,
  };
}

function pathOf(root: string, { path }: Found): string {
  return relative(resolve(root), path).split(sep).join('/');
}

/** @param path of its directory in the table */
export function runRowOf(record: RunRecord, history: RunHistory, path: string): RunRow {
  const { id, name, state, started, seed, tags, note, steps, epochs, metrics, gates, timings } = runReportOf(
    record,
    history,
  );
  return {
    id,
    name,
    path,
    state,
    started,
    seed,
    tags,
    note,
    steps,
    epochs,
    config: configTexts(record.config),
    metrics,
    gates: worstOf(gates.flatMap(({ verdict }) => (verdict === null ? [] : [verdict]))),
    duration_s: timings?.duration_s ?? null,
    sparkline: sparklineOf(history),
  };
}

export function worstOf(verdicts: readonly Verdict[]): Verdict | null {
  return (['failed', 'inconclusive', 'passed'] as const).find(verdict => verdicts.includes(verdict)) ?? null;
}

/** The first of these curves with more than one point. */
function sparklineOf({ curves }: RunHistory): RunRow['sparkline'] {
  const metric = ['validation.loss', 'test.loss', 'epoch.loss', 'train.loss'].find(
    name => (curves[name]?.steps.length ?? 0) > 1,
  );
  if (metric === undefined) return null;
  const { steps, values } = curves[metric];
  const every = Math.max(1, Math.ceil(steps.length / (2 * SPARK)));
  const kept = steps.map((_, i) => i).filter(i => i % every === 0 || i === steps.length - 1);
  return { metric, steps: kept.map(i => steps[i]), values: kept.map(i => values[i]) };
}

export function sweepRowOf(results: SweepResults, path: string): SweepRow {
  const { sweep_id, name, status, objective, trials, states, best, duration_s } = summaryOf(results);
  const { tags, note } = results.directory.notes.read();
  return {
    id: sweep_id,
    name,
    path,
    state: status,
    started: results.records.started ?? null,
    metric: objective.metric,
    goal: objective.goal,
    trials,
    states,
    best: best === null || best.value === null ? null : { trial: best.trial, value: best.value },
    duration_s,
    tags,
    note,
  };
}

type WithConfig = Pick<RunRow, 'config'>;

/** @param rows with their whole configs */
export function withoutCommon<Row extends WithConfig>(
  rows: readonly Row[],
): { readonly common_config: CommonConfig; readonly rows: readonly Row[] } {
  const common_config = commonConfig(rows.flatMap(({ config }) => (config === null ? [] : [config])));
  return {
    common_config,
    rows: rows.map(row => ({ ...row, config: row.config && restOf(row.config, common_config) })),
  };
}

function commonConfig(configs: readonly CommonConfig[]): CommonConfig {
  const [first = {}, ...others] = configs;
  // compares only the remaining entries, which soon are few
  let left = Object.entries(first);
  for (const config of others) left = left.filter(([key, value]) => config[key] === value);
  return Object.fromEntries(left);
}

function restOf(config: CommonConfig, common: CommonConfig): CommonConfig {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !(key in common)));
}
