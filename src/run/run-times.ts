/**
 * Times of a run over all the processes that worked on it. Checkpoints contain no times, so these
 * come from the run's log and summary. A `run.resume` record has the times up to it, and the
 * summary those up to the end of a process. A killed process counts from the time stamp of its
 * first record to that of its last, and its training in complete epochs. Its memory and the times
 * of its single steps are unknown.
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

/** @param records of its log @param summary of the last process that ended */
export function timesSoFar(records: readonly LoggedEvent[], summary: Summary | undefined): RunTimes {
  const end = records.at(-1);
  if (summary && end?.event === 'run.end' && end.duration_s === summary.duration_s)
    return timesOf({ ...summary });
  const began = records.findLastIndex(({ event }) => event === 'run.start' || event === 'run.resume');
  if (began < 0) return NO_TIMES;
  const times = addTimes(timesOf(records[began]), timesOfKilled(records.slice(began)));
  // a full disk may have had space for this record but not for the summary
  return end?.event === 'run.end' ? { ...times, duration_s: Number(end.duration_s) } : times;
}

function timesOf(told: Readonly<Record<string, unknown>>): RunTimes {
  const known = Object.keys(NO_TIMES).filter(name => typeof told[name] === 'number');
  return { ...NO_TIMES, ...Object.fromEntries(known.map(name => [name, told[name]])) };
}

function timesOfKilled(records: readonly LoggedEvent[]): RunTimes {
  const [first] = records;
  const stamps = records.map(({ time }) => Date.parse(String(time))).filter(Number.isFinite);
  // `run.start` is logged after the data are read; the clock may have been set back since
  const reading = first.event === 'run.start' ? seconds(records, 'data.ready') : 0;
  const passed = stamps.length === 0 ? 0 : stamps[stamps.length - 1] - stamps[0];
  return {
    ...NO_TIMES,
    duration_s: reading + Math.max(0, passed / 1000),
    train_s: seconds(records, 'train.epoch'),
    eval_s: seconds(records, 'eval', 'eval.trained'),
  };
}

function seconds(records: readonly LoggedEvent[], ...names: LoggedEvent['event'][]): number {
  const counted = records.filter(({ event }) => names.includes(event));
  return counted.reduce((sum, { duration_s }) => sum + Number(duration_s ?? 0), 0);
}
