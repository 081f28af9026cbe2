/** Facts about losses and the metrics that runs with them measure. */
import type { Targets } from '../../data/core/dataset.js';
import type { LossConfig, MetricName, PartialExperiment, SplitName } from '../experiment.js';
import { isTrained, type MeasuredMetric, TASK_METRICS, type Task } from './metrics.js';

interface LossFacts {
  readonly task: Task;
  /** Default metrics of an evaluation besides the loss, the most informative first. */
  readonly metrics: readonly MeasuredMetric[];
  /** Default metric that determines the best checkpoint. */
  readonly selects: MetricName;
}

const VALUES = {
  task: 'values',
  metrics: ['mean_absolute_error', 'rmse'],
  selects: 'test.loss',
} as const satisfies LossFacts;

/**
 * Typed by the schema: a missing loss does not compile. The most common loss of each task first.
 */
const LOSSES: Readonly<Record<LossConfig['kind'], LossFacts>> = {
  cross_entropy: { task: 'classes', metrics: ['accuracy'], selects: 'test.accuracy' },
  mse: VALUES,
  mae: VALUES,
  huber: VALUES,
  quantile: VALUES,
  binary_cross_entropy: { task: 'labels', metrics: ['accuracy', 'f1'], selects: 'test.loss' },
};

/** The kind of targets that each task needs. */
const TARGETS: Readonly<Record<Task, Targets['kind']>> = {
  classes: 'class',
  labels: 'value',
  values: 'value',
};

export function lossFacts({
  kind,
}: Pick<LossConfig, 'kind'>): LossFacts & { readonly target: Targets['kind'] } {
  const facts = LOSSES[kind];
  return { ...facts, target: TARGETS[facts.task] };
}

/** The loss to suggest for a kind of targets. */
export function lossFor(target: Targets['kind']): LossConfig['kind'] | undefined {
  const kinds = Object.keys(LOSSES) as LossConfig['kind'][];
  return kinds.find(kind => TARGETS[LOSSES[kind].task] === target);
}

/** The class label that a loss ignores in addition to -100, if any. */
export function ignoredLabel(loss: LossConfig): number | undefined {
  return loss.kind === 'cross_entropy' ? loss.ignored_index : undefined;
}

/** The keys of a loss that determine the number of outputs. */
type OutputsOfLoss = { readonly kind: LossConfig['kind']; readonly quantiles?: readonly number[] };

/** Number of outputs for a target of the given size: one per number and quantile. */
export function outputsFor({ quantiles = [0] }: OutputsOfLoss, targetSize: number): number {
  return targetSize * quantiles.length;
}

/** Size of a target (its classes or numbers) for the given number of outputs. */
export function targetSize({ quantiles = [0] }: OutputsOfLoss, outputSize: number): number {
  return outputSize / quantiles.length;
}

/** The sections of a config that determine what is measured. */
export type Measuring = Pick<PartialExperiment, 'training' | 'checkpoint' | 'gates'> & {
  readonly loss: Pick<LossConfig, 'kind'>;
};

/**
 * Metrics of an evaluation besides the loss: those that the config lists, or the loss's defaults,
 * and those that a checkpoint, early stopping or a gate uses.
 */
export function measuredMetrics({
  loss,
  training,
  checkpoint,
  gates = [],
}: Measuring): readonly MeasuredMetric[] {
  const { task, metrics } = lossFacts(loss);
  const used = [checkpoint?.metric, training?.early_stopping?.metric, ...gates.map(gate => gate.metric)];
  const named = used.map(name => name?.slice(name.indexOf('.') + 1));
  const needed = TASK_METRICS[task].filter(metric => named.includes(metric));
  return [...new Set([...(training?.metrics ?? metrics), ...needed])];
}

/** All metrics of `splits` that a run with this loss can report. */
export function reportableMetrics(
  loss: Pick<LossConfig, 'kind'>,
  splits: readonly SplitName[],
): readonly MetricName[] {
  return namesOf(TASK_METRICS[lossFacts(loss).task], splits);
}

/** The metrics of `splits` that a run of a config reports. */
export function metricsOf(
  config: Measuring,
  splits: readonly SplitName[] = ['train', 'test'],
): readonly MetricName[] {
  return namesOf(measuredMetrics(config), splits);
}

/**
 * Metrics that runs of all versions with this loss report; empty for an unknown loss.
 */
export function metricsOfKind(kind: unknown): readonly MetricName[] {
  if (typeof kind !== 'string' || !Object.hasOwn(LOSSES, kind)) return [];
  const [first] = LOSSES[kind as LossConfig['kind']].metrics;
  return ['train.loss', 'test.loss', `test.${first}`];
}

function namesOf(metrics: readonly MeasuredMetric[], splits: readonly SplitName[]): MetricName[] {
  return splits.flatMap(split => {
    if (split === 'train')
      return ['loss' as const, ...metrics.filter(isTrained)].map(metric => `train.${metric}` as const);
    return ['loss' as const, ...metrics].map(metric => `${split}.${metric}` as const);
  });
}
