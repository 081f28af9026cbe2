/**
 * What a run's log tells: its curves, its evaluations, what was odd. One pass, in memory that does
 * not grow with the log.
 */

import { isAbsent } from '../../experiment/files/unreadable.js';
import { metricsIn } from '../../experiment/log/metric-fields.js';
import type { LogRecord } from '../../experiment/log/parse.js';
import { type Curve, CurveBuilder } from './curve.js';
import { type DamagedLine, readLog } from './log-reader.js';

/**
 * Curves by what they show, such as `test.accuracy`; `train.loss` is that of single batches,
 * `epoch.loss` the mean of an epoch, as are all of `epoch`.
 */
export type Curves = Readonly<Record<string, Curve>>;

export interface RunHistory {
  readonly curves: Curves;
  /** Events in the log. */
  readonly events: number;
  /** Warnings, the first of them with their texts. */
  readonly warnings: { readonly count: number; readonly first: readonly LoggedWarning[] };
  /** How often another process went on with the run. */
  readonly resumes: number;
  /** Seconds since the log's first line, without the time between a stop and a resume, by step. */
  readonly elapsed: Pick<Curve, 'steps' | 'values'>;
  /** The epoch that a step belongs to, once for each epoch: its last step. */
  readonly epochs: readonly { readonly epoch: number; readonly step: number }[];
  /** The newest step, epoch and time that the log speaks of. */
  readonly last: { readonly step: number; readonly epoch: number; readonly time: string | null };
  /** Lines that are no events, the first of them with their texts. */
  readonly damaged: { readonly count: number; readonly first: readonly DamagedLine[] };
}

export interface LoggedWarning {
  readonly code: string;
  readonly message: string;
  readonly step: number | null;
}

/** Of warnings and damaged lines as many are kept as anyone reads. */
const FIRST = 20;

/** What of a `train.step` is a curve, by the field's name; the loss of a batch is `train.loss`. */
const STEP_CURVES: readonly (readonly [field: string, curve: string])[] = [
  ['loss', 'train.loss'],
  ['learning_rate', 'learning_rate'],
  ['grad_norm', 'grad_norm'],
  ['samples_per_s', 'samples_per_s'],
];

/** What curves of an `eval` begin with, by its split; older logs know the test split alone. */
const SPLITS: Readonly<Record<string, string>> = { train: 'train_set', validation: 'validation' };

/** One measurement of a curve. */
export interface CurvePoint {
  /** As in `Curves`. */
  readonly curve: string;
  readonly step: number;
  /** Null where it was not finite. */
  readonly value: number | null;
}

/** What a record adds to the curves. */
export function pointsOf(record: LogRecord): readonly CurvePoint[] {
  switch (record.event) {
    case 'train.step':
      return STEP_CURVES.flatMap(([field, curve]) => pointOf(curve, record, field));
    case 'train.epoch':
      return metricsIn(record).flatMap(name => pointOf(`epoch.${name}`, record, name));
    case 'eval': {
      const split = SPLITS[String(record.split)] ?? 'test';
      return metricsIn(record).flatMap(name => pointOf(`${split}.${name}`, record, name));
    }
    default:
      return [];
  }
}

/** What a summary calls the values of `curve`; undefined if it has none of them. */
export function finalName(curve: string): string | undefined {
  const [split, metric] = curve.split('.');
  if (split === 'epoch') return `train.${metric}`;
  return split === 'validation' || split === 'test' ? curve : undefined;
}

function pointOf(curve: string, record: LogRecord, field: string): readonly CurvePoint[] {
  const { step, [field]: value } = record;
  return isNumber(step) && (isNumber(value) || value === null) ? [{ curve, step, value }] : [];
}

