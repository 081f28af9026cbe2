/**
 * Records of a sweep's journal: decisions, which a replay writes again byte by byte, and events.
 */
import {
  all,
  boolean,
  choice,
  integer,
  literal,
  named,
  nullable,
  number,
  object,
  type Shape,
  type TypeOf,
  text,
} from '../../util/schema.js';
import { point } from '../search/space.js';
import { plan, seed } from './plan.js';

const time = named(
  'time',
  text({
    description: 'When it was written: ISO 8601, UTC, milliseconds.',
    pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$',
  }),
);
export const trialNumber = named('trial', integer({ description: 'Number of the trial, from 0.', min: 0 }));
const from = named('from', integer({ description: 'Completed epochs at the start.', min: 0 }));
const to = named('to', integer({ description: 'Completed epochs at the end.', min: 1 }));
const epochs = named('epochs', integer({ description: 'Completed epochs.', min: 0 }));
const attempt = named(
  'attempt',
  integer({
    description: "Sequence number of the segment's process, from 1; 0 if the segment was found completed.",
    min: 0,
  }),
);
const seconds = named(
  'seconds',
  number({ description: 'Seconds of work, all processes of the sweep together.', min: 0 }),
);
const status = named(
  'status',
  choice(['done', 'diverged', 'failed'] as const, {
    description:
      'done: reached `to`. diverged: loss, gradient or parameters were not finite, which is a result. failed: failed after all retries.',
  }),
);
const backend = named(
  'backend',
  text({ description: 'The backend of all trials from here on, as for `run --backend`.' }),
);
const version = named('version', text({ description: 'Version of cellrun.' }));
export const spread = nullable(
  number({ description: 'Sample standard deviation over the seeds; null for a single seed.' }),
);
export const endReason = choice(['exhausted', 'trials', 'time', 'target', 'trial_error'] as const, {
  description:
    'Why: all points were tried, the budget of trials or time is used up, the target was reached, or a failed trial stopped the sweep.',
});
const trial = trialNumber;
export const segment = { trial, seed, from, to };

/** A record with all of `keys`, and some of `more`. */
function record<
  const E extends string,
  P extends Readonly<Record<string, Shape>>,
  M extends Readonly<Record<string, Shape>> = Record<never, Shape>,
>(event: E, description: string, keys: P, more?: M) {
  return object({ event: literal(event, {}), ...all(keys), ...(more as M) }, { description });
}

const decisions = [
  record(
    'trial.chosen',
    'A point was chosen. Like all decisions it has no time: it follows only from the plan and the results.',
    { trial, point },
    { bracket: integer({ description: 'Bracket of Hyperband.', min: 0 }) },
  ),
  record('trial.advanced', 'The trial is trained to its next rung, with each seed.', { trial, from, to }),
  record('trial.measured', 'All seeds of a trial have reached a rung.', {
    trial,
    epochs,
    value: nullable(
      number({
        description: 'Mean of the objective over the seeds; null if not finite or not measured.',
      }),
    ),
    spread,
    status,
  }),
  record('trial.paused', 'The trial pauses; it may be promoted later.', { trial, epochs }),
  record('trial.pruned', 'The trial will not continue.', { trial, epochs }),
  record('trial.completed', 'The trial has been trained for all epochs.', { trial, epochs }),
  record('trial.failed', 'A segment failed after all retries, and the trial with it.', { trial }),
  record('sweep.decided', 'Nothing is left to train. The last decision.', {
    reason: endReason,
    best: nullable(
      object(
        all({ trial, value: number({ description: 'Mean of the objective over the seeds.' }), spread }),
        { description: 'The winner; null if no trial has a value.' },
      ),
    ),
  }),
];

const events = [
  record('sweep.start', 'The sweep started. The first line.', {
    time,
    id: text({ description: "Name of the sweep's directory." }),
    plan,
    backend,
    version,
  }),
  record('sweep.resume', 'Another process resumed the sweep.', {
    time,
    process: text({ description: 'Which: PID@TICKS HOST.' }),
    backend,
    version,
  }),
  record(
    'sweep.redecided',
    'Decisions before this line no longer count, because some were lost or failed trials are retried. Those that follow from the results are repeated after it.',
    {
      time,
      retry_failed: boolean({ description: 'Whether failed segments before this line are forgotten.' }),
    },
  ),
  record(
    'segment.start',
    "A process started a segment: a trial's run with one of the seeds, from its last epoch to the next rung.",
    {
      time,
      ...segment,
      attempt,
      directory: text({ description: 'Absolute path of the run directory.' }),
      launcher: text({ description: 'What started it: local, slurm or bullmq.' }),
      process: nullable(
        text({
          description:
            'Name of the worker, such as a process or a job, for people and for a process that resumes the sweep; null if unknown.',
        }),
      ),
    },
  ),
  record('segment.end', 'A segment ended, according to its run directory.', {
    time,
    ...segment,
    status,
    value: nullable(
      number({
        description: 'The measured objective; null if the segment is not completed or the value not finite.',
      }),
    ),
    attempt,
    exit_code: nullable(integer({ description: 'Exit code of the run; null if it did not record one.' })),
    message: nullable(text({ description: 'What went wrong, if anything.' })),
    epochs: nullable(
      integer({
        description:
          'Completed epochs of the run at its end: fewer than `to` if it diverged, or if early stopping or `training.max_steps` ended it. null if it left no summary.',
        min: 0,
      }),
    ),
    train_s: nullable(
      number({ description: 'Seconds of training steps of the run so far; null if not recorded.', min: 0 }),
    ),
  }),
  record('budget.time', 'The time budget is used up.', {
    time,
    seconds,
    advances: integer({
      description: 'When it takes effect: the number of trial.advanced decisions by then.',
      min: 0,
    }),
  }),
  record('sweep.stop', 'A process stopped; the sweep can be resumed.', {
    time,
    seconds,
    reason: literal('interrupted', { description: 'Why.' }),
  }),
  record('sweep.end', 'The sweep ended. The last line.', { time, seconds }),
];

export type Decision = TypeOf<(typeof decisions)[number]>;
export type JournalRecord = Decision | TypeOf<(typeof events)[number]>;

/** One training process: a trial's run with one seed, to the next rung. */
export type Segment = Pick<
  Extract<JournalRecord, { event: 'segment.end' }>,
  'trial' | 'seed' | 'from' | 'to'
>;

/** A unique key of the segment. */
export function segmentKey({ trial, seed, from, to }: Segment): string {
  return `${trial}/${seed}/${from}-${to}`;
}

export type SegmentStatus = TypeOf<typeof status>;

export interface Outcome extends Segment {
  readonly status: SegmentStatus;
  /** The measured objective; null if the segment is not `done` or the metric is not finite. */
  readonly value: number | null;
}

/** The definitions of all records. */
export const recordShapes: readonly Shape[] = [...decisions, ...events];

/** The event of a record's definition. */
export function eventOf({ keys }: Shape): string {
  return String(keys.event.schema.const);
}

const DECISIONS: ReadonlySet<unknown> = new Set(decisions.map(eventOf));
const EVENTS: ReadonlySet<unknown> = new Set(recordShapes.map(eventOf));

export function isEvent(name: unknown): name is JournalRecord['event'] {
  return EVENTS.has(name);
}

function isDecision(record: JournalRecord): record is Decision {
  return DECISIONS.has(record.event);
}

/** The last result of each segment, without failures that are retried. */
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
