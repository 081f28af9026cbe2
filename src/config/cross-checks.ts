/** What the schema cannot say: rules between keys, judged on a config that is valid by itself. */
import type { Diagnostic } from '../errors.js';
import { checkFacts, factsOfConfig } from './data-facts.js';
import type { GateConfig, LossConfig, MetricName, PartialExperiment } from './experiment.js';
import type { Locator } from './locator.js';
import { largerIsBetter, metricsOf, rangeOf } from './metrics.js';
import { nearest } from './suggest.js';
import type { Path } from './tree.js';
import { fromPercent } from './value-hints.js';

/** All complaints that need no data, about those sections of a config that are valid by themselves. */
export function crossCheck(experiment: PartialExperiment, locator: Locator): Diagnostic[] {
  const { dataset, gates = [], loss } = experiment;
  return [
    ...(dataset === undefined ? [] : checkFacts(experiment, factsOfConfig(dataset), locator)),
    ...checkCsv(experiment, locator),
    ...checkOptimizer(experiment, locator),
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

/** A metric that the schema knows but that a run with this loss does not report. */
function checkMetric(loss: LossConfig, metric: MetricName, path: Path, locator: Locator): Diagnostic[] {
  const reported = metricsOf(loss);
  if (reported.includes(metric)) return [];
  const message = `${metric} is not reported with loss ${loss.kind}`;
  const suggestion = nearest(metric, reported);
  const more = { expected: reported.join(' | '), ...(suggestion === undefined ? {} : { suggestion }) };
  return [locator.atValue(path, 'config/metric', message, more)];
}

function checkGate(
  loss: LossConfig | undefined,
  gate: GateConfig,
  path: Path,
  locator: Locator,
): Diagnostic[] {
  const found = loss === undefined ? [] : checkMetric(loss, gate.metric, [...path, 'metric'], locator);
  if (gate.min === undefined && gate.max === undefined) {
    found.push(locator.atKey(path, 'config/gate', 'a gate needs a bound', { expected: '`min` or `max`' }));
  }
  if (gate.min !== undefined && gate.max !== undefined && gate.min > gate.max) {
    const message = `no value is at least ${gate.min} and at most ${gate.max}`;
    found.push(locator.atValue([...path, 'max'], 'config/gate', message));
  }
  return [...found, ...checkReach(gate, path, locator)];
}

/** A smaller number is more likely to be a slip of another kind than a bound in per cent. */
const LEAST_PERCENTAGE = 20;

/** A bound outside the metric's range can never be met, such as an accuracy in per cent. */
function checkReach({ metric, min, max }: GateConfig, path: Path, locator: Locator): Diagnostic[] {
  const range = rangeOf(metric);
  if (min !== undefined && min > range.max) {
    const message = `${metric} is never above ${range.max}`;
    const more = { expected: `from ${range.min} to ${range.max}`, got: String(min) };
    const isPercentage = min >= LEAST_PERCENTAGE && min <= 100;
    const suggestion = isPercentage ? { suggestion: String(fromPercent(min)) } : {};
    return [locator.atValue([...path, 'min'], 'config/gate', message, { ...more, ...suggestion })];
  }
  if (max !== undefined && max < range.min) {
    const message = `${metric} is never below ${range.min}`;
    const expected = Number.isFinite(range.max)
      ? `from ${range.min} to ${range.max}`
      : `at least ${range.min}`;
    return [locator.atValue([...path, 'max'], 'config/gate', message, { expected, got: String(max) })];
  }
  return [];
}
