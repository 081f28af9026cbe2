/** Runs that differ in their seed alone: what a mean over seeds, a baseline and a pin are about. */

import { momentsOf } from '../experiment/baseline.js';
import { gateName } from '../experiment/gate-words.js';
import { type Gate, inconclusive, judgeGate, type WrittenGate } from '../experiment/gates.js';
import type { GateResult } from '../experiment/summary.js';
import { notCompleted, type ReviewedRun } from './run-facts.js';

/** In the order in which their first runs were given. */
export function groupsOf(runs: readonly ReviewedRun[]): ReviewedRun[][] {
  const groups = new Map<string, ReviewedRun[]>();
  for (const run of runs) {
    // a run that never said what it is belongs to no other
    const key = JSON.stringify([run.facts.name, run.deciding?.config ?? run.facts.directory]);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()];
}

/** The gates over seeds of the runs' configs, each once, and those of the command line; judged over the group. */
export function judgeGroup(runs: readonly ReviewedRun[], given: readonly WrittenGate[]): GateResult[] {
  const known = new Map<string, WrittenGate>();
  for (const gate of [...runs.flatMap(({ summary }) => summary?.gates ?? []), ...given])
    if (gate.over === 'seeds' && !known.has(keyOf(gate))) known.set(keyOf(gate), gate);
  return [...known.values()].map(gate => judgeSeeds(gate, runs));
}

function judgeSeeds(gate: WrittenGate, runs: readonly ReviewedRun[]): GateResult {
  const undone = runs.filter(run => notCompleted(run) !== undefined).length;
  if (undone > 0) return inconclusive(gate, null, `${undone} of ${runs.length} runs did not complete`);
  const values = seedValues(runs, run => run.last(gate.metric));
  if (values.size < 2) return inconclusive(gate, null, 'a mean over seeds takes two seeds at least');
  const numbers = [...values.values()];
  // what one run lacks, the mean lacks
  if (numbers.some(value => value === undefined)) return judgeGate(gate, undefined);
  return judgeGate(gate, momentsOf(numbers as number[]).mean);
}

/** The value of each seed, ascending; of several runs with one seed their mean; undefined where a run has none. */
export function seedValues(
  runs: readonly ReviewedRun[],
  measure: (run: ReviewedRun) => number | undefined,
): Map<number, number | undefined> {
  const bySeed = new Map<number, (number | undefined)[]>();
  for (const run of runs) {
    const seed = run.facts.seed ?? 0;
    bySeed.set(seed, [...(bySeed.get(seed) ?? []), measure(run)]);
  }
  const entries = [...bySeed].sort(([a], [b]) => a - b);
  return new Map(
    entries.map(([seed, values]) => [
      seed,
      values.some(value => value === undefined) ? undefined : momentsOf(values as number[]).mean,
    ]),
  );
}

/** Two gates are one where they ask for the same. */
function keyOf(gate: WrittenGate): string {
  const { min, max, baseline, max_drop, max_regress }: Gate = gate;
  return JSON.stringify([gateName(gate), min, max, baseline, max_drop, max_regress]);
}
