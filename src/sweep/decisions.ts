/** Records the decisions of a sweep in its journal, and compares them with those already there. */
import { damagedError } from '../util/errors.js';
import { now } from './journal.js';
import type { SweepPlan } from './schedule/plan.js';
import { type Decision, decisionsOf, type JournalRecord, outcomesOf } from './schedule/records.js';
import { Scheduler } from './schedule/scheduler.js';
import type { Sampler } from './search/method.js';
import type { Point } from './search/space.js';

interface DecisionRecordParts {
  readonly records: readonly JournalRecord[];
  readonly isDamaged: boolean;
  append(...records: readonly JournalRecord[]): void;
  warn(text: string): void;
}

export class DecisionRecord {
  /** Recorded decisions that have not been repeated yet. */
  private recorded: Decision[];
  private readonly decided: Decision[] = [];

  constructor(private readonly parts: DecisionRecordParts) {
    this.recorded = decisionsOf(parts.records);
  }

  add(decision: Decision): void {
    this.decided.push(decision);
    const recorded = this.recorded.shift();
    if (recorded === undefined) this.parts.append(decision);
    else if (JSON.stringify(decision) !== JSON.stringify(recorded)) this.redecide(decision, recorded);
  }

  /** Call this after adding all decisions that follow from the journal's results. */
  warnOfLostResults(): void {
    const { length } = this.recorded;
    if (length > 0)
      this.parts.warn(
        `the journal has lost the results behind ${length} of its decisions; they are read again from the runs`,
      );
  }

  /** Call this once everything is decided: the journal must have no further decisions. */
  close(): void {
    const [extra] = this.recorded;
    if (extra) this.redecide(undefined, extra);
  }

  /** Records all decisions again, including `more`; earlier ones no longer count. */
  restate(more: readonly Decision[], retry_failed: boolean): void {
    this.decided.push(...more);
    this.recorded = [];
    const time = now().toISOString();
    this.parts.append({ event: 'sweep.redecided', time, retry_failed }, ...this.decided);
  }

  private redecide(decided: Decision | undefined, recorded: Decision): void {
    if (!this.parts.isDamaged)
      throw damagedError({
        code: 'sweep/other-decision',
        message:
          "this decision does not follow from the journal's results: it was changed, or written by another version of cellrun. Remove the line to decide it again",
        expected: decided === undefined ? 'none' : JSON.stringify(decided),
        got: JSON.stringify(recorded),
      });
    this.parts.warn('the journal has lost decisions; all are made again from the results');
    this.restate([], false);
  }
}

/** Tells a new scheduler what earlier processes of the sweep recorded. */
export function recall(scheduler: Scheduler, records: readonly JournalRecord[], retryFailed = false): void {
  for (const outcome of outcomesOf(records))
    if (outcome.status !== 'failed' || !retryFailed) scheduler.report(outcome);
  const ended = records.find(record => record.event === 'budget.time');
  if (ended) scheduler.endBudget('time', ended.advances);
}

export interface ScheduleParts {
  readonly plan: SweepPlan;
  readonly sampler: Sampler;
  readonly costPerEpoch: (point: Point) => number;
}

export type Replay =
  | {
      readonly same: true;
      readonly decisions: readonly Decision[];
      /** Number of last decisions that the journal lacks: it ends before they were written. */
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

/** Repeats the decisions from the results; the recorded ones are only compared, byte by byte. */
export function replay(
  { plan, sampler, costPerEpoch }: ScheduleParts,
  records: readonly JournalRecord[],
): Replay {
  const scheduler = new Scheduler(plan, sampler, costPerEpoch);
  recall(scheduler, records);
  const decisions = scheduler.advance();
  const recorded = decisionsOf(records);
  for (const [index, decision] of recorded.entries()) {
    const line = JSON.stringify(decision);
    const replayed = index < decisions.length ? JSON.stringify(decisions[index]) : undefined;
    if (line !== replayed) return { same: false, index, recorded: line, replayed };
  }
  return { same: true, decisions, unwritten: decisions.length - recorded.length };
}
