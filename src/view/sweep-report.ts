/** The report of one sweep, from its plan, its journal and the logs of its trials. */

import { relative, sep } from 'node:path';
import { judgeSeeds } from '../judge/judging/review.js';
import { readNotes } from '../run/notes.js';
import { gateWords } from '../run/words.js';
import {
  outOfFoldMetrics,
  readSweepResults,
  repeatedRuns,
  type SweepResults,
  type SweepSummary,
  summaryOf,
  trialTable,
  trivialSentence,
} from '../sweep/results.js';
import { replicatesOf, type SweepPlan } from '../sweep/schedule/plan.js';
import type { Pruner } from '../sweep/schedule/pruners.js';
import type { Method } from '../sweep/search/index.js';
import { canonical, type Parameter, type Value } from '../sweep/search/space.js';
import { epochValues } from '../sweep/segment.js';
import { ranked, sweepCautions, type TrialRow, whyEnded } from '../sweep/trials.js';
import { momentsOf } from '../util/numbers.js';
import { counted } from '../util/words.js';
import { type Fact, factsIn, gateReport } from './run-report.js';

/** Beyond, the best and an even selection: more lines could not be distinguished. */
const MAX_TRIALS = 500;

export type SweepReport = ReturnType<typeof buildSweepReport>;
export type TrialReport = SweepReport['trials'][number];
export type SweepRow = ReturnType<typeof sweepRowOf>;

export function buildSweepReport(path: string) {
  const results = readSweepResults(path);
  const { plan, records, best } = results;
  const summary = summaryOf(results);
  const { objective, epochs_trained, baseline = null, metrics = [], importance } = summary;
  const rows = ranked(plan, records.rows);
  const verdicts = verdictsOf(results, summary);
  const missed = missedBy(verdicts);
  return {
    kind: 'sweep' as const,
    version: 1 as const,
    ...factsOf(results, summary, verdicts),
    reason: whyEnded(records) ?? null,
    objective,
    epochs: plan.epochs,
    epochs_trained,
    settings: settingsOf(plan),
    parameters: parametersOf(plan, rows),
    trials: thinned(rows).map(row => trialOf(row, results)),
    failures: [...missed.map(({ sentence }) => sentence), trivialOf(results, summary) ?? []].flat(),
    gates: verdicts.map(({ seed, fold, gate }) => ({
      ...gateReport(gate),
      seed,
      ...(fold !== undefined && { fold }),
    })),
    cautions: sweepCautions(plan, records.rows),
    baseline,
    best: best?.trial ?? null,
    metrics,
    folds: plan.folds ?? null,
    out_of_fold: outOfFoldMetrics(results),
    importance,
  };
}

/** @param path of its directory in the table */
export function sweepRowOf(results: SweepResults, path: string) {
  const summary = summaryOf(results);
  const { objective, trials, best } = summary;
  return {
    ...factsOf(results, summary, verdictsOf(results, summary)),
    path,
    metric: objective.metric,
    goal: objective.goal,
    trials,
    best: best === null || best.value === null ? null : { trial: best.trial, value: best.value },
  };
}

function trivialOf(results: SweepResults, { status, baseline }: SweepSummary): string | undefined {
  return status === 'completed' ? trivialSentence(results, baseline) : undefined;
}

/** On the runs of a repetition, or of the repeated best trial. */
function verdictsOf(results: SweepResults, { status }: SweepSummary) {
  const repeated = status === 'completed' ? repeatedRuns(results) : [];
  return repeated.length > 0 ? judgeSeeds(repeated).verdicts : [];
}

type Verdicts = ReturnType<typeof verdictsOf>;

function missedBy(verdicts: Verdicts): Verdicts {
  return verdicts.filter(({ gate }) => gate.verdict !== 'passed');
}

/** What reports and lists say about a sweep. */
function factsOf(results: SweepResults, summary: SweepSummary, verdicts: Verdicts) {
  const { records, directory } = results;
  const { sweep_id: id, name, status: state, states, duration_s } = summary;
  const { tags, note } = readNotes(directory.path);
  const shortfalls = [
    ...gateWords(missedBy(verdicts).map(({ gate }) => gate)),
    ...(trivialOf(results, summary) === undefined ? [] : ['no better than trivial']),
  ];
  return { id, name, state, shortfalls, started: records.started ?? null, duration_s, states, tags, note };
}

