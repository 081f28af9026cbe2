/**
 * Records the decisions of a sweep in its journal, and compares them with those already recorded.
 */
import { damagedError, type UserError } from '../util/errors.js';
import { type Journal, now } from './journal.js';
import type { SweepPlan } from './schedule/plan.js';
import { type Decision, decisionsOf, type JournalRecord, outcomesOf } from './schedule/records.js';
import { Scheduler } from './schedule/scheduler.js';
import type { Sampler } from './search/method.js';
import type { Point } from './search/space.js';

export interface DecisionObserver {
  /** Called once per decision, by the process that records it first. */
  decided?(decision: Decision): void;
  /** Called with all decisions so far, which replace the earlier ones. */
  redecided?(decisions: readonly Decision[]): void;
  /** Called with one line about a problem that does not stop the sweep. */
  warning(text: string): void;
}

export interface DecisionRecordParts {
  readonly journal: Pick<Journal, 'append'>;
  readonly observer: DecisionObserver;
}

/** Records of earlier processes. */
export interface RecordedHistory {
  readonly records: readonly JournalRecord[];
  /** Whether some may be missing. */
  readonly isDamaged: boolean;
}

export class DecisionRecord {
  /** Recorded decisions that have not been repeated yet. */
  private recorded: Decision[];
  private readonly decided: Decision[] = [];
  private readonly isDamaged: boolean;

  constructor(
    private readonly parts: DecisionRecordParts,
    { records, isDamaged }: RecordedHistory,
  ) {
    this.recorded = decisionsOf(records);
    this.isDamaged = isDamaged;
  }

  /**
   * @throws UserError (exit 5) if the journal has a different decision here although none is known
   * to be lost
   */
  add(decision: Decision): void {
    this.decided.push(decision);
    const recorded = this.recorded.shift();
    if (recorded) {
      if (JSON.stringify(decision) !== JSON.stringify(recorded)) this.redecide(decision, recorded);
    } else {
      this.parts.journal.append(decision);
      this.parts.observer.decided?.(decision);
    }
  }

  /**
   * Call this after adding all decisions that follow from the journal's results. A result is
   * recorded before the decisions that follow from it.
   */
  logLostResults(): void {
    const { length } = this.recorded;
    if (length === 0) return;
    this.parts.observer.warning(
      `the journal has lost the results behind ${length} of its decisions; they are read again from the runs`,
    );
  }

  /**
   * Call this once everything is decided.
   * @throws UserError (exit 5) if the journal has further decisions although none is known to be
   * lost
   */
  close(): void {
    const [extra] = this.recorded;
    if (extra) this.redecide(undefined, extra);
  }

  /** Records all decisions again, including `more`; earlier ones no longer count. */
  restate(more: readonly Decision[], retry_failed: boolean): void {
    const { journal, observer } = this.parts;
    this.decided.push(...more);
    this.recorded = [];
    const time = now().toISOString();
    journal.append({ event: 'sweep.redecided', time, retry_failed }, ...this.decided);
    observer.redecided?.(this.decided);
  }

  /**
   * Checks that the recorded decision matches. If lines were lost, all decisions are recorded
   * again.
   */
  private redecide(decided: Decision | undefined, recorded: Decision): void {
    if (!this.isDamaged) throw otherDecision(decided, recorded);
    this.parts.observer.warning('the journal has lost decisions; all are made again from the results');
    this.restate([], false);
  }
}

function otherDecision(decided: Decision | undefined, recorded: Decision): UserError {
  return damagedError({
    code: 'sweep/other-decision',
    message:
      "this decision does not follow from the journal's results: it was changed, or written by another version of cellrun. Remove the line to decide it again",
    expected: decided === undefined ? 'none' : JSON.stringify(decided),
    got: JSON.stringify(recorded),
  });
}

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
