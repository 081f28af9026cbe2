/** Judging gates: a metric that was not measured, or is not finite, never passes. */
import type { GateResult, SplitMetrics } from './summary.js';

export interface Gate {
  /** Such as `test.accuracy`. */
  readonly metric: string;
  readonly min?: number;
  readonly max?: number;
}

export type Metrics = Readonly<Record<'train' | 'test', SplitMetrics>>;

/** The value of `SPLIT.NAME`; undefined where it was not measured. */
export function metricValue(metrics: Metrics, name: string): number | undefined {
  const [split, metric] = name.split('.');
  return metrics[split as keyof Metrics]?.[metric];
}

export function judgeGates(gates: readonly Gate[], metrics: Metrics): GateResult[] {
  return gates.map(({ metric, min, max }) => {
    const value = metricValue(metrics, metric);
    const bounds = { ...(min !== undefined && { min }), ...(max !== undefined && { max }) };
    if (value === undefined || !Number.isFinite(value))
      return { metric, ...bounds, value: null, verdict: 'unjudged' };
    const within = value >= (min ?? Number.NEGATIVE_INFINITY) && value <= (max ?? Number.POSITIVE_INFINITY);
    return { metric, ...bounds, value, verdict: within ? 'passed' : 'failed' };
  });
}
