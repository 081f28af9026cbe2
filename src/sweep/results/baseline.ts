/** The best trivial baseline on a sweep's objective, to compare the best trial with. */
import { RunDirectory } from '../../run/directory.js';
import type { Summary } from '../../run/summary.js';
import type { SweepPlan } from '../plan.js';
import type { SweepDirectory } from '../sweep-directory.js';
import { bestRow, ranked, type SweepRecords, type TrialRow } from './trials.js';

export interface ObjectiveBaseline {
  /** Such as `majority`. */
  readonly name: string;
  /** Value of the objective, the mean over the seeds. */
  readonly value: number;
}

/** Trials to look at; pruned runs have no baselines. */
const MAX_TRIALS = 10;

/**
 * The best trivial baseline, from the runs of the best completed trial; undefined if there is none,
 * or if the objective is a training metric.
 */
export function objectiveBaseline(
  plan: SweepPlan,
  directory: SweepDirectory,
  records: SweepRecords,
): ObjectiveBaseline | undefined {
  const best = bestRow(plan, records);
  const others = ranked(plan, records.rows).filter(({ state }) => state === 'completed');
  for (const row of [...(best ? [best] : []), ...others].slice(0, MAX_TRIALS)) {
    const found = baselineOf(plan, directory, row);
    if (found !== undefined) return found;
  }
  return undefined;
}

function baselineOf(
  { seeds, objective }: SweepPlan,
  directory: SweepDirectory,
  { trial }: TrialRow,
): ObjectiveBaseline | undefined {
  const [split, metric] = objective.metric.split('.');
  if (split !== 'validation' && split !== 'test') return undefined;
  const ofSeeds = seeds.map(seed => baselinesIn(directory.runPath({ trial, seed }))?.[split] ?? {});
  const sign = objective.goal === 'maximize' ? -1 : 1;
  const [first] = Object.keys(ofSeeds[0])
    .flatMap(name => {
      const values = ofSeeds.map(one => one[name as keyof typeof one]?.[metric] ?? Number.NaN);
      const value = values.reduce((sum, one) => sum + one, 0) / values.length;
      return Number.isFinite(value) ? [{ name, value }] : [];
    })
    .toSorted((a, b) => sign * (a.value - b.value));
  return first;
}

function baselinesIn(path: string): Summary['baselines'] {
  try {
    return RunDirectory.open(path).readSummary()?.baselines;
  } catch {
    // a missing or damaged run is reported elsewhere
    return undefined;
  }
}

/** Whether the best trial is better; undefined if there is nothing to compare. */
export function beatsBaseline(
  { objective }: Pick<SweepPlan, 'objective'>,
  best: TrialRow | undefined,
  baseline: ObjectiveBaseline | undefined,
): boolean | undefined {
  if (baseline === undefined || best === undefined || best.value === null) return undefined;
  return objective.goal === 'maximize' ? best.value > baseline.value : best.value < baseline.value;
}
