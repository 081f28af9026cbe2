/** Judges one run: its completion, the gates of its config and those of the command line. */
import type { Verdict } from '../../run/events.js';
import { inconclusive, judgeGate, type WrittenGate } from '../../run/gates.js';
import type { GateResult } from '../../run/summary.js';
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
  const isUndone = notCompleted(run) !== undefined;
  if (isUndone || stopped !== undefined) {
    const why = stopped === undefined ? 'the run did not complete' : 'the run is not judged';
    return [...run.asked, ...given].map(gate => inconclusive(gate, null, why));
  }
  const measured = (gate: WrittenGate) =>
    gate.over === 'best' ? run.best(gate.metric) : run.last(gate.metric);
  const own = run.asked.map((gate, i) => judgeOwn(gate, recordedGate(run, i)));
  return [...own, ...given.map(gate => judgeGate(gate, measured(gate)))];
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

/** The verdict that a run recorded on gate `i` of its config. */
export function recordedGate({ summary }: Pick<ReviewedRun, 'summary'>, i: number): GateResult | undefined {
  return summary?.gates[i];
}

/** Equal for gates with the same conditions. */
export function sameGate({ origin: _, ...gate }: WrittenGate): string {
  return JSON.stringify(Object.entries(gate).sort());
}
