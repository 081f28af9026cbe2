/** What a config's other keys must know of its loss. */
import type { Targets } from '../data/dataset.js';
import type { LossConfig, MetricName } from './experiment.js';

interface LossFacts {
  /** The targets it takes. */
  readonly target: Targets['kind'];
  /** The metric of the test split that is reported beside the loss. */
  readonly metric: MetricName;
  /** What decides which checkpoint is the best, unless the config says it. */
  readonly decides: MetricName;
}

/** Typed by the schema: a loss that is forgotten here does not compile. */
const LOSSES: Readonly<Record<LossConfig['kind'], LossFacts>> = {
  cross_entropy: { target: 'class', metric: 'test.accuracy', decides: 'test.accuracy' },
  mse: { target: 'value', metric: 'test.mean_absolute_error', decides: 'test.loss' },
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
  return ['train.loss', 'test.loss', lossFacts(loss).metric];
}

/** The same of a config that may be of another version; none of a loss that is not known. */
export function metricsOfKind(kind: unknown): readonly MetricName[] {
  return typeof kind === 'string' && Object.hasOwn(LOSSES, kind)
    ? metricsOf({ kind: kind as LossConfig['kind'] })
    : [];
}
