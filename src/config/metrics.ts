/** The splits of a config, the metrics that it measures on them, and its selections by metrics. */

import { hasRandomSplit, type TestPartConfig } from '../data/core/held-out.js';
import { kindOf } from '../data/kinds.js';
import { losses, lossFor, lossKind, outputsPerNumber, taskOf } from '../math/losses/index.js';
import { isOfIntervals, isTrained, type MeasuredMetric, metricsOfTask } from '../math/metrics/index.js';
import { taskFacts } from '../tasks/facts.js';
import type {
  DatasetConfig,
  LossConfig,
  MetricName,
  PartialExperiment,
  SplitName,
} from './schema/experiment.js';
import type { Path } from './yaml/tree.js';

type Kind = Parameters<typeof taskOf>[0];

export function hasValidation(dataset: DatasetConfig | undefined): boolean {
  return dataset !== undefined && (dataset.validation !== undefined || validationKeys(dataset).length > 0);
}

/** The keys that are set and define a validation split apart from `validation`. */
export function validationKeys(dataset: DatasetConfig): readonly string[] {
  const values: Readonly<Record<string, unknown>> = { ...dataset };
  return Object.keys(kindOf(dataset).settings.keys).filter(
    key => /^validation_|_validation$/.test(key) && (values[key] ?? false) !== false,
  );
}

/** False for a final model, which is trained on what the folds tested. */
export function hasTest(dataset: DatasetConfig | undefined): boolean {
  return (dataset as TestPartConfig | undefined)?.test?.fold !== 0;
}

export function splitsOf(dataset: DatasetConfig | undefined): readonly SplitName[] {
  const validation = hasValidation(dataset) ? (['validation'] as const) : [];
  return ['train', ...validation, ...(hasTest(dataset) ? (['test'] as const) : [])];
}

/** `seed` of a dataset with random splits; null if it is not set, undefined without such splits. */
export function splitSeedOf(dataset: DatasetConfig): number | 'run' | null | undefined {
  const { isGenerated, dividesItself } = kindOf(dataset);
  const isDrawn = !isGenerated && !dividesItself && hasRandomSplit(dataset);
  const seed = 'seed' in dataset ? dataset.seed : undefined;
  return isDrawn ? (seed ?? null) : undefined;
}

type Measuring = Pick<
  PartialExperiment,
  'training' | 'checkpoint' | 'gates' | 'model' | 'calibrate' | 'intervals'
> & {
  readonly loss: Kind;
};

/** @param intervals of the config, if it has any */
export function metricsOfLoss(loss: Kind, intervals?: object): readonly MeasuredMetric[] {
  // the probability of a labelling is no product over its symbols
  const all = metricsOfTask(taskOf(loss)).filter(
    metric => metric !== 'bits_per_symbol' || loss.kind !== 'ctc',
  );
  return intervals || outputsPerNumber(loss) > 1 ? all : all.filter(metric => !isOfIntervals(metric));
}

const OF_CALIBRATION: readonly string[] = ['log_loss', 'brier_score', 'calibration_error'];

/**
 * Besides the loss: the listed ones, or those of the task; those of `intervals`, and those that
 * something uses.
 */
export function measuredMetrics(config: Measuring): readonly MeasuredMetric[] {
  const { training, checkpoint, gates = [], calibrate, intervals } = config;
  const loss = lossFor(config.loss, config.model);
  const used = [checkpoint?.metric, training?.early_stopping?.metric, ...gates.map(gate => gate.metric)];
  const named = used.map(name => name?.slice(name.indexOf('.') + 1));
  const possible = metricsOfLoss(loss, intervals);
  const ofIntervals = possible.filter(metric => isOfIntervals(metric) && metric !== 'group_coverage');
  const needed = possible.filter(metric => named.includes(metric));
  const unless = [
    ...taskFacts[taskOf(loss)].metrics,
    ...possible.filter(metric => calibrate && OF_CALIBRATION.includes(metric)),
    ...ofIntervals,
  ];
  // whoever asks for intervals wants to know what they cover
  return [...new Set([...(training?.metrics ?? unless), ...(intervals ? ofIntervals : []), ...needed])];
}

export function metricsOf(
  config: Measuring,
  splits: readonly SplitName[] = ['train', 'test'],
): readonly MetricName[] {
  return namesOf(measuredMetrics(config), splits);
}

export function possibleMetrics(
  loss: Kind,
  dataset: DatasetConfig | undefined,
  intervals?: object,
): readonly MetricName[] {
  return namesOf(metricsOfLoss(loss, intervals), splitsOf(dataset));
}

/** Metrics that a run can select by, because it measures them repeatedly during training. */
export function selectingMetrics(loss: Kind, dataset: DatasetConfig | undefined): readonly MetricName[] {
  const splits = splitsOf(dataset);
  return namesOf(metricsOfLoss(loss), hasValidation(dataset) ? splits.slice(0, 2) : splits);
}

/** Metrics that all runs with this loss report; empty for an unknown loss. */
export function metricsOfKind(kind: unknown): readonly MetricName[] {
  if (typeof kind !== 'string' || !Object.hasOwn(losses, kind)) return [];
  const [first] = taskFacts[lossKind({ kind: kind as LossConfig['kind'] }).task].metrics;
  return ['train.loss', 'test.loss', `test.${first}`];
}

function namesOf(metrics: readonly MeasuredMetric[], splits: readonly SplitName[]): MetricName[] {
  return splits.flatMap(split => {
    if (split === 'train')
      return ['loss' as const, ...metrics.filter(isTrained)].map(metric => `train.${metric}` as const);
    return ['loss' as const, ...metrics].map(metric => `${split}.${metric}` as const);
  });
}

/** Selections by the test split; empty if there is a validation split. */
export function testSelections(config: PartialExperiment) {
  const { dataset, training, optimizer, checkpoint, gates = [] } = config;
  if (hasValidation(dataset)) return [];
  const { schedule } = optimizer ?? {};
  // only of several evaluations one is the best
  const hasChoice = training && (training.num_epochs > 1 || training.evaluate_every !== undefined);
  const hasBest = hasChoice && (checkpoint?.keep.best ?? 0) > 0;
  const rate = schedule?.kind === 'plateau' ? schedule.metric : undefined;
  /** The metric, the key that asks for it, and what it selects, as the subject of a sentence. */
  const selections: readonly (readonly [metric: string | undefined, path: Path, what: string])[] = [
    [training?.early_stopping?.metric, ['training', 'early_stopping'], 'the end of training'],
    [rate, ['optimizer', 'schedule'], 'the learning rate'],
    [hasBest ? checkpoint?.metric : undefined, ['checkpoint', 'metric'], 'the best checkpoint'],
    ...gates.map(({ over, metric }, index) => {
      const best = over === 'best' ? metric : undefined;
      return [best, ['gates', index, 'over'], `the value of a gate, the best ${metric}`] as const;
    }),
  ];
  return selections.flatMap(([metric, path, what]) => (metric?.startsWith('test.') ? [{ path, what }] : []));
}