/** Collects records one by one, so that a log which is still being written can be followed. */
export class HistoryCollector {
  private readonly builders = new Map<string, CurveBuilder>();
  private readonly warnings: { count: number; first: LoggedWarning[] } = { count: 0, first: [] };
  private readonly damaged: { count: number; first: DamagedLine[] } = { count: 0, first: [] };
  private readonly epochs: { epoch: number; step: number }[] = [];
  private events = 0;
  private resumes = 0;
  private last = { step: 0, epoch: 0, time: null as string | null };
  private readonly clock = new LogClock();
  private readonly elapsed: CurveBuilder;

  /**
   * @param capacity pieces that a curve is cut into where it has more points; see `CurveBuilder`
   */
  constructor(private readonly capacity: number) {
    this.elapsed = new CurveBuilder(capacity);
  }

  add(record: LogRecord): void {
    this.events += 1;
    this.clock.read(record);
    this.keepPlace(record);
    for (const point of pointsOf(record)) this.addPoint(point);
    switch (record.event) {
      case 'train.epoch':
        if (isNumber(record.epoch) && isNumber(record.step))
          this.epochs.push({ epoch: record.epoch, step: record.step });
        return;
      case 'run.resume':
        this.resumes += 1;
        return;
      case 'warning':
        this.addWarning(record);
    }
  }

  addDamage(line: DamagedLine): void {
    this.damaged.count += 1;
    if (this.damaged.first.length < FIRST) this.damaged.first.push(line);
  }

  /** See `RunHistory.elapsed`; at the last line. */
  get seconds(): number {
    return this.clock.seconds;
  }

  get history(): RunHistory {
    const curves = [...this.builders].map(([name, builder]) => [name, builder.curve] as const);
    const elapsed = this.elapsed.curve;
    return {
      curves: Object.fromEntries(curves),
      events: this.events,
      warnings: { count: this.warnings.count, first: [...this.warnings.first] },
      resumes: this.resumes,
      elapsed: { steps: elapsed.steps, values: elapsed.values },
      epochs: [...this.epochs],
      last: { ...this.last },
      damaged: { count: this.damaged.count, first: [...this.damaged.first] },
    };
  }

  private keepPlace({ event, step, epoch, time }: LogRecord): void {
    if (typeof time === 'string') this.last.time = time;
    // `run.resume` and warnings may speak of steps that were done long before
    if (event !== 'train.step' && event !== 'train.epoch' && event !== 'eval') return;
    if (isNumber(step)) {
      if (step > this.last.step) this.elapsed.add(step, this.clock.seconds);
      this.last.step = step;
    }
    if (isNumber(epoch)) this.last.epoch = epoch;
  }

  private addPoint({ curve, step, value }: CurvePoint): void {
    let builder = this.builders.get(curve);
    if (builder === undefined) {
      builder = new CurveBuilder(this.capacity);
      this.builders.set(curve, builder);
    }
    builder.add(step, value ?? Number.NaN);
  }

  private addWarning({ code, message, step }: LogRecord): void {
    this.warnings.count += 1;
    if (this.warnings.first.length >= FIRST) return;
    this.warnings.first.push({
      code: String(code),
      message: String(message),
      step: isNumber(step) ? step : null,
    });
  }
}

/**
 * Adds up the time between the lines of a log, besides the time in which no process was at work.
 */
class LogClock {
  private before: number | undefined;
  private milliseconds = 0;

  get seconds(): number {
    return this.milliseconds / 1000;
  }

  read({ event, time }: LogRecord): void {
    const now = typeof time === 'string' ? Date.parse(time) : Number.NaN;
    if (Number.isNaN(now)) return;
    const passed = this.before === undefined || event === 'run.resume' ? 0 : now - this.before;
    // a machine's clock may have been put back
    this.milliseconds += Math.max(0, passed);
    this.before = now;
  }
}

/**
 * The history of the log at `path`; an empty one where there is none.
 * @throws UserError (exit 2) or 5 where it cannot be read
 */
export function readHistory(path: string, { capacity }: { readonly capacity: number }): RunHistory {
  const collector = new HistoryCollector(capacity);
  if (!isAbsent(path))
    readLog(
      path,
      record => collector.add(record),
      line => collector.addDamage(line),
    );
  return collector.history;
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number';
}
