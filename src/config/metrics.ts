/** The metrics that a run reports, and what can be said about them without running. */
import type { GateMetricName, LossConfig, MetricName } from './experiment.js';

/** All that there are, those that tell most first; typed, so that a new one is not forgotten. */
export const METRICS = Object.keys({
  'test.accuracy': true,
  'test.mean_absolute_error': true,
  'test.loss': true,
  'train.loss': true,
} satisfies Record<MetricName, true>) as readonly MetricName[];

/** Of all that is judged; only an accuracy should be large. */
export function largerIsBetter(metric: string): boolean {
  return metric === 'test.accuracy';
}

const METRICS_OF_LOSS: Readonly<Record<LossConfig['kind'], readonly MetricName[]>> = {
  cross_entropy: ['train.loss', 'test.loss', 'test.accuracy'],
  mse: ['train.loss', 'test.loss', 'test.mean_absolute_error'],
};

/** What a run with this loss reports. */
export function metricsOf(loss: LossConfig): readonly MetricName[] {
  return METRICS_OF_LOSS[loss.kind];
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
  return { min: 0, max: metric === 'test.accuracy' ? 1 : Number.POSITIVE_INFINITY };
}
