/** The metrics that a run reports, and what can be said about them without running. */
import type { GateMetricName, MetricName } from './experiment.js';

interface MetricFacts {
  readonly largerIsBetter: boolean;
  /** The greatest value that it can have; the smallest is 0. */
  readonly most: number;
}

/** All that there are, those that tell most first; typed, so that a new one is not forgotten. */
const FACTS = {
  'test.accuracy': { largerIsBetter: true, most: 1 },
  'test.mean_absolute_error': { largerIsBetter: false, most: Number.POSITIVE_INFINITY },
  'test.loss': { largerIsBetter: false, most: Number.POSITIVE_INFINITY },
  'train.loss': { largerIsBetter: false, most: Number.POSITIVE_INFINITY },
} as const satisfies Record<MetricName, MetricFacts>;

const BY_NAME: ReadonlyMap<string, MetricFacts> = new Map(Object.entries(FACTS));

export const METRICS = [...BY_NAME.keys()] as readonly MetricName[];

/** Of all that is judged; what training cost should be small. */
export function largerIsBetter(metric: string): boolean {
  return BY_NAME.get(metric)?.largerIsBetter ?? false;
}

/** What training cost, which every run reports. */
export const PERFORMANCE = [
  'performance.step_ratio',
  'performance.ms_per_step',
  'performance.peak_rss_mb',
] as const satisfies readonly GateMetricName[];

export function isPerformance(metric: string): boolean {
  return PERFORMANCE.some(one => one === metric);
}

/** The range that a metric cannot leave: `[0, 1]` for a share, from 0 upwards for losses and errors. */
export function rangeOf(metric: GateMetricName): { readonly min: number; readonly max: number } {
  return { min: 0, max: BY_NAME.get(metric)?.most ?? Number.POSITIVE_INFINITY };
}
