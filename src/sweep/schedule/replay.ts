/**
 * Repeats a sweep's decisions from the results in its journal, and compares them with the recorded
 * decisions.
 */
import type { SweepPlan } from '../plan.js';
import { type Decision, decisionsOf, type JournalRecord, outcomesOf } from '../records.js';
import type { Sampler } from '../search/sampler.js';
import type { Point } from '../space.js';
import { Scheduler } from './scheduler.js';

/** Arguments of a scheduler. */
export interface ScheduleParts {
  readonly plan: SweepPlan;
  readonly sampler: Sampler;
  readonly costPerEpoch: (point: Point) => number;
}

export type Replay =
  | {
      readonly same: true;
      readonly decisions: readonly Decision[];
      /**
       * Number of decisions at the end that the journal lacks, since it ends before they were
       * written.
       */
      readonly unwritten: number;
    }
  | {
      readonly same: false;
      /** Index of the first decision that differs. */
      readonly index: number;
      /** JSON lines; `replayed` is undefined if the results lead to no further decision. */
      readonly recorded: string;
      readonly replayed: string | undefined;
    };

/**
 * Repeats the decisions from the results in `records` (and the end of the time budget). The
 * recorded decisions are only compared, byte by byte.
 */
export function replay(parts: ScheduleParts, records: readonly JournalRecord[]): Replay {
  const decisions = decideAgain(parts, records);
  const recorded = decisionsOf(records);
  for (const [index, decision] of recorded.entries()) {
    const line = JSON.stringify(decision);
    const replayed = index < decisions.length ? JSON.stringify(decisions[index]) : undefined;
    if (line !== replayed) return { same: false, index, recorded: line, replayed };
  }
  return { same: true, decisions, unwritten: decisions.length - recorded.length };
}

function decideAgain(
  { plan, sampler, costPerEpoch }: ScheduleParts,
  records: readonly JournalRecord[],
): readonly Decision[] {
  const scheduler = new Scheduler(plan, sampler, costPerEpoch);
  for (const outcome of outcomesOf(records)) scheduler.report(outcome);
  const ended = records.find(record => record.event === 'budget.time');
  if (ended) scheduler.endBudget('time', ended.advances);
  return scheduler.advance();
}
