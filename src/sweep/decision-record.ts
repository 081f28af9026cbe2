/**
 * The decisions of a sweep on their way into its journal, held against those that are in it
 * already.
 */
import { damagedError, type UserError } from '../util/errors.js';
import type { Journal } from './journal.js';
import { type Decision, decisionsOf, type JournalRecord } from './records.js';

export interface DecisionObserver {
  /** Told once, by the process that wrote it down first. */
  decided(decision: Decision): void;
  /** These, all so far, take the place of what was told before. */
  redecided(decisions: readonly Decision[]): void;
  /** One line on what went wrong and is gone on from. */
  warning(text: string): void;
}

export interface DecisionRecordParts {
  readonly journal: Pick<Journal, 'append'>;
  readonly observer: DecisionObserver;
  now(): Date;
}

/** What the journal has of earlier processes. */
export interface RecordedHistory {
  readonly records: readonly JournalRecord[];
  /** Whether it may lack some. */
  readonly isDamaged: boolean;
}

export class DecisionRecord {
  /** Those that the journal has already and that have not been made again yet. */
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
   * Throws exit 5 where the journal has another one in this place, and is not known to have lost
   * any.
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
   * To be called where all that the journal's results lead to is added. A result is in the journal
   * before what follows from it.
   */
  logLostResults(): void {
    const { length } = this.recorded;
    if (length === 0) return;
    this.parts.observer.warning(
      `the journal has lost results that ${length} of its decisions follow from; they are read again from the runs`,
    );
  }

  /**
   * To be called where everything is decided. Throws exit 5, likewise, where the journal has more.
   */
  close(): void {
    const [extra] = this.recorded;
    if (extra) this.redecide(undefined, extra);
  }

  /**
   * All that is decided, `more` included, stands in the journal once more, and what stands before
   * counts no more.
   */
  restate(more: readonly Decision[], retry_failed: boolean): void {
    const { journal, observer, now } = this.parts;
    this.decided.push(...more);
    this.recorded = [];
    const time = now().toISOString();
    journal.append({ event: 'sweep.redecided', time, retry_failed }, ...this.decided);
    observer.redecided(this.decided);
  }

  /**
   * The journal was written by the same rules as ours, or what follows would be another sweep.
   * Where it has lost lines, all that was decided stands in it again.
   */
  private redecide(decided: Decision | undefined, recorded: Decision): void {
    if (!this.isDamaged) throw otherDecision(decided, recorded);
    this.parts.observer.warning(
      'the journal has lost decisions; all of them are made again from the results',
    );
    this.restate([], false);
  }
}

function otherDecision(decided: Decision | undefined, recorded: Decision): UserError {
  return damagedError({
    code: 'sweep/other-decision',
    message:
      'the journal has another decision than its results lead to: it was changed, or another version of cellrun wrote it. Without that line the sweep decides it again',
    expected: decided === undefined ? 'none' : JSON.stringify(decided),
    got: JSON.stringify(recorded),
  });
}
