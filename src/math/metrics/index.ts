import { choice } from '../../util/schema.js';
import { accuracy, top3Accuracy, top5Accuracy } from './accuracy.js';
import { brierScore, calibrationError, logLoss } from './calibration.js';
import { mase, meanAbsoluteError, r2, rmse } from './errors.js';
import { coverage, groupCoverage, intervalWidth, setSize } from './intervals.js';
import { bitsPerSymbol, perplexity } from './likelihood.js';
import {
  type Accumulator,
  type Computed,
  ERROR,
  type MetricKind,
  meanOf,
  type PredictionMetric,
  type Scored,
  type Task,
} from './metric.js';
import { auroc, averagePrecision } from './ranked.js';
import { f1, precision, recall } from './scores.js';
import { sequenceAccuracy, tokenErrorRate } from './sequences.js';

export type { Task } from './metric.js';

export const metrics = {
  accuracy,
  top_3_accuracy: top3Accuracy,
  top_5_accuracy: top5Accuracy,
  precision,
  recall,
  f1,
  auroc,
  average_precision: averagePrecision,
  perplexity,
  bits_per_symbol: bitsPerSymbol,
  log_loss: logLoss,
  brier_score: brierScore,
  calibration_error: calibrationError,
  mean_absolute_error: meanAbsoluteError,
  rmse,
  r2,
  mase,
  coverage,
  group_coverage: groupCoverage,
  interval_width: intervalWidth,
  set_size: setSize,
  token_error_rate: tokenErrorRate,
  sequence_accuracy: sequenceAccuracy,
};

type Metrics = typeof metrics;
export type MeasuredMetric = keyof Metrics;
export type Metric = MeasuredMetric | 'loss';
type Means = {
  [M in MeasuredMetric]: Metrics[M]['tasks'][keyof Metrics[M]['tasks']] extends { mean: PredictionMetric }
    ? M
    : never;
}[MeasuredMetric];
/** A metric that is also measured in training, as the mean over the predictions of an epoch. */
export type TrainedMetric = Means | 'loss';
/** A split and a metric of it, such as `test.accuracy`. */
export type MetricName = `train.${TrainedMetric}` | `${'validation' | 'test'}.${Metric}`;

export const MEASURED = Object.keys(metrics) as MeasuredMetric[];

export const kindOf = (name: MeasuredMetric): MetricKind => metrics[name];

export function metricsOfTask(task: Task): readonly MeasuredMetric[] {
  return MEASURED.filter(name => kindOf(name).tasks[task]);
}

/** Whether trivial baselines have a metric: a target as the prediction has no probabilities. */
export function hasTrivial(task: Task, metric: string): boolean {
  return task !== 'sequences' || !isOfLikelihood(metric);
}

export function isOfLikelihood(metric: string): boolean {
  return metric === 'loss' || metricKind(metric)?.measures === 'likelihood';
}

export function isOfIntervals(name: MeasuredMetric): boolean {
  return kindOf(name).measures === 'intervals';
}

export function isOfDecisions(name: MeasuredMetric): boolean {
  return kindOf(name).measures === 'decisions';
}

export function isTrained(name: MeasuredMetric): name is Means {
  return Object.values(kindOf(name).tasks).every(computed => 'mean' in computed);
}

export const TRAINED = MEASURED.filter(isTrained);

/** The most informative first. */
export const METRICS: readonly MetricName[] = [
  ...[...MEASURED, 'loss' as const].flatMap(metric => `test.${metric}` as const),
  ...[...MEASURED, 'loss' as const].flatMap(metric => `validation.${metric}` as const),
  ...[...TRAINED, 'loss' as const].map(metric => `train.${metric}` as const),
];

export const PERFORMANCE = [
  'performance.step_ratio',
  'performance.ms_per_step',
  'performance.peak_rss_mb',
] as const;

export type GateMetricName = MetricName | (typeof PERFORMANCE)[number];

export function isPerformance(metric: string): boolean {
  return PERFORMANCE.some(name => name === metric);
}

