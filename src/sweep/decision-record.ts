/**
 * Records the decisions of a sweep in its journal, and compares them with those already recorded.
 */
import { damagedError, type UserError } from '../util/errors.js';
import type { Journal } from './journal.js';
import { type Decision, decisionsOf, type JournalRecord } from './records.js';

export interface DecisionObserver {
  /** Called once per decision, by the process that records it first. */
  decided(decision: Decision): void;
  /** Called with all decisions so far, which replace the earlier ones. */
  redecided(decisions: readonly Decision[]): void;
  /** Called with one line about a problem that does not stop the sweep. */
  warning(text: string): void;
}

export interface DecisionRecordParts {
  readonly journal: Pick<Journal, 'append'>;
  readonly observer: DecisionObserver;
  now(): Date;
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
      this.parts.observer.decided(decision);
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
    const { journal, observer, now } = this.parts;
    this.decided.push(...more);
    this.recorded = [];
    const time = now().toISOString();
    journal.append({ event: 'sweep.redecided', time, retry_failed }, ...this.decided);
    observer.redecided(this.decided);
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
