/** Rules between keys that the schema cannot express. They need no data. */
import type { TestPartConfig } from '../data/core/selection.js';
import { datasetFacts, kindOf } from '../data/table.js';

import { largerIsBetter } from '../math/metrics/index.js';
import type { Diagnostic } from '../util/errors.js';
import { checkFacts } from './data-facts.js';
import type { PartialExperiment } from './experiment.js';
import { checkPaths } from './file-checks.js';
import { checkGate, checkMetric, checkSelectingMetric } from './gate-checks.js';
import { checkModel } from './model-checks.js';
import { checkSchedule } from './schedule-checks.js';
import { schemaAt } from './schema/walk.js';
import { validationKeys } from './splits.js';
import type { Locator } from './yaml/locator.js';
import type { Path } from './yaml/tree.js';

/** Checks the sections of a config that are valid against the schema. */
export function crossCheck(experiment: PartialExperiment, locator: Locator): Diagnostic[] {
  const { dataset, gates = [] } = experiment;
  return [
    ...(dataset === undefined ? [] : checkFacts(experiment, datasetFacts(dataset), locator)),
    ...checkTestSplit(experiment, locator),
    ...checkLeak(experiment, locator),
    ...checkPaths(experiment, locator),
    ...checkValidation(experiment, locator),
    ...checkFloats(experiment, locator),
    ...checkModel(experiment, locator),
    ...checkOptimizer(experiment, locator),
    ...checkMetrics(experiment, locator),
    ...checkSchedule(experiment, locator),
    ...checkEarlyStopping(experiment, locator),
    ...checkCheckpoint(experiment, locator),
    ...gates.flatMap((gate, index) => checkGate(experiment, gate, ['gates', index], locator)),
  ];
}

/** Checks datasets whose test split is a separate file or a fraction of the only file. */
function checkTestSplit({ dataset }: PartialExperiment, locator: Locator): Diagnostic[] {
  if (dataset === undefined || !('test_path' in kindOf(dataset).settings.keys)) return [];
  const { test_path, test_fraction } = dataset as Partial<TestPartConfig>;
  if (test_path === undefined && test_fraction === undefined) {
    const expected = '`test_path`: a second file, or `test_fraction`, such as 0.2';
    return [
      locator.atKey(['dataset'], 'config/no-test-split', 'the dataset has no test split', { expected }),
    ];
  }
  if (test_path === undefined || test_fraction === undefined) return [];
  const message = '`test_path` and `test_fraction` cannot be combined';
  return [locator.atKey(['dataset', 'test_fraction'], 'config/two-test-splits', message)];
}

function checkLeak({ dataset }: PartialExperiment, locator: Locator): Diagnostic[] {
  const found = dataset === undefined ? [] : kindOf(dataset).leaks(dataset);
  return found.map(({ keyPath, code, message, ...more }) => locator.atValue(keyPath, code, message, more));
}

function checkValidation({ dataset }: PartialExperiment, locator: Locator): Diagnostic[] {
  if (dataset === undefined) return [];
  const { validation } = dataset;
  const path = ['dataset', 'validation'];
  const found: Diagnostic[] = [];
  if (validation !== undefined && (validation.fraction === undefined) === (validation.count === undefined)) {
    const isBoth = validation.count !== undefined;
    const message = isBoth ? '`fraction` and `count` cannot be combined' : 'the validation split has no size';
    const expected = '`fraction`, such as 0.1, or `count`, such as 5000';
    found.push(
      isBoth
        ? locator.atKey([...path, 'count'], 'config/validation', message)
        : locator.atKey(path, 'config/validation', message, { expected }),
    );
  }
  const files = validationKeys(dataset);
  if (validation !== undefined && files.length > 0) {
    const message = `\`${files[0]}\` and \`validation\` cannot be combined`;
    found.push(locator.atKey(path, 'config/two-validation-splits', message));
  }
  if (dataset.kind === 'idx' && files.length === 1) {
    const message = 'validation images and labels must both be set';
    const expected = '`validation_images` and `validation_labels`';
    found.push(locator.atKey(['dataset', files[0]], 'config/validation', message, { expected }));
  }
  return found;
}

function checkOptimizer({ optimizer }: PartialExperiment, locator: Locator): Diagnostic[] {
  if (optimizer?.kind !== 'sgd' || !optimizer.nesterov || optimizer.momentum > 0) return [];
  const more = { expected: '`momentum` above 0, such as 0.9' };
  return [locator.atKey(['optimizer', 'nesterov'], 'config/nesterov', '`nesterov` needs momentum', more)];
}

