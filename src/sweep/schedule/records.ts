/**
 * Records of a sweep's journal, as described in schemas/journal.schema.json. Decisions have no time
 * and no machine: they follow only from the plan and the results, so a replay writes the same
 * bytes. All other records are events on the machine.
 */

import type { Point } from '../search/space.js';
import type { SweepPlan } from './plan.js';

/**
 * One training process: a trial's run with one of the seeds, from its last epoch to the next rung.
 */
export interface Segment {
  readonly trial: number;
  readonly seed: number;
  /** Completed epochs at the start. */
  readonly from: number;
  /** Completed epochs at the end. */
  readonly to: number;
}

/** A unique key of the segment. */
export function segmentKey({ trial, seed, from, to }: Segment): string {
  return `${trial}/${seed}/${from}-${to}`;
}

export type SegmentStatus =
  /** Reached `to`. */
  | 'done'
  /** Loss, gradient or parameters were not finite: a result. */
  | 'diverged'
  /** The process crashed, hung or rejected its config, after all retries. */
  | 'failed';

export interface Outcome extends Segment {
  readonly status: SegmentStatus;
  /** The measured objective; null if the segment is not `done` or the metric is not finite. */
  readonly value: number | null;
}

export type Decision =
  /** A point was chosen. */
  | {
      readonly event: 'trial.chosen';
      readonly trial: number;
      readonly point: Point;
      readonly bracket?: number;
    }
  /** The trial is trained to its next rung, from `from` to `to` epochs. */
  | { readonly event: 'trial.advanced'; readonly trial: number; readonly from: number; readonly to: number }
  /**
   * All seeds have reached a rung. `value` is the mean, `spread` the sample standard deviation over
   * the seeds (null for a single seed).
   */
  | {
      readonly event: 'trial.measured';
      readonly trial: number;
      readonly epochs: number;
      readonly value: number | null;
      readonly spread: number | null;
      readonly status: SegmentStatus;
    }
  /** The trial pauses; ASHA may promote it later. */
  | { readonly event: 'trial.paused'; readonly trial: number; readonly epochs: number }
  /** The trial will not continue. */
  | { readonly event: 'trial.pruned'; readonly trial: number; readonly epochs: number }
  | { readonly event: 'trial.completed'; readonly trial: number; readonly epochs: number }
  | { readonly event: 'trial.failed'; readonly trial: number }
  | {
      readonly event: 'sweep.decided';
      readonly reason: 'exhausted' | 'trials' | 'time' | 'target' | 'trial_error';
      readonly best: {
        readonly trial: number;
        readonly value: number;
        readonly spread: number | null;
      } | null;
    };

export type MachineEvent =
  | {
      readonly event: 'sweep.start';
      readonly time: string;
      readonly id: string;
      readonly plan: SweepPlan;
      /** Backend of all trials, as for `run --backend`. */
      readonly backend: string;
      readonly version: string;
    }
  | {
      readonly event: 'sweep.resume';
      readonly time: string;
      readonly process: string;
      /** Backend of all trials from here on. */
      readonly backend: string;
      readonly version: string;
    }
  /**
   * Decisions before this line no longer count and are repeated after it, because some were lost or
   * failed trials are retried.
   */
  | {
      readonly event: 'sweep.redecided';
      readonly time: string;
      /** Whether failed segments before this line are forgotten. */
      readonly retry_failed: boolean;
    }
  | ({
      readonly event: 'segment.start';
      readonly time: string;
      readonly attempt: number;
      readonly directory: string;
      readonly launcher: string;
      readonly process: string | null;
    } & Segment)
  | ({
      readonly event: 'segment.end';
      readonly time: string;
      readonly attempt: number;
      readonly exit_code: number | null;
      readonly message: string | null;
      /**
       * Completed epochs of the run at its end: fewer than `to` if it diverged. Null if it left no
       * summary.
       */
      readonly epochs: number | null;
      /** Seconds of training steps of the run so far. */
      readonly train_s: number | null;
    } & Outcome)
  | {
      readonly event: 'budget.time';
      readonly time: string;
      readonly seconds: number;
      /**
       * When it takes effect: the number of `trial.advanced` decisions by then, from the scheduler.
       */
      readonly advances: number;
    }
  | {
      readonly event: 'sweep.stop';
      readonly time: string;
      readonly seconds: number;
      readonly reason: 'interrupted';
    }
  | { readonly event: 'sweep.end'; readonly time: string; readonly seconds: number };

export type JournalRecord = Decision | MachineEvent;

/** Whether each kind of record is a decision. */
const KINDS: Readonly<{ [E in JournalRecord['event']]: E extends Decision['event'] ? true : false }> = {
  'sweep.start': false,
  'sweep.resume': false,
  'sweep.redecided': false,
  'trial.chosen': true,
  'trial.advanced': true,
  'trial.measured': true,
  'trial.paused': true,
  'trial.pruned': true,
  'trial.completed': true,
  'trial.failed': true,
  'sweep.decided': true,
  'segment.start': false,
  'segment.end': false,
  'budget.time': false,
  'sweep.stop': false,
  'sweep.end': false,
};

export function isEvent(name: unknown): name is JournalRecord['event'] {
  return typeof name === 'string' && Object.hasOwn(KINDS, name);
}

function isDecision(record: JournalRecord): record is Decision {
  return KINDS[record.event];
}

/**
 * The last result of each segment, in the order of their first, without failures that are retried.
 */
export function outcomesOf(records: readonly JournalRecord[]): readonly Outcome[] {
  const outcomes = new Map<string, Outcome>();
  for (const record of records) {
    if (record.event === 'sweep.redecided' && record.retry_failed) {
      for (const [key, { status }] of outcomes) if (status === 'failed') outcomes.delete(key);
    }
    if (record.event !== 'segment.end') continue;
    const { trial, seed, from, to, status, value } = record;
    outcomes.set(segmentKey(record), { trial, seed, from, to, status, value });
  }
  return [...outcomes.values()];
}

/** The decisions that count, in order. */
export function decisionsOf(records: readonly JournalRecord[]): Decision[] {
  const again = records.findLastIndex(({ event }) => event === 'sweep.redecided');
  return records.slice(again + 1).filter(isDecision);
}
