/** The metrics that runs report, with their ranges and directions. */
import type { GateMetricName, Metric, MetricName, TrainedMetric } from '../experiment.js';

interface MetricFacts {
  readonly largerIsBetter: boolean;
  /** Smallest and largest possible value. */
  readonly min: number;
  readonly max: number;
}

const FRACTION: MetricFacts = { largerIsBetter: true, min: 0, max: 1 };
const ERROR: MetricFacts = { largerIsBetter: false, min: 0, max: Number.POSITIVE_INFINITY };

/** Typed by the schema: a missing metric does not compile. The most informative first. */
const FACTS: Readonly<Record<Metric, MetricFacts>> = {
  accuracy: FRACTION,
  top_3_accuracy: FRACTION,
  top_5_accuracy: FRACTION,
  f1: FRACTION,
  precision: FRACTION,
  recall: FRACTION,
  auroc: FRACTION,
  average_precision: FRACTION,
  mean_absolute_error: ERROR,
  rmse: ERROR,
  r2: { largerIsBetter: true, min: Number.NEGATIVE_INFINITY, max: 1 },
  mase: ERROR,
  // exp of a cross-entropy, which is at least 0
  perplexity: { largerIsBetter: false, min: 1, max: Number.POSITIVE_INFINITY },
  bits_per_symbol: ERROR,
  loss: ERROR,
};

const BY_NAME: ReadonlyMap<string, MetricFacts> = new Map(Object.entries(FACTS));

/** Kind of prediction: one of several classes, several independent labels, or numbers. */
export type Task = 'classes' | 'labels' | 'values';

/** A metric other than the loss. */
export type MeasuredMetric = Exclude<Metric, 'loss'>;

/** The metrics of each task. */
export const TASK_METRICS = {
  classes: [
    'accuracy',
    'top_3_accuracy',
    'top_5_accuracy',
    'precision',
    'recall',
    'f1',
    'auroc',
    'average_precision',
    'perplexity',
    'bits_per_symbol',
  ],
  labels: ['accuracy', 'precision', 'recall', 'f1', 'auroc', 'average_precision'],
  values: ['mean_absolute_error', 'rmse', 'r2', 'mase'],
} as const satisfies Readonly<Record<Task, readonly MeasuredMetric[]>>;

export type ClassesMetric = (typeof TASK_METRICS)['classes'][number];
export type LabelsMetric = (typeof TASK_METRICS)['labels'][number];
export type ValuesMetric = (typeof TASK_METRICS)['values'][number];

/**
 * Metrics of the training split: means over the predictions of an epoch's batches during training.
 */
const TRAINED: Readonly<Record<TrainedMetric, true>> = {
  accuracy: true,
  top_3_accuracy: true,
  top_5_accuracy: true,
  mean_absolute_error: true,
  loss: true,
};

const [EVALUATED_NAMES, TRAINED_NAMES] = [
  Object.keys(FACTS) as Metric[],
  Object.keys(TRAINED) as TrainedMetric[],
];

/** All names of metrics, the most informative first. */
export const METRICS: readonly (MetricName & GateMetricName)[] = [
  ...EVALUATED_NAMES.map(metric => `test.${metric}` as const),
  ...EVALUATED_NAMES.map(metric => `validation.${metric}` as const),
  ...TRAINED_NAMES.map(metric => `train.${metric}` as const),
];

/** True if training also measures `metric`. */
export function isTrained(metric: MeasuredMetric): metric is Exclude<TrainedMetric, 'loss'> {
  return Object.hasOwn(TRAINED, metric);
}

/** @param name `SPLIT.METRIC`, or a metric alone */
function factsOf(name: string): MetricFacts | undefined {
  return BY_NAME.get(name.slice(name.indexOf('.') + 1));
}

/** False for performance figures. */
export function largerIsBetter(metric: string): boolean {
  return factsOf(metric)?.largerIsBetter ?? false;
}

/** Performance figures, which every run reports. */
export const PERFORMANCE = [
  'performance.step_ratio',
  'performance.ms_per_step',
  'performance.peak_rss_mb',
] as const satisfies readonly GateMetricName[];

export function isPerformance(metric: string): boolean {
  return PERFORMANCE.some(one => one === metric);
}

/** The possible range of a metric: `[0, 1]` for a fraction, from 0 for losses and errors. */
export function rangeOf(metric: GateMetricName): { readonly min: number; readonly max: number } {
  const { min, max } = factsOf(metric) ?? ERROR;
  return { min, max };
}
