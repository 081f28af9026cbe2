/**
 * Decides a sweep once more from what its journal says of results, and compares what comes out with
 * what the journal says was decided.
 */
import type { SweepPlan } from '../plan.js';
import { type Decision, decisionsOf, type JournalRecord, outcomesOf } from '../records.js';
import type { Sampler } from '../search/sampler.js';
import type { Point } from '../space.js';
import { Scheduler } from './scheduler.js';

/** What a scheduler is made of. */
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
       * How many of them, the last ones, the journal does not have: it ends before they were
       * written.
       */
      readonly unwritten: number;
    }
  | {
      readonly same: false;
      /** The first decision that differs, from 0. */
      readonly index: number;
      /** JSON lines; `replayed` is undefined where the results lead to no such decision. */
      readonly recorded: string;
      readonly replayed: string | undefined;
    };

/**
 * The decisions that the results of `records` (and the end of the budget) lead to; the journal's
 * decisions are only compared, byte for byte.
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
