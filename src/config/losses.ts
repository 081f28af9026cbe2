/** What a config's other keys must know of its loss. */
import type { Targets } from '../data/dataset.js';
import type { LossConfig, Metric, MetricName } from './experiment.js';

interface LossFacts {
  /** The targets it takes. */
  readonly target: Targets['kind'];
  /** What an evaluation measures beside the loss. */
  readonly metrics: readonly Metric[];
  /** What decides which checkpoint is the best, unless the config says it. */
  readonly decides: MetricName;
}

/** Typed by the schema: a loss that is forgotten here does not compile. */
const LOSSES: Readonly<Record<LossConfig['kind'], LossFacts>> = {
  cross_entropy: { target: 'class', metrics: ['accuracy'], decides: 'test.accuracy' },
  mse: { target: 'value', metrics: ['mean_absolute_error'], decides: 'test.loss' },
};

export function lossFacts({ kind }: Pick<LossConfig, 'kind'>): LossFacts {
  return LOSSES[kind];
}

/** The loss to suggest for a kind of targets. */
export function lossFor(target: Targets['kind']): LossConfig['kind'] | undefined {
  const kinds = Object.keys(LOSSES) as LossConfig['kind'][];
  return kinds.find(kind => LOSSES[kind].target === target);
}

/** What a run with this loss reports. */
export function metricsOf(loss: Pick<LossConfig, 'kind'>): readonly MetricName[] {
  return ['train.loss', 'test.loss', ...lossFacts(loss).metrics.map(metric => `test.${metric}` as const)];
}

/** The same of a config that may be of another version; none of a loss that is not known. */
export function metricsOfKind(kind: unknown): readonly MetricName[] {
  return typeof kind === 'string' && Object.hasOwn(LOSSES, kind)
    ? metricsOf({ kind: kind as LossConfig['kind'] })
    : [];
}
