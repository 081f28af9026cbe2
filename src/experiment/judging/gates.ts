/**
 * Judging gates, in a run and in a review alike: a metric that was not measured, or is not finite,
 * never passes.
 */
import { largerIsBetter } from '../../config/rules/metrics.js';
import type { Verdict } from '../log/events.js';
import type { BySplit, GateResult, SplitMetrics, Summary } from '../summary.js';

/** What a gate asks for, as a config or a command line says it. */
export interface Gate {
  /** Such as `test.accuracy` or `performance.ms_per_step`. */
  readonly metric: string;
  readonly over: 'last' | 'best' | 'seeds';
  readonly min?: number;
  readonly max?: number;
  /** A file that `review --pin` wrote. */
  readonly baseline?: string;
  /** How much worse than the baseline's mean the metric may be. */
  readonly max_drop?: number;
  /** The same as a share of the baseline's mean. */
  readonly max_regress?: number;
  /** What the metric must be better than: the best trivial baseline on its split. */
  readonly beats?: 'trivial';
  /** By how much at least, in its own unit. */
  readonly by?: number;
}

/** A gate together with what it is judged by. */
export interface WrittenGate extends Gate {
  /** `FILE:LINE:COL`, or the option that gave it. */
  readonly origin: string;
  /** The baseline's mean, or the trivial baseline's value; absent without either. */
  readonly reference?: number;
}

export type Metrics = BySplit<SplitMetrics>;

/** The value of `SPLIT.NAME`; undefined where it was not measured. */
export function metricValue(metrics: Metrics, name: string): number | undefined {
  const [split, metric] = name.split('.');
  return metrics[split as keyof Metrics]?.[metric];
}

/** What of a summary gates judge. */
export type Measured = Pick<Summary, 'metrics' | 'baselines' | 'ms_per_step' | 'step_ratio' | 'peak_rss_mb'>;

/** The last value of a metric, or of what training cost; undefined where it was not measured. */
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

/** Why a gate over seeds has no verdict in a run. */
const LEFT_TO_REVIEW = 'judged by `review`, which sees several runs';

/** The verdicts of one run. `best` gives the best value of a metric over the evaluations. */
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

/** The verdict on a value; `undefined` where it was not measured. */
export function judgeGate(gate: WrittenGate, value: number | undefined): GateResult {
  if (value === undefined) return inconclusive(gate, null, 'it was not measured');
  if (!Number.isFinite(value)) return inconclusive(gate, value, `it is ${value}`);
  const within =
    value >= (gate.min ?? Number.NEGATIVE_INFINITY) && value <= (gate.max ?? Number.POSITIVE_INFINITY);
  if (gate.beats !== undefined) return judgeBeating(gate, value);
  if (gate.baseline === undefined) return told(gate, value, within ? 'passed' : 'failed');
  const limit = worstAllowed(gate);
  if (limit === undefined) return inconclusive(gate, value, 'the baseline does not have it');
  const reached = largerIsBetter(gate.metric) ? value >= limit : value <= limit;
  return { ...told(gate, value, within && reached ? 'passed' : 'failed'), limit };
}

/** The gate with the value of the trivial baseline to beat; without one if none has the metric. */
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
  return { ...told(gate, value, lead > 0 || (by > 0 && lead === 0) ? 'passed' : 'failed'), limit };
}

/** Without a verdict, and why. */
export function inconclusive(gate: WrittenGate, value: number | null, reason: string): GateResult {
  return { ...told(gate, value, 'inconclusive'), reason };
}

/** What keeps a run from exit 0: a gate over seeds says nothing about a single run. */
export function missedIn(gates: readonly GateResult[]): GateResult[] {
  return gates.filter(({ over, verdict }) => over !== 'seeds' && verdict !== 'passed');
}

/**
 * The worst value that a baseline allows: its mean, less (for what should be large) or more than it
 * by `max_drop` or `max_regress`.
 */
function worstAllowed({ metric, reference, max_drop, max_regress }: WrittenGate): number | undefined {
  if (reference === undefined) return undefined;
  const slack = max_drop ?? (max_regress ?? 0) * Math.abs(reference);
  return largerIsBetter(metric) ? reference - slack : reference + slack;
}

function told(
  { metric, over, min, max, baseline, max_drop, max_regress, beats, by, reference, origin }: WrittenGate,
  value: number | null,
  verdict: Verdict,
): GateResult {
  return {
    metric,
    over,
    value,
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
    ...(baseline !== undefined && { baseline }),
    ...(max_drop !== undefined && { max_drop }),
    ...(max_regress !== undefined && { max_regress }),
    ...(beats !== undefined && { beats }),
    ...(by !== undefined && { by }),
    ...(reference !== undefined && { reference }),
    verdict,
    origin,
  };
}
