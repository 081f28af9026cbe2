/** What a config's other keys must know of its loss. */
import type { Targets } from '../../data/dataset.js';
import type { LossConfig, MetricName, PartialExperiment, SplitName } from '../experiment.js';
import { isTrained, type MeasuredMetric, TASK_METRICS, type Task } from './metrics.js';

interface LossFacts {
  readonly task: Task;
  /**
   * What an evaluation measures beside the loss, unless the config says it; the most telling first.
   */
  readonly metrics: readonly MeasuredMetric[];
  /** What decides which checkpoint is the best, unless the config says it. */
  readonly decides: MetricName;
}

const VALUES = {
  task: 'values',
  metrics: ['mean_absolute_error', 'rmse'],
  decides: 'test.loss',
} as const satisfies LossFacts;

/**
 * Typed by the schema: a loss that is forgotten here does not compile. Of each task the most usual
 * first.
 */
const LOSSES: Readonly<Record<LossConfig['kind'], LossFacts>> = {
  cross_entropy: { task: 'classes', metrics: ['accuracy'], decides: 'test.accuracy' },
  mse: VALUES,
  mae: VALUES,
  huber: VALUES,
  quantile: VALUES,
  binary_cross_entropy: { task: 'labels', metrics: ['accuracy', 'f1'], decides: 'test.loss' },
};

/** The targets of a dataset that each task takes. */
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

/** The class label that a loss ignores, besides -100; undefined if it has none. */
export function ignoredLabel(loss: LossConfig): number | undefined {
  return loss.kind === 'cross_entropy' ? loss.ignored_index : undefined;
}

/** A loss as far as it decides how many outputs a model has. */
type OutputsOfLoss = { readonly kind: LossConfig['kind']; readonly quantiles?: readonly number[] };

/** How many outputs the model needs for the given size of a target. */
export function outputsFor({ quantiles = [0] }: OutputsOfLoss, targetSize: number): number {
  return targetSize * quantiles.length;
}

/** The size of a target (its classes or numbers) for the given number of outputs. */
export function targetSize({ quantiles = [0] }: OutputsOfLoss, outputSize: number): number {
  return outputSize / quantiles.length;
}

/** What of a config decides what is measured. */
export type Measuring = Pick<PartialExperiment, 'training' | 'checkpoint' | 'gates'> & {
  readonly loss: Pick<LossConfig, 'kind'>;
};

/**
 * What an evaluation measures beside the loss: what the config lists, or what is usual for its
 * loss, and then whatever a checkpoint, early stopping or a gate goes by.
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

/** Everything that a run with this loss can report of `splits`. */
export function reportableMetrics(
  loss: Pick<LossConfig, 'kind'>,
  splits: readonly SplitName[],
): readonly MetricName[] {
  return namesOf(TASK_METRICS[lossFacts(loss).task], splits);
}

/** What a run of a config reports of `splits`. */
export function metricsOf(
  config: Measuring,
  splits: readonly SplitName[] = ['train', 'test'],
): readonly MetricName[] {
  return namesOf(measuredMetrics(config), splits);
}

/**
 * The least that a run with a loss reports that may be of another version; none if it is not known.
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
