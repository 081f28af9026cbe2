/** Metrics in words. */
import type { SplitMetrics } from '../summary.js';

/** `test accuracy 97.12 %`, `test mean absolute error 0.2512`, `validation r2 0.9173`. */
export function metricSentence(split: string, metric: string, value: number): string {
  const shown = isPercentage(metric) ? `${(100 * value).toFixed(2)} %` : value.toPrecision(4);
  return `${split} ${metric.replaceAll('_', ' ')} ${shown}`;
}

/** The metrics of `split`, the loss first. */
export function metricSentences(split: string, { loss, ...others }: SplitMetrics): string[] {
  const told = Object.entries(others).map(([metric, value]) => metricSentence(split, metric, value));
  return loss === undefined ? told : [metricSentence(split, 'loss', loss), ...told];
}

function isPercentage(metric: string): boolean {
  return /(^|_)accuracy$/.test(metric);
}
