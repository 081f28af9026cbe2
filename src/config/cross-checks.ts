/** What the schema cannot say: rules between keys, judged on a config that is valid by itself. */
import { datasetFacts } from '../data/table.js';
import type { Diagnostic } from '../errors.js';
import { checkFacts } from './data-facts.js';
import type { PartialExperiment } from './experiment.js';
import { checkGate, checkMetric } from './gate-checks.js';
import type { Locator } from './locator.js';
import { largerIsBetter } from './metrics.js';
import { checkModel } from './model-checks.js';
import { checkSchedule } from './schedule-checks.js';

/** All complaints that need no data, about those sections of a config that are valid by themselves. */
export function crossCheck(experiment: PartialExperiment, locator: Locator): Diagnostic[] {
  const { dataset, gates = [], loss } = experiment;
  return [
    ...(dataset === undefined ? [] : checkFacts(experiment, datasetFacts(dataset), locator)),
    ...checkCsv(experiment, locator),
    ...checkModel(experiment, locator),
    ...checkOptimizer(experiment, locator),
    ...checkSchedule(experiment, locator),
    ...checkCheckpoint(experiment, locator),
    ...gates.flatMap((gate, index) => checkGate(loss, gate, ['gates', index], locator)),
  ];
}

function checkCsv({ dataset }: PartialExperiment, locator: Locator): Diagnostic[] {
  if (dataset?.kind !== 'csv') return [];
  const found: Diagnostic[] = [];
  if (dataset.test_path === undefined && dataset.test_fraction === undefined) {
    const expected = '`test_path`: a second table, or `test_fraction`: a share such as 0.2';
    found.push(
      locator.atKey(['dataset'], 'config/no-test-split', 'the dataset has no test split', { expected }),
    );
  }
  if (dataset.test_path !== undefined && dataset.test_fraction !== undefined) {
    const message = '`test_path` and `test_fraction` exclude each other';
    found.push(locator.atKey(['dataset', 'test_fraction'], 'config/two-test-splits', message));
  }
  const leak = dataset.features.indexOf(dataset.target);
  if (leak >= 0) {
    const message = `the target column "${dataset.target}" is also a feature`;
    found.push(locator.atValue(['dataset', 'features', leak], 'config/target-leak', message));
  }
  return found;
}

function checkOptimizer({ optimizer }: PartialExperiment, locator: Locator): Diagnostic[] {
  if (optimizer?.kind !== 'sgd' || !optimizer.nesterov || optimizer.momentum > 0) return [];
  const more = { expected: '`momentum` above 0, such as 0.9' };
  return [locator.atKey(['optimizer', 'nesterov'], 'config/nesterov', '`nesterov` needs momentum', more)];
}

function checkCheckpoint({ checkpoint, loss }: PartialExperiment, locator: Locator): Diagnostic[] {
  if (checkpoint === undefined || loss === undefined) return [];
  const { metric, mode } = checkpoint;
  const found = checkMetric(loss, metric, ['checkpoint', 'metric'], locator);
  const better = largerIsBetter(metric) ? 'max' : 'min';
  if (mode !== better) {
    const message = `the best ${metric} is the ${better === 'max' ? 'largest' : 'smallest'}`;
    found.push(
      locator.atValue(['checkpoint', 'mode'], 'config/mode', message, { expected: better, got: mode }),
    );
  }
  return found;
}
