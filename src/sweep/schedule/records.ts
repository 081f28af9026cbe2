/**
 * Records of a sweep's journal: decisions, which a replay writes again byte by byte, and events.
 */
import * as s from '../../util/schema.js';
import { point } from '../search/space.js';
import { plan, type Replicate, seed } from './plan.js';

const time = s.text({
  name: 'time',
  description: 'When it was written: ISO 8601, UTC, milliseconds.',
  pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$',
});
export const trialNumber = s.named('trial', s.count('Number of the trial, from 0.'));
const from = s.named('from', s.count('Completed epochs at the start.'));
const to = s.named('to', s.count('Completed epochs at the end.', 1));
const epochs = s.named('epochs', s.count('Completed epochs.'));
const attempt = s.named('attempt', s.count("Number of the segment's process; 0 if it was found completed."));
const seconds = s.named('seconds', s.amount('Seconds of work, all processes of the sweep together.'));
const status = s.choice(['done', 'diverged', 'failed'] as const, {
  name: 'status',
  description:
    'done: reached `to`. diverged: loss, gradient or parameters were not finite, which is a result. failed: failed after all retries.',
});
const backend = s.named('backend', s.text('As for `run --backend`, of all trials from here on.'));
const version = s.named('version', s.text('Version of cellrun.'));
export const spread = s.nullable(
  s.number('Sample standard deviation over the seeds; null for a single seed.'),
);
export const endReason = s.choice(
  ['exhausted', 'trials', 'time', 'target', 'trial_error'] as const,
  'Why: all points were tried, the budget of trials or time is used up, the target was reached, or a failed trial stopped the sweep.',
);
export type EndReason = s.TypeOf<typeof endReason>;
const trial = trialNumber;
const fold = s.named(
  'fold',
  s.count('Number of the fold, from 1; 0 for the final model on all data; absent without folds.'),
);
export const segment = { trial, seed, fold: s.optional(fold), from, to };

const record = <const E extends string, P extends Readonly<Record<string, s.Shape>>>(
  event: E,
  description: string,
  fields: P,
) => s.struct(description, { event: s.literal(event, {}), ...fields });

const decisions = [
  record(
    'trial.chosen',
    'A point was chosen. Like all decisions it has no time: it follows only from the plan and the results.',
    { trial, point, bracket: s.optional(s.count('Bracket of Hyperband.')) },
  ),
  record('trial.advanced', 'The trial is trained to its next rung, with each seed.', { trial, from, to }),
  record('trial.measured', 'All seeds of a trial have reached a rung.', {
    trial,
    epochs,
    value: s.nullable(s.number('Mean of the objective over the seeds; null if not finite or not measured.')),
    spread,
    status,
  }),
  record('trial.paused', 'The trial pauses; it may be promoted later.', { trial, epochs }),
  record('trial.pruned', 'The trial will not continue.', { trial, epochs }),
  record('trial.completed', 'The trial has been trained for all epochs.', { trial, epochs }),
  record('trial.failed', 'A segment failed after all retries, and the trial with it.', { trial }),
  record('sweep.decided', 'Nothing is left to train. The last decision.', {
    reason: endReason,
    best: s.nullable(
      s.struct('The winner; null if no trial has a value.', {
        trial,
        value: s.number('Mean of the objective over the seeds.'),
        spread,
      }),
    ),
  }),
];