/** @param name `SPLIT.METRIC`, or a metric alone; undefined for losses and performance figures */
function metricKind(name: string): MetricKind | undefined {
  const metric = name.slice(name.indexOf('.') + 1);
  return Object.hasOwn(metrics, metric) ? kindOf(metric as MeasuredMetric) : undefined;
}

/** False for losses and performance figures. */
export function largerIsBetter(metric: string): boolean {
  return metricKind(metric)?.largerIsBetter ?? false;
}

/** The possible range of a metric: `[0, 1]` for a fraction, from 0 for losses and errors. */
export function rangeOf(metric: string): { readonly min: number; readonly max: number } {
  const { min, max } = metricKind(metric) ?? ERROR;
  return { min, max };
}

function computedFor(task: Task, name: MeasuredMetric): Computed {
  const computed = kindOf(name).tasks[task];
  if (!computed) throw new Error(`there is no ${name} of ${task}: the config was not checked`);
  return computed;
}

/** @param size number of classes, labels or targets */
export function accumulator(task: Task, name: MeasuredMetric, size: number): Accumulator {
  const computed = computedFor(task, name);
  return 'mean' in computed ? meanOf(computed.mean) : computed.make(size);
}

/** Accumulates several metrics of the same predictions. `values` has those that are defined. */
export function accumulators(task: Task, names: readonly MeasuredMetric[], size: number) {
  const all = names.map(name => [name, accumulator(task, name, size)] as const);
  return {
    add(prediction: Scored): void {
      for (const [, metric] of all) metric.add(prediction);
    },
    get values(): Readonly<Record<string, number>> {
      const defined = all.flatMap(([name, { value }]) => (value === undefined ? [] : [[name, value]]));
      return Object.fromEntries(defined);
    },
  };
}

/** Those of `names` that are available during training. */
export function trainedMetrics(
  task: Task,
  names: readonly MeasuredMetric[],
): readonly (readonly [name: MeasuredMetric, metric: PredictionMetric])[] {
  return names.flatMap(name => {
    const computed = computedFor(task, name);
    return 'mean' in computed ? [[name, computed.mean] as const] : [];
  });
}

// in configs

const either = (names: readonly string[]) => `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
const NAMES = (['train', 'validation', 'test'] as const).flatMap((split): MetricName[] =>
  split === 'train'
    ? (['loss', ...TRAINED] as const).map(metric => `${split}.${metric}` as const)
    : (['loss', ...MEASURED] as const).map(metric => `${split}.${metric}` as const),
);
const form = `SPLIT.METRIC such as test.accuracy; SPLIT is \`train\`, \`validation\` or \`test\`; METRIC is ${either(['loss', ...MEASURED].map(name => `\`${name}\``))}`;
const listed = (['classes', 'labels', 'values', 'sequences'] as const).map(
  task => `For ${task}: ${metricsOfTask(task).join(', ')}.`,
);

export const measuredMetric = choice(MEASURED, {
  name: 'metric',
  description: `A metric. ${listed.join(' ')} mase is for forecasts; coverage, group_coverage, interval_width and set_size are for \`intervals\` and the \`quantile\` loss.`,
  examples: ['accuracy'],
  effects: [],
});

export const metricName = choice(NAMES, {
  name: 'metric_name',
  description: 'A split and a metric of it. docs/reference/metrics.md has the formulas.',
  form,
  examples: ['test.accuracy'],
});

export const gateMetric = choice([...NAMES, ...PERFORMANCE], {
  name: 'gate_metric',
  description:
    'What the gate checks: a metric, or a performance figure, for which smaller is better: `step_ratio`, the median training step divided by the time of a calibration kernel in the same process, which makes it comparable across machines; `ms_per_step`, that step in milliseconds; `peak_rss_mb`, the peak resident memory in MiB.',
  form: `${form}; or ${PERFORMANCE.join(', ')}`,
  required: true,
  examples: ['test.accuracy'],
});
