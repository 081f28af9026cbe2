/** Judges runs: their completion, the gates of their config and those of the command line. */

import type { GateMetricName } from '../../config/schema/experiment.js';
import { schemaAt } from '../../config/schema/schema.js';
import { positionOf, SourceText } from '../../config/yaml/tree.js';
import { isPerformance, largerIsBetter } from '../../math/metrics/index.js';
import { hardestTrivial, inconclusive, isOverRuns, judgeGate, type WrittenGate } from '../../run/gates.js';
import type { GateResult } from '../../run/summary.js';
import { foldRatio, intervalOfMean } from '../../sweep/results.js';
import { usageError } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import { momentsOf } from '../../util/numbers.js';
import { MIN_VALUES } from '../../util/statistics.js';
import type { RunReview } from './document.js';
import { notCompleted, notJudgeable, type ReviewedRun } from './run-facts.js';

const GATE_OPTION = '--gate';
const OVER = ['last', 'best', 'seeds', 'folds', 'interval'] as const;
/** METRIC, comparison, NUMBER as in YAML and JSON (`0x10` is a mistake), and what it is over. */
const FORM = /^\s*([\w.]*)\s*(>=|<=)?\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)?(?:\s+over\s+(\w+))?\s*$/i;

/** The gate of a `--gate` option. */
export function commandGate(text: string): WrittenGate {
  const [, metric = text.trim().split(/\s/)[0], comparison, number, which = 'last'] = FORM.exec(text) ?? [];
  const known = (schemaAt(['gates', 0, 'metric'], {})?.enum ?? []) as readonly GateMetricName[];
  const wrong = (message: string, expected: string, suggestion?: string) => {
    const place = positionOf(new SourceText(GATE_OPTION, text, '').place(0, Math.max(1, text.length)));
    return usageError('cli/gate', message, { ...place, expected, suggestion });
  };
  if (!known.some(gateMetricName => gateMetricName === metric)) {
    // `ms_per_step` means `performance.ms_per_step`; a name that several splits have is ambiguous
    const [alike, ...others] = known.filter(name => name.endsWith(`.${metric}`));
    const meant = alike !== undefined && others.length === 0 ? alike : nearest(metric, known);
    throw wrong(`there is no metric ${metric}`, known.join(' | '), meant);
  }
  const over = OVER.find(name => name === which);
  if (comparison === undefined || number === undefined || over === undefined)
    throw wrong(
      'this is not a gate',
      `${metric} >= NUMBER, or ${metric} <= NUMBER, then nothing, \`over last\`, \`over best\`, \`over seeds\`, \`over folds\` or \`over interval\``,
    );
  if (over === 'best' && isPerformance(metric))
    throw wrong(`${metric} is measured once, so it has no best value`, 'over last, or over seeds');
  return { metric, over, [comparison === '>=' ? 'min' : 'max']: Number(number), origin: GATE_OPTION };
}

export function judgeRun(run: ReviewedRun, given: readonly WrittenGate[]): RunReview {
  return {
    ...run.facts,
    not_judged: run.notJudged,
    completed: completion(run),
    gates: gatesOf(run, given).filter(gate => !isOverRuns(gate)),
  };
}

function completion(run: ReviewedRun): RunReview['completed'] {
  if (run.notJudged !== null) return { verdict: 'inconclusive', reason: run.notJudged };
  const why = notCompleted(run);
  if (why !== undefined) return { verdict: 'failed', reason: why };
  if (run.doubt === undefined) return { verdict: 'passed', reason: null };
  return { verdict: 'inconclusive', reason: `the run claims to be complete, but ${run.doubt.reason}` };
}

function gatesOf(run: ReviewedRun, given: readonly WrittenGate[]): GateResult[] {
  const isJudged = run.notJudged === null;
  if (!isJudged || notCompleted(run) !== undefined) {
    const why = isJudged ? 'the run did not complete' : 'the run is not judged';
    return [...run.asked, ...given].map(gate => inconclusive(gate, null, why));
  }
  const measured = (gate: WrittenGate) =>
    gate.over === 'best' ? run.best(gate.metric) : run.last(gate.metric);
  const results = run.asked.map((gate, i) => judgeOwn(gate, run.record.summary?.gates[i]));
  return [...results, ...given.map(gate => judgeGate(gate, measured(gate)))];
}

/**
 * Judges a gate again, from the values that the run recorded, so that the baseline's file is not
 * needed and its changes do not matter.
 */