function thinned(rows: readonly TrialRow[]): readonly TrialRow[] {
  if (rows.length <= MAX_TRIALS) return rows;
  const best = MAX_TRIALS / 2;
  const every = Math.ceil((rows.length - best) / (MAX_TRIALS - best));
  return rows.filter((_, i) => i < best || (i - best) % every === 0);
}

function trialOf(row: TrialRow, results: SweepResults) {
  const { plan, directory } = results;
  const { trial, state, epochs, value, spread, seconds, point, message } = row;
  const points = Object.entries(point).map(([name, set]) => [name, shown(set)] as const);
  return {
    ...{ trial, state, epochs, value, spread, seconds },
    point: Object.fromEntries(points) as Readonly<Record<string, number | string>>,
    message,
    // paths relative to the sweep's directory
    runs: replicatesOf(plan, plan.seeds).map(replicate => {
      const { seed, fold } = replicate;
      const result = row.seeds.find(seedResult => seedResult.seed === seed && seedResult.fold === fold);
      const path = relative(directory.path, directory.runPath({ trial, ...replicate }))
        .split(sep)
        .join('/');
      return {
        seed,
        ...(fold !== undefined && { fold }),
        path,
        epochs: result?.epochs ?? 0,
        value: result?.value ?? null,
      };
    }),
    curve: curveOf(trial, results),
  };
}

/** The mean over the seeds that have reached an epoch; null if one of them was not finite. */
function curveOf(trial: number, { plan, directory }: SweepResults) {
  const byEpoch = new Map<number, (number | null)[]>();
  for (const run of replicatesOf(plan, plan.seeds)) {
    for (const { epoch, value } of epochValues(plan, directory.runPath({ trial, ...run })))
      byEpoch.set(epoch, [...(byEpoch.get(epoch) ?? []), value]);
  }
  const epochs = [...byEpoch.keys()].sort((a, b) => a - b);
  const meanAt = (epoch: number) => {
    const values = byEpoch.get(epoch) ?? [];
    const finite = values.filter(value => value !== null);
    return finite.length < values.length ? null : momentsOf(finite).mean;
  };
  return { epochs, values: epochs.map(meanAt) };
}

function shown(value: Value): number | string {
  return typeof value === 'number' || typeof value === 'string' ? value : canonical(value);
}

/** The parameters that differ between trials; all of them if there are no trials yet. */
function parametersOf(plan: SweepPlan, rows: readonly TrialRow[]) {
  const { columns } = trialTable(plan, rows, { changed: rows.length > 1 });
  const title = new Map(columns.map(column => [column.name, column.title ?? column.name]));
  return plan.space.parameters
    .filter(({ name }) => title.has(name))
    .map(parameter => parameterOf(parameter, title.get(parameter.name) ?? parameter.name));
}

export type ParameterReport = ReturnType<typeof parameterOf>;

function parameterOf({ name, distribution }: Parameter, title: string) {
  if (distribution.kind !== 'choice') {
    const { kind, low, high } = distribution;
    const isLog = kind === 'log_uniform' || kind === 'log_int';
    return { name, title, scale: isLog ? ('log' as const) : ('linear' as const), low, high, values: [] };
  }
  const values = distribution.values.map(value => String(shown(value)));
  return { name, title, scale: 'category' as const, low: null, high: null, values };
}

function settingsOf(plan: SweepPlan): readonly Fact[] {
  const { objective, seeds, repeat_best, folds, bases } = plan;
  const settings = {
    Objective: `${objective.goal} ${objective.metric}`,
    Method: described(plan.method),
    Pruner: described(plan.pruner),
    'Epochs of a trial': String(plan.epochs),
    Budget: describeBudget(plan.budget),
    ...(repeat_best && { 'New seeds of the best trial': repeat_best.join(', ') }),
    ...(folds && { 'Folds of each trial': String(folds) }),
    [seeds.length === 1 ? 'Seed of the trials' : 'Seeds of each trial']: seeds.join(', '),
    'Seed of the sweep': String(plan.seed),
    'Trials at the same time': String(plan.parallel),
    [bases.length === 1 ? 'Base config' : 'Base configs']: bases.map(({ file }) => file).join(', '),
  };
  return factsIn(settings);
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
