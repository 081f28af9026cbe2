/** What the schema cannot say: rules between keys, judged on a config that is valid by itself. */
import { resolve } from 'node:path';
import { datasetFacts } from '../../data/table.js';
import type { Diagnostic } from '../../util/errors.js';
import type { PartialExperiment } from '../experiment.js';
import { mapPaths } from '../merge/paths.js';
import type { Locator } from '../yaml/locator.js';
import { checkFacts } from './data-facts.js';
import { checkFloats } from './float-checks.js';
import { checkGate, checkMetric, checkSelectingMetric } from './gate-checks.js';
import { largerIsBetter } from './metrics.js';
import { checkModel } from './model-checks.js';
import { checkSchedule } from './schedule-checks.js';

/** All complaints that need no data, about those sections of a config that are valid by themselves. */
export function crossCheck(experiment: PartialExperiment, locator: Locator): Diagnostic[] {
  const { dataset, gates = [] } = experiment;
  return [
    ...(dataset === undefined ? [] : checkFacts(experiment, datasetFacts(dataset), locator)),
    ...checkTestSplit(experiment, locator),
    ...checkLeak(experiment, locator),
    ...checkFiles(experiment, locator),
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

/** The kinds whose test split is a file of its own or a part of the only one. */
function checkTestSplit({ dataset }: PartialExperiment, locator: Locator): Diagnostic[] {
  if (dataset?.kind !== 'csv' && dataset?.kind !== 'jsonl' && dataset?.kind !== 'text') return [];
  const { test_path, test_fraction } = dataset;
  if (test_path === undefined && test_fraction === undefined) {
    const expected = '`test_path`: a second file, or `test_fraction`: a share such as 0.2';
    return [
      locator.atKey(['dataset'], 'config/no-test-split', 'the dataset has no test split', { expected }),
    ];
  }
  if (test_path === undefined || test_fraction === undefined) return [];
  const message = '`test_path` and `test_fraction` exclude each other';
  return [locator.atKey(['dataset', 'test_fraction'], 'config/two-test-splits', message)];
}

/** A target that is also an input needs no model. */
function checkLeak({ dataset }: PartialExperiment, locator: Locator): Diagnostic[] {
  if (dataset?.kind === 'csv') {
    const targets = new Set([dataset.target].flat());
    const found = dataset.features.flatMap((feature, i) => {
      if (!targets.has(feature)) return [];
      const message = `the target column "${feature}" is also a feature`;
      return [locator.atValue(['dataset', 'features', i], 'config/target-leak', message)];
    });
    if (dataset.target_kind !== 'class' || typeof dataset.target === 'string') return found;
    const message = 'classes are read from one column, but `target` lists several';
    const expected = 'the name of one column, or `target_kind: value`';
    return [...found, locator.atValue(['dataset', 'target'], 'config/class-targets', message, { expected })];
  }
  if (dataset?.kind !== 'jsonl' || dataset.input !== dataset.target) return [];
  const message = `the target field "${dataset.target}" is also the input`;
  return [locator.atValue(['dataset', 'input'], 'config/target-leak', message)];
}

/** A file that is two parts of the data would be trained on and tested on. */
function checkFiles({ dataset }: PartialExperiment, locator: Locator): Diagnostic[] {
  const found: Diagnostic[] = [];
  const keys = new Map<string, string>();
  mapPaths({ dataset }, (path, at) => {
    const file = resolve(path);
    const other = keys.get(file);
    const key = at.slice(1).join('.');
    if (other === undefined) keys.set(file, key);
    else {
      const message = `\`${key}\` is the same file as \`${other}\``;
      const expected = 'a file of its own for each split';
      found.push(locator.atValue(at, 'config/same-file', message, { expected }));
    }
    return path;
  });
  return found;
}

function checkValidation({ dataset }: PartialExperiment, locator: Locator): Diagnostic[] {
  if (dataset === undefined) return [];
  const { validation } = dataset;
  const path = ['dataset', 'validation'];
  const found: Diagnostic[] = [];
  if (validation !== undefined && (validation.fraction === undefined) === (validation.count === undefined)) {
    const isBoth = validation.count !== undefined;
    const message = isBoth ? '`fraction` and `count` exclude each other' : 'the validation split has no size';
    const expected = '`fraction`: a share such as 0.1, or `count`: a number such as 5000';
    found.push(
      isBoth
        ? locator.atKey([...path, 'count'], 'config/validation', message)
        : locator.atKey(path, 'config/validation', message, { expected }),
    );
  }
  const files = Object.entries(dataset).flatMap(([key, value]) =>
    key.startsWith('validation_') && value !== false ? [key] : [],
  );
  if (validation !== undefined && files.length > 0) {
    const message = `\`${files[0]}\` and \`validation\` exclude each other`;
    found.push(locator.atKey(path, 'config/two-validation-splits', message));
  }
  if (dataset.kind === 'idx' && files.length === 1) {
    const message = 'validation pictures and their labels are two files';
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

/** Each of `training.metrics` is one of the task of the loss. */
function checkMetrics({ training, loss }: PartialExperiment, locator: Locator): Diagnostic[] {
  const { metrics = [] } = training ?? {};
  if (loss === undefined) return [];
  return metrics.flatMap((metric, i) =>
    checkMetric({ loss }, `test.${metric}`, ['training', 'metrics', i], locator).map(found => ({
      ...found,
      message: `${metric} is no metric of loss ${loss.kind}`,
    })),
  );
}

/** Weights are restored from the best checkpoint, so what is best must mean the same to both. */
function checkEarlyStopping(experiment: PartialExperiment, locator: Locator): Diagnostic[] {
  const { training, checkpoint } = experiment;
  const stopping = training?.early_stopping;
  if (stopping === undefined) return [];
  const path = ['training', 'early_stopping'];
  const found = checkSelectingMetric(experiment, stopping.metric, [...path, 'metric'], locator);
  if (!stopping.restore_best || checkpoint === undefined) return found;
  if (checkpoint.metric !== stopping.metric) {
    const message = `\`restore_best\` takes the best checkpoint by ${checkpoint.metric}, and training stops by ${stopping.metric}`;
    const expected = 'one metric for both, or `restore_best: false`';
    found.push(locator.atValue([...path, 'metric'], 'config/early-stopping', message, { expected }));
  }
  if (checkpoint.keep.best === 0) {
    const message = '`restore_best` needs the best checkpoint, and `checkpoint.keep.best` is 0';
    found.push(locator.atValue(['checkpoint', 'keep', 'best'], 'config/early-stopping', message));
  }
  return found;
}

function checkCheckpoint(experiment: PartialExperiment, locator: Locator): Diagnostic[] {
  const { checkpoint, loss, training } = experiment;
  if (checkpoint === undefined || loss === undefined) return [];
  const { metric, mode } = checkpoint;
  const path = ['checkpoint', 'metric'];
  // one that early stopping decides is complained about there
  const isOwn = locator.isGiven(path) || training?.early_stopping === undefined;
  const found = isOwn ? checkSelectingMetric(experiment, metric, path, locator) : [];
  const better = largerIsBetter(metric) ? 'max' : 'min';
  if (mode !== better) {
    const message = `the best ${metric} is the ${better === 'max' ? 'largest' : 'smallest'}`;
    found.push(
      locator.atValue(['checkpoint', 'mode'], 'config/mode', message, { expected: better, got: mode }),
    );
  }
  return found;
}