function judgeOwn(asked: WrittenGate, recorded: GateResult | undefined): GateResult {
  if (recorded === undefined) return inconclusive(asked, null, 'the run recorded no verdict for it');
  const gate = { ...recorded, origin: asked.origin };
  return gate.verdict === 'inconclusive' || gate.value === null ? gate : judgeGate(gate, gate.value);
}

/**
 * A gate over seeds or folds. `gate` has its recorded reference; undefined if no run recorded the
 * gate.
 */
interface SeedsGate {
  readonly asked: WrittenGate;
  readonly gate: WrittenGate | undefined;
}

/** Those of the runs' configs, without duplicates, and those of the command line. */
export function judgeGroup(runs: readonly ReviewedRun[], given: readonly WrittenGate[]): GateResult[] {
  const results = runs.flatMap(({ asked: gates, record }) =>
    gates.map((asked, i) => {
      const recorded = record.summary?.gates[i];
      return { asked, gate: recorded && { ...recorded, origin: asked.origin } };
    }),
  );
  const known = new Map<string, SeedsGate>();
  for (const result of [...results, ...given.map(gate => ({ asked: gate, gate }))]) {
    const key = sameGate(result.asked);
    // a run that did not complete recorded nothing
    if (isOverRuns(result.asked) && known.get(key)?.gate === undefined) known.set(key, result);
  }
  return [...known.values()].map(gate => judgeSeeds(gate, runs));
}

/** Equal for gates with the same conditions. */
function sameGate({ origin: _, ...gate }: WrittenGate): string {
  return JSON.stringify(Object.entries(gate).sort());
}

function judgeSeeds({ asked, gate }: SeedsGate, runs: readonly ReviewedRun[]): GateResult {
  const why = notJudgeable(runs);
  if (why !== undefined) return inconclusive(asked, null, why);
  if (gate === undefined) return inconclusive(asked, null, 'the runs did not record it');
  const { over } = gate;
  const folds = runs.filter(({ facts }) => facts.fold !== undefined).length;
  if (over === 'seeds' && folds > 0) return inconclusive(gate, null, 'these runs are folds, not seeds');
  if (over === 'folds' && folds < runs.length) return inconclusive(gate, null, 'these runs are no folds');
  if (over === 'folds' && runs.length < 2)
    return inconclusive(gate, null, 'a mean over folds needs at least two folds');
  if (runs.length < 2) return inconclusive(gate, null, 'a mean over seeds needs at least two seeds');
  const mean = over === 'interval' ? nearEnd(gate, runs) : meanOf(runs, run => run.last(gate.metric));
  if (mean === null) return inconclusive(gate, null, `an interval needs at least ${MIN_VALUES} seeds`);
  if (gate.beats === undefined) return judgeGate(gate, mean);
  // trivial baselines differ if splits depend on the seed
  const { reference: _, ...others } = gate;
  const reference = meanOf(
    runs,
    ({ record }) => hardestTrivial(gate.metric, record.summary?.baselines)?.value,
  );
  return judgeGate(reference === undefined ? gate : { ...others, reference }, mean);
}

/**
 * The end of the 95 % interval of the mean that is nearer to the bound of a gate; null for too few
 * runs, undefined if a run has no value.
 */
function nearEnd({ metric, min, max }: WrittenGate, runs: readonly ReviewedRun[]): number | null | undefined {
  const values = measuredBy(runs, run => run.last(metric));
  if (values === undefined) return undefined;
  const [{ record, facts }] = runs;
  const ratio = facts.fold === undefined ? undefined : foldRatio(record.config, runs.length);
  const found = intervalOfMean(metric, values, ratio);
  const isLower = min !== undefined || (max === undefined && largerIsBetter(metric));
  return found && (isLower ? found.low : found.high);
}

/** Summed in the order of seeds or folds; undefined if a run has no value. */
export function meanOf(
  runs: readonly ReviewedRun[],
  measure: (run: ReviewedRun) => number | undefined,
): number | undefined {
  const values = measuredBy(runs, measure);
  return values && momentsOf(values).mean;
}

function measuredBy(
  runs: readonly ReviewedRun[],
  measure: (run: ReviewedRun) => number | undefined,
): number[] | undefined {
  const numberOf = ({ facts: { seed, fold } }: ReviewedRun): number => fold ?? seed ?? 0;
  const values = runs.toSorted((a, b) => numberOf(a) - numberOf(b)).map(measure);
  const known = values.filter(value => value !== undefined);
  return known.length < values.length ? undefined : known;
}
