/** The splits of a config, and its selections by their metrics. */
import { kindOf } from '../data/table.js';
import type {
  DatasetConfig,
  Experiment,
  GateConfig,
  LossConfig,
  MetricName,
  PartialExperiment,
  SplitName,
} from './experiment.js';
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

export interface TestSelection {
  readonly path: Path;
  readonly what: string;
}

/** Selections by the test split; empty if there is a validation split. */
export function testSelections({
  dataset,
  training,
  optimizer,
  checkpoint,
  gates = [],
}: PartialExperiment): TestSelection[] {
  const stopping = training?.early_stopping;
  const schedule = optimizer?.schedule;
  const isSelected = (metric: string | undefined) => metric?.startsWith('test.') === true;
  if (hasValidation(dataset)) return [];
  return [
    ...(isSelected(stopping?.metric)
      ? [{ path: ['training', 'early_stopping'], what: 'the end of training' }]
      : []),
    ...(schedule?.kind === 'plateau' && isSelected(schedule.metric)
      ? [{ path: ['optimizer', 'schedule'], what: 'the learning rate' }]
      : []),
    ...(isSelected(checkpoint?.metric) && hasChoice(training) && (checkpoint?.keep.best ?? 0) > 0
      ? [{ path: ['checkpoint', 'metric'], what: 'the best checkpoint' }]
      : []),
    ...gates.flatMap(({ over, metric }: GateConfig, index) =>
      over === 'best' && isSelected(metric)
        ? [{ path: ['gates', index, 'over'], what: `the value of a gate, the best ${metric}` }]
        : [],
    ),
  ];
}

/** True if there is more than one evaluation to select from. */
function hasChoice(training: Experiment['training'] | undefined): boolean {
  return training !== undefined && (training.num_epochs > 1 || training.evaluate_every !== undefined);
}

/** Note on a value that was measured on the split it was selected on. */
export const OPTIMISTIC = 'selected on the test split: this value is optimistic';
