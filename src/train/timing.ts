/**
 * Durations of training steps, and how fast the machine was meanwhile. Displayed and recorded only;
 * nothing depends on them.
 */
import type { Backend } from '../engine/backend-names.js';
import { Graph, type KeyedProgram } from '../math/graph/node.js';
import type { Machine } from '../math/model/walk.js';
import { contract } from '../math/ops/contract.js';
import type { LoggedEvent } from '../run/log.js';
import type { Summary } from '../run/summary.js';

export class StepTimes {
  private readonly median = new RunningMedian();
  private window = { samples: 0, seconds: 0 };
  /** Seconds of all steps. */
  total = 0;
  count = 0;

  add(samples: number, seconds: number): void {
    this.total += seconds;
    this.count++;
    this.median.add(seconds);
    // the first step of a process also compiles
    if (this.count > 1)
      this.window = { samples: this.window.samples + samples, seconds: this.window.seconds + seconds };
  }

  get medianMilliseconds(): number | null {
    return this.median.value && 1000 * this.median.value;
  }

  /** Sequences per second since the last call, without a process's first step. */
  takeRate(): number | undefined {
    const { samples, seconds } = this.window;
    this.window = { samples: 0, seconds: 0 };
    return samples > 0 ? samples / seconds : undefined;
  }
}

/** Smaller values count as this; for seconds, a nanosecond. */
const MIN_VALUE = 1e-9;
/** Larger values count as this; for seconds, about thirty years. */
const MAX_VALUE = 1e9;
const LOG_GROWTH = Math.log(1.01);
const BINS = Math.ceil(Math.log(MAX_VALUE / MIN_VALUE) / LOG_GROWTH) + 1;

/** Within 0.5 % and in constant memory: a histogram whose bins grow by 1 % each. */
export class RunningMedian {
  /** Bin `i` counts values from `MIN_VALUE * 1.01 ** i` up to the next bin's. */
  private readonly counts = new Float64Array(BINS);
  private total = 0;

  add(value: number): void {
    const bounded = Math.min(MAX_VALUE, Math.max(MIN_VALUE, value));
    this.counts[Math.min(BINS - 1, Math.floor(Math.log(bounded / MIN_VALUE) / LOG_GROWTH))] += 1;
    this.total += 1;
  }

  /** For an even count, the mean of the two middle values. */
  get value(): number | null {
    if (this.total === 0) return null;
    return (this.ranked(Math.floor((this.total - 1) / 2)) + this.ranked(Math.floor(this.total / 2))) / 2;
  }

  /** The middle of the bin of the value of rank `rank`, 0 for the smallest. */
  private ranked(rank: number): number {
    let below = 0;
    const bin = this.counts.findIndex(count => {
      below += count;
      return below > rank;
    });
    return MIN_VALUE * Math.exp((bin + 0.5) * LOG_GROWTH);
  }
}

/** Maximum fraction of the training time, except for the minimum that a short run needs. */
const MAX_FRACTION = 0.005;
/** Earlier steps compile and warm up, and a shorter run takes less time than a measurement. */
const FIRST_STEP = 10;
/** Fewer measurements yield no stable median of short runs on a busy machine. */
const GROWTH = 1.3;
/** Assumed duration of a measurement until the first one. */
const EXPECTED_SECONDS = 0.02;

/** Tracks how fast the machine was during training by timing a fixed kernel now and then. */
export class Calibration {
  private readonly median = new RunningMedian();
  private measured = 0;
  private spentSeconds = EXPECTED_SECONDS;

  /** As often as `MAX_FRACTION` allows, and each time the steps have grown by `GROWTH`. */
  isDue(steps: number, trainedSeconds: number): boolean {
    return (
      steps >= FIRST_STEP * GROWTH ** this.measured || this.spentSeconds <= MAX_FRACTION * trainedSeconds
    );
  }

  async measure(kernel: () => Promise<number>): Promise<void> {
    const began = performance.now();
    this.median.add((await kernel()) / 1000);
    // the first also compiles the kernel; its time must not postpone the next
    if (this.measured > 0) this.spentSeconds += (performance.now() - began) / 1000;
    this.measured++;
  }

  get medianMilliseconds(): number | null {
    return this.median.value && 1000 * this.median.value;
  }
}

/** The gates of an LSTM of 128 units in batches of 100, 26.2 MFLOP. */
const [ROWS, INNER, COLUMNS] = [100, 256, 512];

/** Fixed: a fixed duration would contain fewer products exactly when it is disturbed. */
const PRODUCTS: Readonly<Record<Backend, number>> = { webasm: 6, webgpu: 6, cpu: 1, 'gpu.js': 1 };

export const CALIBRATION: KeyedProgram = {
  key: 'calibration',
  make() {
    const graph = new Graph();
    const [x, w] = [graph.input('x', [ROWS, INNER]), graph.input('w', [INNER, COLUMNS])];
    return { graph, outputs: new Map([['product', contract('bk,kj->bj', x, w)]]) };
  },
};

/** A matrix product of fixed size, to measure how fast this machine is, other load included. */
export class CalibrationKernel {
  private readonly values = {
    x: new Float32Array(ROWS * INNER).fill(0.5),
    w: new Float32Array(INNER * COLUMNS).fill(0.25),
  };
  private isWarm = false;

  constructor(
    private readonly backend: Backend,
    private readonly machine: Machine<Float32Array>,
  ) {}

  async measure(): Promise<number> {
    // the first calls include compilation
    if (!this.isWarm) await this.mean();
    this.isWarm = true;
    return this.mean();
  }

  private async mean(): Promise<number> {
    const products = PRODUCTS[this.backend];
    const began = performance.now();
    let last: Record<string, Float32Array> = {};
    for (let i = 0; i < products; i++) last = await this.machine.run(CALIBRATION, this.values, {});
    await this.machine.arrays.read(...Object.values(last));
    return (performance.now() - began) / products;
  }
}

/**
 * Times of a run over all the processes that worked on it. Checkpoints contain no times, so these
 * come from the run's log and summary. A `run.resume` record has the times up to it, and the
 * summary those up to the end of a process. A killed process counts from the time stamp of its
 * first record to that of its last, and its training in complete epochs. Its memory and the times
 * of its single steps are unknown.
 */
export type RunTimes = Pick<
  Summary,
  'duration_s' | 'train_s' | 'eval_s' | 'ms_per_step' | 'calibration_ms' | 'peak_rss_mb'
>;

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

function timesOf(fields: Readonly<Record<string, unknown>>): RunTimes {
  const known = Object.keys(NO_TIMES).filter(name => typeof fields[name] === 'number');
  return { ...NO_TIMES, ...Object.fromEntries(known.map(name => [name, fields[name]])) };
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
