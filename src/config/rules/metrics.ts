/** The metrics that a run reports, and what can be said about them without running. */
import type { GateMetricName, Metric, MetricName, TrainedMetric } from '../experiment.js';

interface MetricFacts {
  readonly largerIsBetter: boolean;
  /** The smallest and the largest value that it can have. */
  readonly min: number;
  readonly max: number;
}

const SHARE: MetricFacts = { largerIsBetter: true, min: 0, max: 1 };
const ERROR: MetricFacts = { largerIsBetter: false, min: 0, max: Number.POSITIVE_INFINITY };

/**
 * Typed by the schema: a metric that is forgotten here does not compile. The most telling first.
 */
const FACTS: Readonly<Record<Metric, MetricFacts>> = {
  accuracy: SHARE,
  top_3_accuracy: SHARE,
  top_5_accuracy: SHARE,
  f1: SHARE,
  precision: SHARE,
  recall: SHARE,
  auroc: SHARE,
  average_precision: SHARE,
  mean_absolute_error: ERROR,
  rmse: ERROR,
  r2: { largerIsBetter: true, min: Number.NEGATIVE_INFINITY, max: 1 },
  mase: ERROR,
  // e to a cross-entropy, which is at least 0
  perplexity: { largerIsBetter: false, min: 1, max: Number.POSITIVE_INFINITY },
  bits_per_symbol: ERROR,
  loss: ERROR,
};

const BY_NAME: ReadonlyMap<string, MetricFacts> = new Map(Object.entries(FACTS));

/** What is predicted: one of several classes, several labels that apply or not, or numbers. */
export type Task = 'classes' | 'labels' | 'values';

/** What is measured beside the loss. */
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
 * Those of the training split: means over the predictions of an epoch's batches, as they were
 * trained.
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

/** All names of metrics, those that tell most first. */
export const METRICS: readonly (MetricName & GateMetricName)[] = [
  ...EVALUATED_NAMES.map(metric => `test.${metric}` as const),
  ...EVALUATED_NAMES.map(metric => `validation.${metric}` as const),
  ...TRAINED_NAMES.map(metric => `train.${metric}` as const),
];

/** Whether training measures `metric` as well. */
export function isTrained(metric: MeasuredMetric): metric is Exclude<TrainedMetric, 'loss'> {
  return Object.hasOwn(TRAINED, metric);
}

/** What is known of `SPLIT.METRIC`, or of a metric alone. */
function factsOf(name: string): MetricFacts | undefined {
  return BY_NAME.get(name.slice(name.indexOf('.') + 1));
}

/** Of all that is judged; what training cost should be small. */
export function largerIsBetter(metric: string): boolean {
  return factsOf(metric)?.largerIsBetter ?? false;
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
  const { min, max } = factsOf(metric) ?? ERROR;
  return { min, max };
}
