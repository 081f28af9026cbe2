/** Rules between keys that the schema cannot express. They need no data. */
import type { TestPartConfig } from '../data/core/selection.js';
import { datasetFacts, kindOf } from '../data/index.js';
import { taskOf } from '../math/losses/index.js';
import { largerIsBetter, metricsOfTask } from '../math/metrics/index.js';
import { layersOf } from '../math/model/settings.js';
import type { Diagnostic } from '../util/errors.js';
import { checkFacts, warmupOf } from './data-facts.js';
import type { DatasetConfig, LayerConfig, PartialExperiment } from './experiment.js';
import { checkPaths } from './file-checks.js';
import { checkGate, checkMetric } from './gate-checks.js';
import { validationKeys } from './metrics.js';
import type { Locator, Path } from './yaml/tree.js';

type Found = Iterable<Diagnostic>;

export function crossCheck(experiment: PartialExperiment, locator: Locator): Diagnostic[] {
  const { dataset, gates = [] } = experiment;
  return [
    ...(dataset ? checkFacts(experiment, datasetFacts(dataset), locator) : []),
    ...(dataset ? checkDataset(dataset, locator) : []),
    ...checkFloats(experiment, locator),
    ...checkLayers(experiment, locator),
    ...checkOptimizer(experiment, locator),
    ...checkTraining(experiment, locator),
    ...checkCheckpoint(experiment, locator),
    ...gates.flatMap((gate, index) => [...checkGate(experiment, gate, ['gates', index], locator)]),
  ];
}

function* checkDataset(dataset: DatasetConfig, locator: Locator): Found {
  const { test_path, test_fraction } = dataset as Partial<TestPartConfig>;
  if ('test_path' in kindOf(dataset).settings.keys) {
    if (test_path === undefined && test_fraction === undefined) {
      const expected = '`test_path`: a second file, or `test_fraction`, such as 0.2';
      yield locator.atKey(['dataset'], 'config/no-test-split', 'the dataset has no test split', { expected });
    }
    if (test_path !== undefined && test_fraction !== undefined)
      yield locator.atBoth(['dataset', 'test_fraction'], 'config/two-test-splits', 'test_path');
  }
  for (const { keyPath, code, message, ...more } of kindOf(dataset).leaks(dataset))
    yield locator.atValue(keyPath, code, message, more);
  yield* checkPaths(dataset, locator);
  const path = ['dataset', 'validation'];
  const { fraction, count } = dataset.validation ?? {};
  if (dataset.validation && fraction === undefined && count === undefined) {
    const expected = '`fraction`, such as 0.1, or `count`, such as 5000';
    yield locator.atKey(path, 'config/validation', 'the validation split has no size', { expected });
  }
  if (fraction !== undefined && count !== undefined)
    yield locator.atBoth([...path, 'count'], 'config/validation', 'fraction');
  const files = validationKeys(dataset);
  if (dataset.validation && files.length > 0)
    yield locator.atBoth(path, 'config/two-validation-splits', files[0]);
  if (dataset.kind === 'idx' && files.length === 1) {
    const message = 'validation images and labels must both be set';
    yield locator.atKey(['dataset', files[0]], 'config/validation', message);
  }
}

/** The smallest normal float32. Smaller numbers lose precision, and GPUs may flush them to 0. */
const MIN_NORMAL = 2 ** -126;

/**
 * Numbers that kernels do not compute with, or that are computed in float64: rates of a schedule,
 * whose float32 value depends on the step.
 */
const FLOAT64 = /^(gates|checkpoint|training\.early_stopping|optimizer\.schedule\.(?!min_learning_rate))/;

/** Rejects numbers that become 0 or 1 in float32, in which kernels compute: they have no effect. */
function* checkFloats(experiment: PartialExperiment, locator: Locator): Found {
  for (const [path, value] of numbersIn(experiment)) {
    if (FLOAT64.test(path.join('.'))) continue;
    const isZero = value !== 0 && Math.abs(value) < MIN_NORMAL;
    if (!isZero && (value === 1 || Math.fround(value) !== 1)) continue;
    const message = `this number becomes ${isZero ? 0 : 1} in float32`;
    const expected = isZero
      ? `an absolute value of at least ${MIN_NORMAL.toPrecision(3)}`
      : `at most ${1 - 2 ** -24}`;
    yield locator.atValue(path, 'config/float32', message, { expected, got: String(value) });
  }
}

function numbersIn(value: unknown, at: Path = []): (readonly [Path, number])[] {
  if (typeof value === 'number') return [[at, value]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) => numbersIn(one, [...at, key]));
}

