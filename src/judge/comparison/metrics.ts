/** Metrics of the sides, and comparisons between them. */
import type { MetricName } from '../../config/experiment.js';
import { largerIsBetter, METRICS } from '../../config/rules/metrics.js';
import { momentsOf } from '../../run/baseline.js';
import { metricValue } from '../../run/gates.js';
import { nonFiniteName } from '../../run/json.js';
import type { RunRecord } from '../../run/record.js';
import type { MetricComparison, MetricOfSide } from './document.js';
import { compareValues } from './judge.js';
import { countedRuns, type Side } from './sides.js';

/** The metrics that were measured by any run that counts. */
export function metricsOf(sides: readonly Side[]): MetricName[] {
  const runs = sides.flatMap(countedRuns);
  return METRICS.filter(metric => runs.some(({ record }) => metricOf(record, metric) !== undefined));
}

/** Summarizes a metric for every side, and compares each side with the first. */
export function compareMetric(sides: readonly Side[], metric: MetricName): MetricComparison {
  const measured = sides.map(side => measure(side, metric));
  return {
    metric,
    larger_is_better: largerIsBetter(metric),
    sides: measured,
    comparisons: compareValues(measured, largerIsBetter(metric)),
  };
}

function measure(side: Side, metric: MetricName): MetricOfSide {
  const values: MetricOfSide['values'][number][] = [];
  const leftOut: MetricOfSide['left_out'][number][] = [];
  for (const { record, seed } of countedRuns(side)) {
    const value = metricOf(record, metric);
    const reason = reasonToLeaveOut(value, seed);
    if (value === undefined || seed === null || reason !== null)
      leftOut.push({ run_id: record.id, reason: reason ?? 'it was not measured' });
    else values.push({ seed, run_id: record.id, value });
  }
  const numbers = values.map(({ value }) => value);
  return {
    side: side.id,
    n: numbers.length,
    ...(numbers.length === 0 ? { mean: null, spread: null } : momentsOf(numbers)),
    best: numbers.length === 0 ? null : numbers.reduce(largerIsBetter(metric) ? maximum : minimum),
    values,
    left_out: leftOut,
  };
}

function metricOf({ summary }: RunRecord, metric: MetricName): number | undefined {
  return summary && metricValue(summary.metrics, metric);
}

function reasonToLeaveOut(value: number | undefined, seed: number | null): string | null {
  if (value === undefined) return 'it was not measured';
  const name = nonFiniteName(value);
  if (name !== undefined) return `its value is ${name}`;
  return seed === null ? 'its seed is not known' : null;
}

const maximum = (a: number, b: number): number => Math.max(a, b);
const minimum = (a: number, b: number): number => Math.min(a, b);
