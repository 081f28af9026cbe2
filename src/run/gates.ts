/**
 * Judges gates in runs and reviews. A metric that was not measured or is not finite never passes.
 */
import { largerIsBetter } from '../math/metrics/index.js';
import type { Verdict } from './events.js';
import { metricsIn } from './log.js';
import type { BySplit, GateResult, SplitMetrics, Summary } from './summary.js';

export interface Gate {
  readonly metric: string;
  readonly over: 'last' | 'best' | 'seeds';
  readonly min?: number;
  readonly max?: number;
  readonly baseline?: string;
  readonly max_drop?: number;
  readonly max_regress?: number;
  readonly beats?: 'trivial';
  readonly by?: number;
}

export interface WrittenGate extends Gate {
  readonly origin: string;
  readonly reference?: number;
}

export type Metrics = BySplit<SplitMetrics>;

export function metricValue(metrics: Metrics, name: string): number | undefined {
  const [split, metric] = name.split('.');
  return metrics[split as keyof Metrics]?.[metric];
}

export type Measured = Pick<Summary, 'metrics' | 'baselines' | 'ms_per_step' | 'step_ratio' | 'peak_rss_mb'>;

export function lastValue(measured: Measured, metric: string): number | undefined {
  switch (metric) {
    case 'performance.ms_per_step':
      return measured.ms_per_step ?? undefined;
    case 'performance.step_ratio':
      return measured.step_ratio ?? undefined;
    case 'performance.peak_rss_mb':
      return measured.peak_rss_mb;
    default:
      return metricValue(measured.metrics, metric);
  }
}

const LEFT_TO_REVIEW = 'judged by `review`, which sees several runs';

/** The verdicts of one run. `best` returns the best value of a metric over the evaluations. */
export function judgeRun(
  gates: readonly WrittenGate[],
  measured: Measured,
  best: (metric: string) => number | undefined,
): GateResult[] {
  return gates.map(written => {
    const gate = written.beats === undefined ? written : withTrivial(written, measured);
    if (gate.over === 'seeds') return inconclusive(gate, null, LEFT_TO_REVIEW);
    return judgeGate(gate, gate.over === 'best' ? best(gate.metric) : lastValue(measured, gate.metric));
  });
}

/** The verdict on `value`, which is undefined if it was not measured. */
export function judgeGate(gate: WrittenGate, value: number | undefined): GateResult {
  if (value === undefined) return inconclusive(gate, null, 'it was not measured');
  if (!Number.isFinite(value)) return inconclusive(gate, value, `it is ${value}`);
  const within =
    value >= (gate.min ?? Number.NEGATIVE_INFINITY) && value <= (gate.max ?? Number.POSITIVE_INFINITY);
  if (gate.beats !== undefined) return judgeBeating(gate, value);
  if (gate.baseline === undefined) return result(gate, value, within ? 'passed' : 'failed');
  const limit = worstAllowed(gate);
  if (limit === undefined) return inconclusive(gate, value, 'the baseline does not have it');
  const reached = largerIsBetter(gate.metric) ? value >= limit : value <= limit;
  return { ...result(gate, value, within && reached ? 'passed' : 'failed'), limit };
}

function withTrivial(gate: WrittenGate, measured: Measured): WrittenGate {
  const reference = hardestTrivial(gate.metric, measured);
  return reference === undefined ? gate : { ...gate, reference };
}

/** The value of the trivial baseline that is hardest to beat; undefined if none has `name`. */
export function hardestTrivial(name: string, { baselines }: Pick<Measured, 'baselines'>): number | undefined {
  const [split, metric] = name.split('.');
  const known = split === 'validation' || split === 'test' ? baselines?.[split] : undefined;
  const values = Object.values(known ?? {}).flatMap(one => one[metric] ?? []);
  if (values.length === 0) return undefined;
  return largerIsBetter(name) ? Math.max(...values) : Math.min(...values);
}

function judgeBeating(gate: WrittenGate, value: number): GateResult {
  const { metric, reference, by = 0 } = gate;
  if (reference === undefined) return inconclusive(gate, value, 'no trivial baseline has it');
  const limit = largerIsBetter(metric) ? reference + by : reference - by;
  const lead = largerIsBetter(metric) ? value - limit : limit - value;
  return { ...result(gate, value, lead > 0 || (by > 0 && lead === 0) ? 'passed' : 'failed'), limit };
}

export function inconclusive(gate: WrittenGate, value: number | null, reason: string): GateResult {
  return { ...result(gate, value, 'inconclusive'), reason };
}

/** Gates that keep a run from exit 0. Gates over seeds cannot be judged by a single run. */
export function missedIn(gates: readonly GateResult[]): GateResult[] {
  return gates.filter(({ over, verdict }) => over !== 'seeds' && verdict !== 'passed');
}

/**
 * The worst value that a baseline allows: its mean minus (plus, if smaller is better) `max_drop`,
 * or `max_regress` times its absolute value.
 */
function worstAllowed({ metric, reference, max_drop, max_regress }: WrittenGate): number | undefined {
  if (reference === undefined) return undefined;
  const slack = max_drop ?? (max_regress ?? 0) * Math.abs(reference);
  return largerIsBetter(metric) ? reference - slack : reference + slack;
}

function result(
  { metric, over, origin, ...given }: WrittenGate & Partial<GateResult>,
  value: number | null,
  verdict: Verdict,
): GateResult {
  // a recorded gate that is judged again
  const { value: _value, verdict: _verdict, limit: _limit, reason: _reason, ...asked } = given;
  return { metric, over, value, ...asked, verdict, origin };
}

export class BestValues {
  private readonly values = new Map<string, number>();

  add(metric: string, value: unknown): void {
    if (typeof value !== 'number' || !Number.isFinite(value)) return;
    const best = this.values.get(metric);
    if (best === undefined || (largerIsBetter(metric) ? value > best : value < best))
      this.values.set(metric, value);
  }

  addAll(split: string, metrics: SplitMetrics): void {
    for (const [name, value] of Object.entries(metrics)) this.add(`${split}.${name}`, value);
  }

  addEvent(event: { readonly event: string; readonly [field: string]: unknown }): void {
    const split = event.event === 'train.epoch' ? 'train' : event.event === 'eval' ? event.split : undefined;
    if (split === undefined) return;
    for (const name of metricsIn(event)) this.add(`${split}.${name}`, event[name]);
  }

  get(metric: string): number | undefined {
    return this.values.get(metric);
  }
}
