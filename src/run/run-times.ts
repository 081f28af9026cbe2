/**
 * Times of a run over all the processes that worked on it. Checkpoints contain no times, so these
 * come from the run's log and summary. A `run.resume` record has the times up to it, and the
 * summary those up to the end of a process. A killed process counts from the time stamp of its
 * first record to that of its last, and its training up to the last logged step, at the rate logged
 * there. Its memory and the times of its single steps are unknown.
 */
import type { LoggedEvent } from './log.js';
import type { Summary } from './summary.js';

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

/** Step and calibration times are those of the later process that completed a step. */
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

/** A step in units of the calibration kernel, of the same process. */
export function stepRatio({ ms_per_step, calibration_ms }: RunTimes): number | null {
  return ms_per_step === null || calibration_ms === null ? null : ms_per_step / calibration_ms;
}

/**
 * Times of a run so far. `records` are those of its log without damaged lines; `summary` is that of
 * the last process that ended; `batchSize` applies to all steps except an epoch's last.
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
  // a full disk may have had space for this record but not for the summary
  return end?.event === 'run.end' ? { ...times, duration_s: amount(end.duration_s) } : times;
}

/** Missing or invalid times, as in edited logs, count as 0 or null. */
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

function timesOfKilled(records: readonly LoggedEvent[], batchSize: number): RunTimes {
  const [first] = records;
  const stamps = records.map(({ time }) => Date.parse(String(time))).filter(Number.isFinite);
  // `run.start` is logged after the data are read; the clock may have been set back since
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
 * Completed epochs have their duration; steps of the current epoch are estimated from the logged
 * rate.
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

/** `value` if it is a positive finite number, else 0. */
function amount(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
}
