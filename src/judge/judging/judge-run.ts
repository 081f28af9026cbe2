/** Judges one run: its completion, its own gates and those of the command line. */

import type { Verdict } from '../../run/events.js';
import { inconclusive, judgeGate, type WrittenGate } from '../../run/gates.js';
import type { GateResult } from '../../run/summary.js';
import { judgeOwn, ownGates } from './own-gates.js';
import { notCompleted, type ReviewedRun, type RunFacts } from './run-facts.js';

export interface RunReview extends RunFacts {
  readonly not_judged: string | null;
  readonly completed: { readonly verdict: Verdict; readonly reason: string | null };
  readonly gates: readonly GateResult[];
}

/** @param stopped why the run is not judged */
export function judgeRun(
  run: ReviewedRun,
  given: readonly WrittenGate[],
  stopped: string | undefined,
): RunReview {
  return {
    ...run.facts,
    not_judged: stopped ?? null,
    completed: completion(run, stopped),
    gates: gatesOf(run, given, stopped).filter(({ over }) => over !== 'seeds'),
  };
}

function completion(run: ReviewedRun, stopped: string | undefined): RunReview['completed'] {
  if (stopped !== undefined) return { verdict: 'inconclusive', reason: stopped };
  const why = notCompleted(run);
  if (why !== undefined) return { verdict: 'failed', reason: why };
  if (run.doubt === undefined) return { verdict: 'passed', reason: null };
  return { verdict: 'inconclusive', reason: `the run claims to be complete, but ${run.doubt.reason}` };
}

function gatesOf(run: ReviewedRun, given: readonly WrittenGate[], stopped: string | undefined): GateResult[] {
  const own = ownGates(run);
  const isUndone = notCompleted(run) !== undefined;
  if (isUndone || stopped !== undefined) {
    const why = stopped === undefined ? 'the run did not complete' : 'the run is not judged';
    return [...own.map(({ asked }) => asked), ...given].map(gate => inconclusive(gate, null, why));
  }
  const measured = (gate: WrittenGate) =>
    gate.over === 'best' ? run.best(gate.metric) : run.last(gate.metric);
  return [...own.map(gate => judgeOwn(gate, run)), ...given.map(gate => judgeGate(gate, measured(gate)))];
}
