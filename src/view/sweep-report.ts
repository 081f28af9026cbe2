/** The report of one sweep, from its plan, its journal and the logs of its trials. */
import { relative, sep } from 'node:path';
import {
  beatsBaseline,
  bestRow,
  epochValues,
  importanceOf,
  ranked,
  readSweepResults,
  type SweepResults,
  summaryOf,
  sweepCautions,
  type TrialRow,
  trialTable,
  whyEnded,
} from '../sweep/index.js';
import type { Pruner } from '../sweep/schedule/index.js';
import type { SweepPlan } from '../sweep/schedule/plan.js';
import type { Method } from '../sweep/search/index.js';
import { canonical, type Parameter, type Value } from '../sweep/search/space.js';
import { counted } from '../util/words.js';
import type { Fact, ParameterReport, SweepReport, TrialReport } from './document.js';

/** Beyond, the best and an even selection: more lines could not be distinguished. */
const MAX_TRIALS = 500;

export function buildSweepReport(path: string): SweepReport {
  return sweepReportOf(readSweepResults(path));
}

export function sweepReportOf(results: SweepResults): SweepReport {
  const { plan, directory, state, records } = results;
  const rows = ranked(plan, records.rows);
  const { baseline, states } = summaryOf(results);
  const { tags, note } = directory.notes.read();
  return {
    kind: 'sweep',
    version: 1,
    id: directory.id,
    name: plan.name,
    state,
    reason: whyEnded(records) ?? null,
    started: records.started ?? null,
    objective: plan.objective,
    epochs: plan.epochs,
    epochs_trained: records.epochsTrained,
    duration_s: records.seconds ?? null,
    settings: settingsOf(plan),
    parameters: parametersOf(plan, rows),
    trials: thinned(rows).map(row => trialOf(row, results)),
    states,
    cautions: [
      ...sweepCautions(plan, records.rows),
      ...(beatsBaseline(plan, bestRow(plan, records), baseline) === false
        ? ['the best trial is no better than the trivial baseline']
        : []),
    ],
    baseline: baseline ?? null,
    tags,
    note,
    best: bestRow(plan, records)?.trial ?? null,
    importance: importancesOf(plan, records.rows),
  };
}

function importancesOf(plan: SweepPlan, rows: readonly TrialRow[]): SweepReport['importance'] {
  const found = importanceOf(plan, rows);
  if (found === null) return null;
  return found.map(({ name, importance }) => ({ name, share: importance })).sort((a, b) => b.share - a.share);
}

function thinned(rows: readonly TrialRow[]): readonly TrialRow[] {
  if (rows.length <= MAX_TRIALS) return rows;
  const best = MAX_TRIALS / 2;
  const every = Math.ceil((rows.length - best) / (MAX_TRIALS - best));
  return rows.filter((_, i) => i < best || (i - best) % every === 0);
}

function trialOf(row: TrialRow, results: SweepResults): TrialReport {
  const { plan, directory } = results;
  const { trial, state, epochs, value, spread, seconds, point, message } = row;
  const point_ = Object.entries(point).map(([name, set]) => [name, shown(set)] as const);
  return {
    trial,
    state,
    epochs,
    value,
    spread,
    seconds,
    point: Object.fromEntries(point_),
    message,
    runs: plan.seeds.map(seed => {
      const result = row.seeds.find(one => one.seed === seed);
      const path = relative(directory.path, directory.runPath({ trial, seed })).split(sep).join('/');
      return { seed, path, epochs: result?.epochs ?? 0, value: result?.value ?? null };
    }),
    curve: curveOf(trial, results),
  };
}

/** The mean over the seeds that have reached an epoch; null if one of them was not finite. */
function curveOf(trial: number, { plan, directory }: SweepResults): TrialReport['curve'] {
  const byEpoch = new Map<number, (number | null)[]>();
  for (const seed of plan.seeds) {
    for (const { epoch, value } of epochValues(plan, directory.runPath({ trial, seed })))
      byEpoch.set(epoch, [...(byEpoch.get(epoch) ?? []), value]);
  }
  const epochs = [...byEpoch.keys()].sort((a, b) => a - b);
  return { epochs, values: epochs.map(epoch => meanOf(byEpoch.get(epoch) ?? [])) };
}

function meanOf(values: readonly (number | null)[]): number | null {
  const finite = values.filter(value => value !== null);
  return finite.length < values.length ? null : finite.reduce((sum, value) => sum + value, 0) / finite.length;
}

function shown(value: Value): number | string {
  return typeof value === 'number' || typeof value === 'string' ? value : canonical(value);
}

/** The parameters that differ between trials; all of them if there are no trials yet. */
function parametersOf(plan: SweepPlan, rows: readonly TrialRow[]): readonly ParameterReport[] {
  const { columns } = trialTable(plan, rows, { changed: rows.length > 1 });
  const title = new Map(columns.map(column => [column.name, column.title ?? column.name]));
  return plan.space.parameters
    .filter(({ name }) => title.has(name))
    .map(parameter => parameterOf(parameter, title.get(parameter.name) ?? parameter.name));
}

function parameterOf({ name, distribution }: Parameter, title: string): ParameterReport {
  if (distribution.kind !== 'choice') {
    const { kind, low, high } = distribution;
    const scale = kind === 'log_uniform' || kind === 'log_int' ? 'log' : 'linear';
    return { name, title, scale, low, high, values: [] };
  }
  const values = distribution.values.map(shown);
  return { name, title, scale: 'category', low: null, high: null, values: values.map(String) };
}

function settingsOf({
  method,
  pruner,
  seeds,
  budget,
  epochs,
  parallel,
  seed,
  bases,
  objective,
}: SweepPlan): readonly Fact[] {
  return [
    { label: 'Objective', value: `${objective.goal} ${objective.metric}` },
    { label: 'Method', value: described(method) },
    { label: 'Pruner', value: described(pruner) },
    { label: 'Epochs of a trial', value: String(epochs) },
    { label: 'Budget', value: describeBudget(budget) },
    { label: seeds.length === 1 ? 'Seed of the trials' : 'Seeds of each trial', value: seeds.join(', ') },
    { label: 'Seed of the sweep', value: String(seed) },
    { label: 'Trials at the same time', value: String(parallel) },
    {
      label: bases.length === 1 ? 'Base config' : 'Base configs',
      value: bases.map(({ file }) => file).join(', '),
    },
  ];
}

function described({ kind, ...settings }: Method | Pruner): string {
  const parts = Object.entries(settings).map(([name, value]) => `${name} ${value}`);
  return parts.length === 0 ? kind : `${kind} (${parts.join(', ')})`;
}

function describeBudget({ trials, seconds, target }: SweepPlan['budget']): string {
  const parts = [
    trials === null ? '' : counted(trials, 'trial'),
    seconds === null ? '' : `${seconds} s`,
    target === null ? '' : `until ${target} is reached`,
  ].filter(part => part !== '');
  return parts.length === 0 ? 'none' : parts.join(', ');
}
