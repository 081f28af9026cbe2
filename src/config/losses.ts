/** Which metrics a config measures. */
import { losses, lossKind } from '../math/losses/index.js';
import {
  defaultMetrics,
  isTrained,
  type MeasuredMetric,
  metricsOfTask,
  TASKS,
} from '../math/metrics/index.js';
import type { LossConfig, MetricName, PartialExperiment, SplitName } from './experiment.js';

/** The loss to suggest for a kind of targets. */
export function lossFor(target: 'class' | 'value'): LossConfig['kind'] | undefined {
  const kinds = Object.keys(losses) as LossConfig['kind'][];
  const task = Object.entries(TASKS).find(([, facts]) => facts.target === target)?.[0];
  return kinds.find(kind => lossKind({ kind }).task === task);
}

export function ignoredLabel(loss: LossConfig): number | undefined {
  return loss.kind === 'cross_entropy' ? loss.ignored_index : undefined;
}

export type Measuring = Pick<PartialExperiment, 'training' | 'checkpoint' | 'gates'> & {
  readonly loss: Pick<LossConfig, 'kind'>;
};

/** Besides the loss: the listed ones, or those of the task, and those that something uses. */
export function measuredMetrics({
  loss,
  training,
  checkpoint,
  gates = [],
}: Measuring): readonly MeasuredMetric[] {
  const { task } = lossKind(loss);
  const used = [checkpoint?.metric, training?.early_stopping?.metric, ...gates.map(gate => gate.metric)];
  const named = used.map(name => name?.slice(name.indexOf('.') + 1));
  const needed = metricsOfTask(task).filter(metric => named.includes(metric));
  return [...new Set([...(training?.metrics ?? defaultMetrics(task)), ...needed])];
}

export function reportableMetrics(
  loss: Pick<LossConfig, 'kind'>,
  splits: readonly SplitName[],
): readonly MetricName[] {
  return namesOf(metricsOfTask(lossKind(loss).task), splits);
}

export function metricsOf(
  config: Measuring,
  splits: readonly SplitName[] = ['train', 'test'],
): readonly MetricName[] {
  return namesOf(measuredMetrics(config), splits);
}

/** Metrics that all runs with this loss report; empty for an unknown loss. */
export function metricsOfKind(kind: unknown): readonly MetricName[] {
  if (typeof kind !== 'string' || !Object.hasOwn(losses, kind)) return [];
  const [first] = defaultMetrics(lossKind({ kind: kind as LossConfig['kind'] }).task);
  return ['train.loss', 'test.loss', `test.${first}`];
}

function namesOf(metrics: readonly MeasuredMetric[], splits: readonly SplitName[]): MetricName[] {
  return splits.flatMap(split => {
    if (split === 'train')
      return ['loss' as const, ...metrics.filter(isTrained)].map(metric => `train.${metric}` as const);
    return ['loss' as const, ...metrics].map(metric => `${split}.${metric}` as const);
  });
}
