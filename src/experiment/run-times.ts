/**
 * How long a run took over all the processes that worked on it. Checkpoints have no clock in them,
 * so this comes from the run's log: the `run.resume` of a process says what the run had taken
 * before, and the summary of a process that came to its end what it had by then. Of one that was
 * killed only its records tell: it counts from the first of them to the last by their time stamps,
 * its training as far as the last logged step, at the rate logged there; its memory is not known,
 * nor are the times of its single steps.
 */
import type { LoggedEvent } from './log/log-history.js';
import type { Summary } from './summary.js';

/** As summary.json names them. */
export interface RunTimes
  extends Pick<Summary, 'duration_s' | 'train_s' | 'eval_s' | 'ms_per_step' | 'peak_rss_mb'> {
  readonly calibration_ms: number | null;
}

export const NO_TIMES: RunTimes = {
  duration_s: 0,
  train_s: 0,
  eval_s: 0,
  ms_per_step: null,
  calibration_ms: null,
  peak_rss_mb: 0,
};

/**
 * Of two processes, the `earlier` one first: sums, the greater memory, step and calibration of the
 * later one that made a step.
 */
export function addTimes(earlier: RunTimes, later: RunTimes): RunTimes {
  const { ms_per_step, calibration_ms } = later.ms_per_step === null ? earlier : later;
  return {
    duration_s: earlier.duration_s + later.duration_s,
    train_s: earlier.train_s + later.train_s,
    eval_s: earlier.eval_s + later.eval_s,
    ms_per_step,
    calibration_ms,
    peak_rss_mb: Math.max(earlier.peak_rss_mb, later.peak_rss_mb),
  };
}

/**
 * A training step in units of the calibration kernel: `ms_per_step` / `calibration_ms`, both of the
 * same process; null where one is.
 */
export function stepRatio({ ms_per_step, calibration_ms }: RunTimes): number | null {
  return ms_per_step === null || calibration_ms === null ? null : ms_per_step / calibration_ms;
}

/**
 * What a run has taken so far. `records` are those of its log, damaged lines left out; `summary` is
 * the one that its last process to end left; `batchSize` that of all steps but an epoch's last.
 */
export function timesSoFar(
  records: readonly LoggedEvent[],
  summary: Summary | undefined,
  batchSize: number,
): RunTimes {
  const end = records.at(-1);
  if (summary && end?.event === 'run.end' && end.duration_s === summary.duration_s)
    return timesOf({ ...summary });
  const began = records.findLastIndex(({ event }) => event === 'run.start' || event === 'run.resume');
  if (began < 0) return NO_TIMES;
  const times = addTimes(timesOf(records[began]), timesOfKilled(records.slice(began), batchSize));
  // a full disk may have had room for this record and none for the summary
  return end?.event === 'run.end' ? { ...times, duration_s: amount(end.duration_s) } : times;
}

/** A log of an older version, or one that somebody has edited, has none. */
function timesOf(told: Readonly<Record<string, unknown>>): RunTimes {
  const milliseconds = (value: unknown) => (typeof value === 'number' ? amount(value) : null);
  return {
    duration_s: amount(told.duration_s),
    train_s: amount(told.train_s),
    eval_s: amount(told.eval_s),
    ms_per_step: milliseconds(told.ms_per_step),
    calibration_ms: milliseconds(told.calibration_ms),
    peak_rss_mb: amount(told.peak_rss_mb),
  };
}

/** Of a process whose `records` are all that is known; the first is that of its beginning. */
function timesOfKilled(records: readonly LoggedEvent[], batchSize: number): RunTimes {
  const [first] = records;
  const stamps = records.map(({ time }) => Date.parse(String(time))).filter(Number.isFinite);
  // a new run is said to begin once its data are read; its clock may have been set back since
  const reading = first.event === 'run.start' ? seconds(records, 'data.ready') : 0;
  const passed = stamps.length === 0 ? 0 : stamps[stamps.length - 1] - stamps[0];
  return {
    ...NO_TIMES,
    duration_s: reading + amount(passed / 1000),
    train_s: trainingSeconds(records, batchSize),
    eval_s: seconds(records, 'eval') + seconds(records, 'eval.trained'),
  };
}

/**
 * Whole epochs say what their steps took; those of the epoch under way are as long as their rate
 * says.
 */
function trainingSeconds(records: readonly LoggedEvent[], batchSize: number): number {
  const lastEpoch = records.findLastIndex(({ event }) => event === 'train.epoch');
  let total = seconds(records, 'train.epoch');
  let done = amount(records[Math.max(0, lastEpoch)].step);
  for (const { event, step, samples_per_s } of records.slice(lastEpoch + 1)) {
    const rate = amount(samples_per_s);
    if (event !== 'train.step' || step === undefined || rate === 0) continue;
    total += (Math.max(0, step - done) * batchSize) / rate;
    done = step;
  }
  return total;
}

function seconds(records: readonly LoggedEvent[], name: LoggedEvent['event']): number {
  return records.reduce((sum, { event, duration_s }) => sum + (event === name ? amount(duration_s) : 0), 0);
}

/** What is no amount of anything counts for nothing. */
function amount(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
}
