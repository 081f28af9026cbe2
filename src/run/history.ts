/**
 * What the log of a run says, read in one pass, with curves of any length in constant memory.
 */

import { isAbsent } from './files.js';
import { type JsonObject, unspellNumbers } from './json.js';
import { eachLine, LineTail } from './lines.js';
import { type DamagedLine, type LogRecord, metricsIn, parseEvent } from './log.js';

/**
 * Curves by name, such as `test.accuracy`. `train.loss` is the loss of single batches; `epoch.loss`
 * and all other `epoch.*` are means over an epoch.
 */
export type Curves = Readonly<Record<string, Curve>>;

export type RunHistory = HistoryCollector['history'];

export interface LoggedWarning {
  readonly code: string;
  readonly message: string;
  readonly step: number | null;
}

const FIRST = 20;

const STEP_FIELDS = ['loss', 'learning_rate', 'grad_norm', 'samples_per_s'];

/** Prefixes of the curves of `eval`, by split. Otherwise `test`. */
const SPLITS: Readonly<Record<string, string>> = { train: 'train_set', validation: 'validation' };

/** The measurements in a record, each with the name of its curve. */
export function pointsOf(record: LogRecord) {
  const { event, step, split } = record;
  if (typeof step !== 'number') return [];
  const isStep = event === 'train.step';
  const isEvaluation = event === 'eval';
  const prefix = isEvaluation ? (SPLITS[String(split)] ?? 'test') : 'epoch';
  const curveOf = (name: string) => {
    if (isStep) return name === 'loss' ? 'train.loss' : name;
    return `${prefix}.${name}`;
  };
  const measured = isEvaluation || event === 'train.epoch' ? metricsIn(record) : [];
  const numbers = unspellNumbers(record as JsonObject);
  return (isStep ? STEP_FIELDS : measured)
    .filter(name => name in numbers)
    .map(name => ({ curve: curveOf(name), step, value: numbers[name] }));
}

/** The name in a summary of the metric that `curve` shows; undefined if summaries lack it. */
export function finalName(curve: string): string | undefined {
  const [split, metric] = curve.split('.');
  if (split === 'epoch') return `train.${metric}`;
  return split === 'validation' || split === 'test' ? curve : undefined;
}

/** Collects records one by one, so that a log can be followed while it is written. */
export class HistoryCollector {
  private readonly builders = new Map<string, CurveBuilder>();
  private readonly warnings = { count: 0, first: [] as LoggedWarning[] };
  private readonly damaged = { count: 0, first: [] as DamagedLine[] };
  private readonly epochs: { epoch: number; step: number }[] = [];
  private line = 0;
  private events = 0;
  private resumes = 0;
  private last = { step: 0, epoch: 0, time: null as string | null };
  private before: number | undefined;
  private milliseconds = 0;
  private readonly elapsed: CurveBuilder;

  constructor(private readonly capacity: number) {
    this.elapsed = new CurveBuilder(capacity);
  }

  add(record: LogRecord): void {
    this.events += 1;
    this.passTime(record);
    this.keepPlace(record);
    for (const { curve, step, value } of pointsOf(record)) {
      const builder = this.builders.get(curve) ?? new CurveBuilder(this.capacity);
      this.builders.set(curve, builder);
      builder.add(step, value);
    }
    const { event, epoch, step } = record;
    if (event === 'train.epoch' && isNumber(epoch) && isNumber(step)) this.epochs.push({ epoch, step });
    if (event === 'run.resume') this.resumes += 1;
    if (event === 'warning') this.addWarning(record);
  }

  /** Adds the next line of a log, as `eachLine` reads it. */
  addLine(text: string | undefined): void {
    this.line += 1;
    const parsed = parseEvent(text);
    if (typeof parsed === 'string') this.addDamage({ line: this.line, message: parsed });
    else this.add(parsed);
  }

  addDamage(line: DamagedLine): void {
    this.damaged.count += 1;
    if (this.damaged.first.length < FIRST) this.damaged.first.push(line);
  }

  get history() {
    const curves = [...this.builders].map(([name, builder]) => [name, builder.curve] as const);
    const { steps, values } = this.elapsed.curve;
    return {
      curves: Object.fromEntries(curves) as Curves,
      events: this.events,
      warnings: { count: this.warnings.count, first: [...this.warnings.first] },
      resumes: this.resumes,
      elapsed: { steps, values },
      epochs: [...this.epochs],
      last: { ...this.last },
      damaged: { count: this.damaged.count, first: [...this.damaged.first] },
    };
  }