function* checkLayers({ model, training }: PartialExperiment, locator: Locator): Found {
  if (model === undefined) return;
  const layers: readonly [LayerConfig, Path][] =
    'layers' in model
      ? model.layers.map((layer, i) => [layer, ['model', 'layers', i]])
      : [[layersOf(model)[0], ['model']]];
  for (const [layer, path] of layers) {
    if (layer.cell !== 'lstm' || layer.projection_size === undefined) continue;
    const { hidden_size, projection_size, layer_norm } = layer;
    if (projection_size >= hidden_size) {
      const message = `\`projection_size\` must be less than \`hidden_size\` (${hidden_size})`;
      const at = [...path, 'projection_size'];
      yield locator.atValue(at, 'config/projection-size', message, { got: String(projection_size) });
    }
    if (layer_norm) yield locator.atBoth([...path, 'layer_norm'], 'config/layer-norm', 'projection_size');
  }
  if (!training?.carry_state) return;
  // row b of a batch can continue row b of the previous one only if the data keep their order
  const reverse = layers.find(([layer]) => layer.bidirectional)?.[1];
  const { shuffle, bucket_by_length, batch_size, eval_batch_size } = training;
  const others: readonly (readonly [isSet: boolean, path: Path, expected: string])[] = [
    [reverse !== undefined, [...(reverse ?? []), 'bidirectional'], 'false'],
    [shuffle, ['training', 'shuffle'], 'false'],
    [bucket_by_length, ['training', 'bucket_by_length'], 'false'],
    [eval_batch_size !== batch_size, ['training', 'eval_batch_size'], String(batch_size)],
  ];
  for (const [isSet, path, expected] of others) {
    if (!isSet) continue;
    const key = path.at(-1);
    const message = `with \`carry_state\`, row b of a batch continues row b of the previous one, so \`${key}\` must be ${expected}`;
    const at = locator.isGiven(path) ? path : ['training', 'carry_state'];
    yield locator.atKey(at, 'config/carry-state', message, { expected: `\`${key}: ${expected}\`` });
  }
}

function* checkOptimizer(experiment: PartialExperiment, locator: Locator): Found {
  const { optimizer } = experiment;
  if (optimizer?.kind === 'sgd' && optimizer.nesterov && optimizer.momentum === 0) {
    const expected = '`momentum` above 0, such as 0.9';
    yield locator.atKey(['optimizer', 'nesterov'], 'config/nesterov', '`nesterov` needs momentum', {
      expected,
    });
  }
  if (optimizer?.schedule === undefined) return;
  const { schedule, learning_rate } = optimizer;
  const path = ['optimizer', 'schedule'];
  if ('min_learning_rate' in schedule && schedule.min_learning_rate > learning_rate) {
    const message = '`min_learning_rate` must not exceed `learning_rate`';
    const more = { expected: `at most ${learning_rate}`, got: String(schedule.min_learning_rate) };
    yield locator.atValue([...path, 'min_learning_rate'], 'config/schedule', message, more);
  }
  if (schedule.kind === 'plateau')
    yield* checkMetric(experiment, schedule.metric, [...path, 'metric'], locator);
  const warmup = warmupOf(schedule);
  if (warmup && warmup.steps === undefined && warmup.epochs === undefined) {
    const expected = '`steps` or `epochs`';
    yield locator.atKey([...path, 'warmup'], 'config/schedule', '`warmup` needs a length', { expected });
  }
  if (warmup?.steps !== undefined && warmup.epochs !== undefined)
    yield locator.atBoth([...path, 'warmup', 'steps'], 'config/schedule', 'epochs');
}

function* checkTraining(experiment: PartialExperiment, locator: Locator): Found {
  const { training, loss, checkpoint } = experiment;
  const known: readonly string[] = loss ? metricsOfTask(taskOf(loss)) : [];
  for (const [i, metric] of (training?.metrics ?? []).entries()) {
    if (loss === undefined || known.includes(metric)) continue;
    const message = `${metric} is not measured with loss ${loss.kind}`;
    const expected = known.join(' | ');
    yield locator.atValue(['training', 'metrics', i], 'config/metric', message, { expected });
  }
  const stopping = training?.early_stopping;
  if (stopping === undefined) return;
  const path = ['training', 'early_stopping', 'metric'];
  yield* checkMetric(experiment, stopping.metric, path, locator);
  if (!stopping.restore_best || checkpoint === undefined) return;
  if (checkpoint.metric !== stopping.metric) {
    const message = `\`restore_best\` restores the best checkpoint by ${checkpoint.metric}, but training stops by ${stopping.metric}`;
    const expected = 'the same metric, or `restore_best: false`';
    yield locator.atValue(path, 'config/early-stopping', message, { expected });
  }
  if (checkpoint.keep.best === 0) {
    const message = '`restore_best` needs a best checkpoint, but `checkpoint.keep.best` is 0';
    yield locator.atValue(['checkpoint', 'keep', 'best'], 'config/early-stopping', message);
  }
}

function* checkCheckpoint(experiment: PartialExperiment, locator: Locator): Found {
  const { checkpoint, loss, training } = experiment;
  if (checkpoint === undefined || loss === undefined) return;
  const { metric, mode } = checkpoint;
  const path = ['checkpoint', 'metric'];
  // a metric inherited from early stopping is reported there
  if (locator.isGiven(path) || training?.early_stopping === undefined)
    yield* checkMetric(experiment, metric, path, locator);
  const expected = largerIsBetter(metric) ? 'max' : 'min';
  if (mode === expected) return;
  const message = `${expected === 'max' ? 'larger' : 'smaller'} values of ${metric} are better`;
  yield locator.atValue(['checkpoint', 'mode'], 'config/mode', message, { expected, got: mode });
}
