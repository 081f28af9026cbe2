/** The splits of a config, and its selections by their metrics. */
import { kindOf } from '../data/table.js';
import type { DatasetConfig, LossConfig, MetricName, PartialExperiment, SplitName } from './experiment.js';
import { reportableMetrics } from './losses.js';
import type { Path } from './yaml/tree.js';

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

/** Training metrics are returned unchanged. */
export function onValidation(metric: MetricName): MetricName {
  return metric.replace(/^test\./, 'validation.') as MetricName;
}

export function splitsOf(dataset: DatasetConfig | undefined): readonly SplitName[] {
  return hasValidation(dataset) ? ['train', 'validation', 'test'] : ['train', 'test'];
}

export function possibleMetrics(loss: LossConfig, dataset: DatasetConfig | undefined): readonly MetricName[] {
  return reportableMetrics(loss, splitsOf(dataset));
}

/** Metrics that a run can select by, because it measures them repeatedly during training. */
export function selectingMetrics(
  loss: LossConfig,
  dataset: DatasetConfig | undefined,
): readonly MetricName[] {
  return reportableMetrics(loss, ['train', hasValidation(dataset) ? 'validation' : 'test']);
}

interface TestSelection {
  /** The key that requests it. */
  readonly path: Path;
  /** The selected thing, as the subject of a sentence. */
  readonly what: string;
}

/** Selections by the test split; empty if there is a validation split. */
export function testSelections(config: PartialExperiment): TestSelection[] {
  const { dataset, training, optimizer, checkpoint, gates = [] } = config;
  if (hasValidation(dataset)) return [];
  const schedule = optimizer?.schedule;
  // only of several evaluations one is the best
  const hasChoice = training && (training.num_epochs > 1 || training.evaluate_every !== undefined);
  const hasBest = hasChoice && (checkpoint?.keep.best ?? 0) > 0;
  const selections: readonly (readonly [metric: string | undefined, path: Path, what: string])[] = [
    [training?.early_stopping?.metric, ['training', 'early_stopping'], 'the end of training'],
    [
      schedule?.kind === 'plateau' ? schedule.metric : undefined,
      ['optimizer', 'schedule'],
      'the learning rate',
    ],
    [hasBest ? checkpoint?.metric : undefined, ['checkpoint', 'metric'], 'the best checkpoint'],
    ...gates.flatMap(({ over, metric }, index) => {
      const path = ['gates', index, 'over'];
      return over === 'best' ? [[metric, path, `the value of a gate, the best ${metric}`] as const] : [];
    }),
  ];
  return selections.flatMap(([metric, path, what]) => (metric?.startsWith('test.') ? [{ path, what }] : []));
}

/** Note on a value that was measured on the split it was selected on. */
export const OPTIMISTIC = 'selected on the test split: this value is optimistic';