  /** Sums the time between the lines, without the time between a stop and a resume. */
  private passTime({ event, time }: LogRecord): void {
    const now = typeof time === 'string' ? Date.parse(time) : Number.NaN;
    if (Number.isNaN(now)) return;
    const passed = this.before === undefined || event === 'run.resume' ? 0 : now - this.before;
    // the clock may have been set back
    this.milliseconds += Math.max(0, passed);
    this.before = now;
  }

  private keepPlace({ event, step, epoch, time }: LogRecord): void {
    if (typeof time === 'string') this.last.time = time;
    // `run.resume` and warnings may refer to earlier steps
    if (event !== 'train.step' && event !== 'train.epoch' && event !== 'eval') return;
    if (isNumber(step)) {
      if (step > this.last.step) this.elapsed.add(step, this.milliseconds / 1000);
      this.last.step = step;
    }
    if (isNumber(epoch)) this.last.epoch = epoch;
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

export function readHistory(path: string, { capacity }: { readonly capacity: number }): RunHistory {
  const collector = new HistoryCollector(capacity);
  if (!isAbsent(path)) eachLine(path, text => collector.addLine(text));
  return collector.history;
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number';
}

export type LogFollower = ReturnType<typeof followLog>;

/** A history while its log is written. After each poll, it equals that of `readHistory`. */
export function followLog(path: string, capacity: number) {
  const tail = new LineTail(path);
  let collector = new HistoryCollector(capacity);
  return {
    /**
     * Reads events added since the last call, at most a megabyte unless a line is longer. Returns
     * whether more can be read immediately. Throws system errors.
     */
    poll(): boolean {
      const { restarted, lines, more } = tail.read();
      if (restarted) collector = new HistoryCollector(capacity);
      for (const text of lines) collector.addLine(text);
      return more;
    },
    get history(): RunHistory {
      return collector.history;
    },
    close: () => tail.close(),
  };
}

export interface Curve {
  readonly steps: readonly number[];
  readonly values: readonly (number | null)[];
  readonly count: number;
}

interface Point {
  readonly step: number;
  readonly value: number;
}

interface Bucket {
  /** The first that is not finite. */
  gap?: Point;
  min?: Point;
  max?: Point;
}

/**
 * Keeps all measurements up to `capacity`. Beyond that, keeps the smallest and the largest of each
 * of at most `capacity` buckets of equal size, and the first and the last measurement, so that a
 * single spike in a million steps stays visible.
 */
export class CurveBuilder {
  private buckets: Bucket[] = [];
  private width = 1;
  private filled = 0;
  private count = 0;
  private first: Point | undefined;
  private last: Point | undefined;

  constructor(private readonly capacity: number) {
    if (capacity < 2 || capacity % 2 !== 0)
      throw new RangeError(`${capacity} is not an even number of at least 2`);
  }

  add(step: number, value: number): void {
    this.count += 1;
    const point = { step, value };
    this.last = point;
    this.first ??= point;
    if (this.filled === this.width || this.count === 1) this.open();
    this.filled += 1;
    include(this.buckets[this.buckets.length - 1], point);
  }

  get curve(): Curve {
    const points = this.buckets.flatMap(pointsIn);
    if (this.first && points[0]?.step !== this.first.step) points.unshift(this.first);
    if (this.last && points[points.length - 1]?.step !== this.last.step) points.push(this.last);
    return {
      steps: points.map(({ step }) => step),
      values: points.map(({ value }) => (Number.isFinite(value) ? value : null)),
      count: this.count,
    };
  }

  private open(): void {
    if (this.buckets.length === this.capacity) {
      const odd = this.buckets.filter((_, i) => i % 2 === 1);
      this.buckets = this.buckets.filter((_, i) => i % 2 === 0);
      for (const [i, bucket] of this.buckets.entries())
        for (const point of pointsIn(odd[i])) include(bucket, point);
      this.width *= 2;
    }
    this.buckets.push({});
    this.filled = 0;
  }
}

function include(bucket: Bucket, point: Point): void {
  if (!Number.isFinite(point.value)) bucket.gap ??= point;
  else {
    if (bucket.min === undefined || point.value < bucket.min.value) bucket.min = point;
    if (bucket.max === undefined || point.value > bucket.max.value) bucket.max = point;
  }
}

function pointsIn({ gap, min, max }: Bucket): Point[] {
  const points = [gap, min, max?.step === min?.step ? undefined : max].filter(point => point !== undefined);
  return points.sort((a, b) => a.step - b.step);
}