/** `training.metrics` must fit the task of the loss. */
function checkMetrics({ training, loss }: PartialExperiment, locator: Locator): Diagnostic[] {
  const { metrics = [] } = training ?? {};
  if (loss === undefined) return [];
  return metrics.flatMap((metric, i) =>
    checkMetric({ loss }, `test.${metric}`, ['training', 'metrics', i], locator).map(found => ({
      ...found,
      message: `${metric} is not a metric of loss ${loss.kind}`,
    })),
  );
}

/** `restore_best` restores the best checkpoint, so both must use the same metric. */
function checkEarlyStopping(experiment: PartialExperiment, locator: Locator): Diagnostic[] {
  const { training, checkpoint } = experiment;
  const stopping = training?.early_stopping;
  if (stopping === undefined) return [];
  const path = ['training', 'early_stopping'];
  const found = checkSelectingMetric(experiment, stopping.metric, [...path, 'metric'], locator);
  if (!stopping.restore_best || checkpoint === undefined) return found;
  if (checkpoint.metric !== stopping.metric) {
    const message = `\`restore_best\` restores the best checkpoint by ${checkpoint.metric}, but training stops by ${stopping.metric}`;
    const expected = 'the same metric, or `restore_best: false`';
    found.push(locator.atValue([...path, 'metric'], 'config/early-stopping', message, { expected }));
  }
  if (checkpoint.keep.best === 0) {
    const message = '`restore_best` needs a best checkpoint, but `checkpoint.keep.best` is 0';
    found.push(locator.atValue(['checkpoint', 'keep', 'best'], 'config/early-stopping', message));
  }
  return found;
}

function checkCheckpoint(experiment: PartialExperiment, locator: Locator): Diagnostic[] {
  const { checkpoint, loss, training } = experiment;
  if (checkpoint === undefined || loss === undefined) return [];
  const { metric, mode } = checkpoint;
  const path = ['checkpoint', 'metric'];
  // a metric inherited from early stopping is reported there
  const isOwn = locator.isGiven(path) || training?.early_stopping === undefined;
  const found = isOwn ? checkSelectingMetric(experiment, metric, path, locator) : [];
  const better = largerIsBetter(metric) ? 'max' : 'min';
  if (mode !== better) {
    const message = `${better === 'max' ? 'larger' : 'smaller'} values of ${metric} are better`;
    found.push(
      locator.atValue(['checkpoint', 'mode'], 'config/mode', message, { expected: better, got: mode }),
    );
  }
  return found;
}

/** The smallest normal float32. Smaller numbers lose precision, and GPUs may flush them to 0. */
const MIN_NORMAL = 2 ** -126;

/**
 * Rejects numbers that float32, in which kernels compute, rounds to 0 or 1: they would have no
 * effect.
 */
function checkFloats(experiment: PartialExperiment, locator: Locator): Diagnostic[] {
  const { dataset, optimizer, training, model, loss } = experiment;
  // rates of a schedule are computed in float64; their float32 value depends on the step
  const { schedule = {}, ...steps } = optimizer ?? {};
  const { test_fraction, validation }: { test_fraction?: unknown; validation?: unknown } = dataset ?? {};
  const numbers = [
    // no data are so large that such a fraction of them means anything
    ...numbersIn({ test_fraction, validation }, ['dataset']),
    ...('min_learning_rate' in schedule
      ? numbersIn(schedule.min_learning_rate, ['optimizer', 'schedule', 'min_learning_rate'])
      : []),
    ...numbersIn(steps, ['optimizer']),
    ...numbersIn(training?.gradient_clip_norm, ['training', 'gradient_clip_norm']),
    ...numbersIn(training?.average, ['training', 'average']),
    ...numbersIn(model, ['model']),
    ...numbersIn(loss, ['loss']),
  ];
  return numbers.flatMap(([path, value]) => {
    const becomes = inFloat32(value);
    if (becomes === undefined) return [];
    const message = `this number becomes ${becomes} in float32`;
    const isAbove0 = schemaAt(path, experiment)?.exclusiveMinimum === 0;
    const least = `${isAbove0 ? 'a number' : '0, or an absolute value'} of at least ${MIN_NORMAL.toPrecision(3)}`;
    const expected = becomes === 0 ? least : `at most ${1 - 2 ** -24}`;
    return [locator.atValue(path, 'config/float32', message, { expected, got: String(value) })];
  });
}

/** Returns 0 or 1 if float32 rounds a different number to it; undefined otherwise. */
function inFloat32(value: number): 0 | 1 | undefined {
  if (value !== 0 && Math.abs(value) < MIN_NORMAL) return 0;
  return value !== 1 && Math.fround(value) === 1 ? 1 : undefined;
}

/** All numbers in `value` with their paths. `at` is the path of `value`. */
function numbersIn(value: unknown, at: Path): (readonly [Path, number])[] {
  if (typeof value === 'number') return [[at, value]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) =>
    numbersIn(one, [...at, Array.isArray(value) ? Number(key) : key]),
  );
}
