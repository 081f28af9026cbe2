/**
 * The lines of a sweep's journal; schemas/journal.schema.json says the same for readers in any
 * language. Decisions carry no clock and no place: they follow from the plan and the results alone,
 * so that a replay writes the same bytes. What happened on the machine is told by the other
 * records.
 */
import type { SweepPlan } from './plan.js';
import type { Point } from './space.js';

/**
 * One training process: a trial's run with one of the seeds, from its last epoch to the next rung.
 */
export interface Segment {
  readonly trial: number;
  readonly seed: number;
  /** Epochs done before. */
  readonly from: number;
  /** Epochs done after. */
  readonly to: number;
}

/** The same for the same segment, and for no other. */
export function segmentKey({ trial, seed, from, to }: Segment): string {
  return `${trial}/${seed}/${from}-${to}`;
}

export type SegmentStatus =
  /** Reached `to`. */
  | 'done'
  /** Loss, gradient or parameters were not finite: a result. */
  | 'diverged'
  /** The process crashed, hung or refused its config, also when it was tried again. */
  | 'failed';

export interface Outcome extends Segment {
  readonly status: SegmentStatus;
  /**
   * The objective's metric as it was measured; null where the segment is not `done` or the metric
   * is not finite.
   */
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
  /** The trial is trained from rung to rung: `from` to `to` epochs. */
  | { readonly event: 'trial.advanced'; readonly trial: number; readonly from: number; readonly to: number }
  /**
   * All seeds have reached a rung. `value` is the mean, `spread` the sample standard deviation over
   * the seeds (null for one).
   */
  | {
      readonly event: 'trial.measured';
      readonly trial: number;
      readonly epochs: number;
      readonly value: number | null;
      readonly spread: number | null;
      readonly status: SegmentStatus;
    }
  /** Not worth going on with now; ASHA may promote it later. */
  | { readonly event: 'trial.paused'; readonly trial: number; readonly epochs: number }
  /** Will not go on. */
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

export type Happening =
  | {
      readonly event: 'sweep.start';
      readonly time: string;
      readonly id: string;
      readonly plan: SweepPlan;
      /** As `run --backend` takes it; all trials get it. */
      readonly backend: string;
      readonly version: string;
    }
  | {
      readonly event: 'sweep.resume';
      readonly time: string;
      readonly process: string;
      /** Of the trials from here on. */
      readonly backend: string;
      readonly version: string;
    }
  /**
   * Decisions before this line count no more, all follow again: some were lost, or failures are to
   * be tried again.
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
       * Whole epochs that the run had when it ended: fewer than `to` where it diverged. Null where
       * it left no summary.
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
       * Where that took effect: the number of `trial.advanced` decisions there will be, as the
       * scheduler gave it.
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

export type JournalRecord = Decision | Happening;

/** Every kind of record, and whether it is a decision. */
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
 * The last result of each segment, in the order of their first; without failures that were to be
 * tried again.
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

/** The decisions that count, in their order. */
export function decisionsOf(records: readonly JournalRecord[]): Decision[] {
  const again = records.findLastIndex(({ event }) => event === 'sweep.redecided');
  return records.slice(again + 1).filter(isDecision);
}
