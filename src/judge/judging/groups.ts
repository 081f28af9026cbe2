/** Groups of runs that differ only in their seed, as for means over seeds and baselines. */

import { momentsOf } from '../../run/baseline.js';
import { hardestTrivial, inconclusive, judgeGate, type WrittenGate } from '../../run/gates.js';
import type { GateResult } from '../../run/summary.js';
import type { FlatConfig } from './deciding.js';
import { recordedGate, sameGate } from './judge-run.js';
import { notJudgeable, type ReviewedRun } from './run-facts.js';

export function groupsOf(runs: readonly ReviewedRun[]): ReviewedRun[][] {
  const groups = new Map<string, ReviewedRun[]>();
  for (const run of runs) {
    // a run without a manifest is a group of its own
    const key = JSON.stringify([run.facts.name, run.deciding?.config ?? run.facts.directory]);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()];
}

/** By group, the values that differ from other groups of the same name. */
export function distinctOf(groups: readonly (readonly ReviewedRun[])[]): FlatConfig[] {
  const configs = groups.map(([{ facts, deciding }]) => ({
    name: facts.name,
    config: deciding?.config ?? {},
  }));
  return configs.map(({ name, config }) => {
    const others = configs.filter(other => other.name === name);
    const isDistinct = (key: string) =>
      others.some(other => JSON.stringify(other.config[key]) !== JSON.stringify(config[key]));
    return Object.fromEntries(Object.entries(config).filter(([key]) => isDistinct(key)));
  });
}

export interface LeftOut {
  readonly run_id: string;
  readonly reason: string;
}

/** Of runs with one seed only the newest counts, as in a comparison. */
export function newestOfSeeds(runs: readonly ReviewedRun[]): {
  readonly counted: readonly ReviewedRun[];
  readonly leftOut: readonly LeftOut[];
} {
  const newest = new Map<number | string, ReviewedRun>();
  const keyOf = ({ facts }: ReviewedRun) => facts.seed ?? facts.directory;
  for (const run of runs) {
    const known = newest.get(keyOf(run));
    if (known === undefined || ageOf(known) < ageOf(run)) newest.set(keyOf(run), run);
  }
  const leftOut = runs.flatMap(run => {
    const { facts } = newest.get(keyOf(run)) ?? run;
    if (facts === run.facts) return [];
    const reason = `replaced by ${facts.run_id} with the same seed ${facts.seed}`;
    return [{ run_id: run.facts.run_id, reason }];
  });
  return { counted: runs.filter(run => newest.get(keyOf(run)) === run), leftOut };
}

/** Sorts runs by age: an id starts with the time. */
function ageOf({ facts: { started, run_id, directory } }: ReviewedRun): string {
  return `${started ?? ''}\n${run_id}\n${directory}`;
}

/** A gate over seeds. `gate` has its recorded reference; undefined if no run recorded the gate. */
interface SeedsGate {
  readonly asked: WrittenGate;
  readonly gate: WrittenGate | undefined;
}

/** Those of the runs' configs, without duplicates, and those of the command line. */
export function judgeGroup(runs: readonly ReviewedRun[], given: readonly WrittenGate[]): GateResult[] {
  const own = runs.flatMap(run =>
    run.asked.map((asked, i) => {
      const recorded = recordedGate(run, i);
      return { asked, gate: recorded && { ...recorded, origin: asked.origin } };
    }),
  );
  const known = new Map<string, SeedsGate>();
  for (const one of [...own, ...given.map(gate => ({ asked: gate, gate }))]) {
    const key = sameGate(one.asked);
    // a run that did not complete recorded nothing
    if (one.asked.over === 'seeds' && known.get(key)?.gate === undefined) known.set(key, one);
  }
  return [...known.values()].map(gate => judgeSeeds(gate, runs));
}

function judgeSeeds({ asked, gate }: SeedsGate, runs: readonly ReviewedRun[]): GateResult {
  const why = notJudgeable(runs);
  if (why !== undefined) return inconclusive(asked, null, why);
  if (gate === undefined) return inconclusive(asked, null, 'the runs did not record it');
  const values = seedValues(runs, run => run.last(gate.metric));
  if (values.size < 2) return inconclusive(gate, null, 'a mean over seeds needs at least two seeds');
  return judgeGate(gate.beats === undefined ? gate : withMeanTrivial(gate, runs), meanOf(values));
}

/** With the mean of the trivial baselines, which differ if splits depend on the seed. */
function withMeanTrivial({ reference: _, ...gate }: WrittenGate, runs: readonly ReviewedRun[]): WrittenGate {
  const reference = meanOf(
    seedValues(runs, ({ summary }) => summary && hardestTrivial(gate.metric, summary)),
  );
  return reference === undefined ? gate : { ...gate, reference };
}

function meanOf(values: ReadonlyMap<number, number | undefined>): number | undefined {
  const numbers = [...values.values()];
  const known = numbers.filter(value => value !== undefined);
  return known.length < numbers.length ? undefined : momentsOf(known).mean;
}

/** By seed, ascending. */
export function seedValues(
  runs: readonly ReviewedRun[],
  measure: (run: ReviewedRun) => number | undefined,
): Map<number, number | undefined> {
  const entries = runs.map(run => [run.facts.seed ?? 0, measure(run)] as const);
  return new Map(entries.toSorted(([a], [b]) => a - b));
}