const events = [
  record('sweep.start', 'The sweep started. The first line.', {
    time,
    id: s.text("Name of the sweep's directory."),
    plan,
    backend,
    version,
  }),
  record('sweep.resume', 'Another process resumed the sweep.', {
    time,
    process: s.text('Which: PID HOST.'),
    backend,
    version,
  }),
  record(
    'sweep.redecided',
    'Earlier decisions no longer count: some were lost, or failed trials are retried. Those that follow from the results are repeated after this line.',
    { time, retry_failed: s.boolean('Whether failed segments before this line are forgotten.') },
  ),
  record('segment.start', "A process started a segment: a trial's run with one seed, to the next rung.", {
    time,
    ...segment,
    attempt,
    directory: s.text('Absolute path of the run directory.'),
    launcher: s.text('What started it: local, slurm or bullmq.'),
    process: s.nullable(s.text('Name of the process or job; null if unknown.')),
  }),
  record('segment.end', 'A segment ended, according to its run directory.', {
    time,
    ...segment,
    status,
    value: s.nullable(s.number('The objective; null if not measured or not finite.')),
    attempt,
    exit_code: s.nullable(s.integer('Of the run; null if it did not record one.')),
    message: s.nullable(s.text('What went wrong, if anything.')),
    epochs: s.nullable(
      s.count('Completed epochs of the run, fewer than `to` if it ended early; null if unknown.'),
    ),
    train_s: s.nullable(s.amount('Seconds of training steps of the run so far; null if not recorded.')),
  }),
  record('budget.time', 'The time budget is used up.', {
    time,
    seconds,
    advances: s.count('When it takes effect: the number of trial.advanced decisions by then.'),
  }),
  record('sweep.stop', 'A process stopped; the sweep can be resumed.', {
    time,
    seconds,
    reason: s.literal('interrupted', 'Why.'),
  }),
  record('sweep.end', 'The sweep ended. The last line.', { time, seconds }),
];

export type Decision = s.TypeOf<(typeof decisions)[number]>;
export type JournalRecord = Decision | s.TypeOf<(typeof events)[number]>;

/** One training process: a trial's run with one seed or on one fold, to the next rung. */
export type Segment = Pick<
  Extract<JournalRecord, { event: 'segment.end' }>,
  'trial' | 'seed' | 'fold' | 'from' | 'to'
>;

/** Without the other fields of a record. */
export function segmentOf({ trial, seed, fold, from, to }: Segment): Segment {
  return { trial, seed, ...(fold !== undefined && { fold }), from, to };
}

export function segmentKey({ from, to, ...run }: Segment): string {
  return `${runName(run)}/${from}-${to}`;
}

export type RunOfTrial = Pick<Segment, 'trial'> & Replicate;

/** `t0007-s0`, or `t0007-f2` on a fold; `final` on all data. */
export function runName({ trial, seed, fold }: RunOfTrial): string {
  if (fold === 0) return 'final';
  return `t${String(trial).padStart(4, '0')}-${fold === undefined ? `s${seed}` : `f${fold}`}`;
}

export type SegmentStatus = s.TypeOf<typeof status>;

/** `value` is the measured objective; null if the segment is not `done` or it is not finite. */
export type Outcome = Pick<
  Extract<JournalRecord, { event: 'segment.end' }>,
  keyof Segment | 'status' | 'value'
>;

export const recordShapes: readonly s.Shape[] = [...decisions, ...events];

export function eventOf({ keys }: s.Shape): string {
  return String(keys.event.schema().const);
}

const DECISIONS: ReadonlySet<unknown> = new Set(decisions.map(eventOf));
const EVENTS: ReadonlySet<unknown> = new Set(recordShapes.map(eventOf));

export function isEvent(name: unknown): name is JournalRecord['event'] {
  return EVENTS.has(name);
}

/** The last result of each segment, without failures that are retried. */
export function outcomesOf(records: readonly JournalRecord[]): readonly Outcome[] {
  const outcomes = new Map<string, Outcome>();
  for (const record of records) {
    if (record.event === 'sweep.redecided' && record.retry_failed) {
      for (const [key, { status }] of outcomes) if (status === 'failed') outcomes.delete(key);
    }
    if (record.event !== 'segment.end') continue;
    const { status, value } = record;
    outcomes.set(segmentKey(record), { ...segmentOf(record), status, value });
  }
  return [...outcomes.values()];
}

export function decisionsOf(records: readonly JournalRecord[]): Decision[] {
  const again = records.findLastIndex(({ event }) => event === 'sweep.redecided');
  return records.slice(again + 1).filter((record): record is Decision => DECISIONS.has(record.event));
}
