/**
 * Rules between keys that the schema cannot express, and rules about data: as the kind of dataset
 * implies them and, once read, as they are.
 */

import type { DatasetFacts } from '../data/core/dataset.js';
import { type HeldOutConfig, isHeldOut, type TestPartConfig } from '../data/core/held-out.js';
import { IGNORED, type PlacedLabel } from '../data/core/targets.js';
import { datasetFacts, kindOf } from '../data/kinds.js';
import { lossFor, outputsPerNumber, taskOf } from '../math/losses/index.js';
import { hasTrivial, isPerformance, largerIsBetter, rangeOf } from '../math/metrics/index.js';
import { predictsEachStep } from '../math/model/heads.js';
import { layersOf } from '../math/model/settings.js';
import type { Fit } from '../tasks/core/facts.js';
import { taskFacts, tasksWith, usualTask } from '../tasks/facts.js';
import type { Diagnostic } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import type { Shape } from '../util/schema.js';
import { counted } from '../util/words.js';
import { checkPaths } from './file-checks.js';
import {
  hasValidation,
  metricsOfLoss,
  possibleMetrics,
  selectingMetrics,
  validationKeys,
} from './metrics.js';
import type {
  DatasetConfig,
  Experiment,
  GateConfig,
  GateMetricName,
  LayerConfig,
  PartialExperiment,
  ScheduleConfig,
} from './schema/experiment.js';
import { fromPercent } from './schema-errors.js';
import type { Locator, Path } from './yaml/tree.js';

type Found = Iterable<Diagnostic>;

export function crossCheck(experiment: PartialExperiment, locator: Locator): Diagnostic[] {
  const { dataset, gates = [] } = experiment;
  return [
    ...(dataset ? checkFacts(experiment, datasetFacts(dataset), locator) : []),
    ...(dataset ? checkDataset(dataset, locator) : []),
    ...checkFolds(experiment, locator),
    ...checkFloats(experiment, locator),
    ...checkLayers(experiment, locator),
    ...checkSymbols(experiment, locator),
    ...checkDecoder(experiment, locator),
    ...checkOptimizer(experiment, locator),
    ...checkTraining(experiment, locator),
    ...checkCheckpoint(experiment, locator),
    ...checkConfidence(experiment, locator),
    ...gates.flatMap((gate, index) => [...checkGate(experiment, gate, ['gates', index], locator)]),
  ];
}

function* checkDataset(dataset: DatasetConfig, locator: Locator): Found {
  yield* checkSplits(dataset, locator);
  for (const { keyPath, code, message, ...more } of kindOf(dataset).leaks(dataset))
    yield locator.atValue(keyPath, code, message, more);
  yield* checkPaths(dataset, locator);
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
  return Object.entries(value).flatMap(([key, item]) => numbersIn(item, [...at, key]));
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
    [(eval_batch_size ?? batch_size) !== batch_size, ['training', 'eval_batch_size'], String(batch_size)],
  ];
  for (const [isSet, path, expected] of others) {
    if (!isSet) continue;
    const key = path.at(-1);
    const message = `with \`carry_state\`, row b of a batch continues row b of the previous one, so \`${key}\` must be ${expected}`;
    const at = locator.isGiven(path) ? path : ['training', 'carry_state'];
    yield locator.atKey(at, 'config/carry-state', message, { expected: `\`${key}: ${expected}\`` });
  }
}

/** Sequences of symbols as targets. */
function* checkSymbols({ model, loss, decode }: PartialExperiment, locator: Locator): Found {
  if (loss?.kind === 'ctc' && model && !model.decoder && !predictsEachStep(model.head)) {
    const message = 'loss ctc needs an output for every step';
    const more = { expected: '`head: { from: every }`', got: model.head.from };
    yield locator.atKey(['model', 'head', 'from'], 'config/ctc-head', message, more);
  }
  if (loss && decode && !taskFacts[taskOf(lossFor(loss, model))].isDecoded) {
    const message = `loss ${loss.kind} predicts no sequences of symbols to decode`;
    const expected = 'loss ctc, `model.decoder`, or no `decode`';
    yield locator.atKey(['decode'], 'config/decode', message, { expected });
  } else if (decode?.limit !== undefined && model && !model.decoder) {
    const message = 'a model without a decoder ends its outputs with its inputs';
    yield locator.atKey(['decode', 'limit'], 'config/decode', message, { expected: 'no `limit`' });
  }
}

/** What a decoder writes, and what it needs from the encoder. */
function* checkDecoder({ model, loss, training }: PartialExperiment, locator: Locator): Found {
  if (!model?.decoder) return;
  const { attention, hidden_size } = model.decoder;
  if (loss && loss.kind !== 'cross_entropy') {
    const message = `a model with a decoder needs loss cross_entropy, not ${loss.kind}`;
    yield locator.atValue(['loss', 'kind'], 'config/decoder', message, { suggestion: 'cross_entropy' });
  }
  if (loss?.kind === 'cross_entropy' && loss.class_weights !== undefined)
    yield locator.atBoth(['loss', 'class_weights'], 'config/decoder', 'model.decoder');
  // a resolved config has the defaults
  if (loss?.kind === 'cross_entropy' && loss.ignored_index !== IGNORED)
    yield locator.atBoth(['loss', 'ignored_index'], 'config/decoder', 'model.decoder');
  if (model.head.from !== 'last') {
    const message = '`model.decoder` and `head.from` cannot be combined';
    yield locator.atKey(['model', 'head', 'from'], 'config/decoder', message);
  }
  if (training?.carry_state)
    yield locator.atBoth(['training', 'carry_state'], 'config/decoder', 'model.decoder');
  const top = layersOf(model).at(-1)!;
  const size = (top.cell === 'lstm' && top.projection_size) || top.hidden_size;
  if (attention === 'dot' && (top.bidirectional || size !== hidden_size)) {
    const message =
      '`attention: dot` needs outputs of the encoder, in one direction, that are as long as those of the decoder';
    const expected = `\`attention: general\`, or \`hidden_size: ${size}\` in one direction`;
    yield locator.atValue(['model', 'decoder', 'attention'], 'config/decoder', message, { expected });
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

function judged({ loss, model }: PartialExperiment) {
  return loss && lossFor(loss, model);
}

function* checkTraining(experiment: PartialExperiment, locator: Locator): Found {
  const { training } = experiment;
  const loss = judged(experiment);
  const known: readonly string[] = loss ? metricsOfLoss(loss, experiment.intervals) : [];
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
}

function* checkCheckpoint(experiment: PartialExperiment, locator: Locator): Found {
  const { checkpoint, loss, training } = experiment;
  if (checkpoint === undefined || loss === undefined) return;
  const { metric, mode, final, keep } = checkpoint;
  const path = ['checkpoint', 'metric'];
  // a metric inherited from early stopping is reported there
  if (locator.isGiven(path) || training?.early_stopping === undefined)
    yield* checkMetric(experiment, metric, path, locator);
  if (final === 'best' && keep.best === 0) {
    const message = '`final: best` needs a best checkpoint, but `keep.best` is 0';
    yield locator.atValue(['checkpoint', 'final'], 'config/final', message, { expected: 'last' });
  }
  const expected = largerIsBetter(metric) ? 'max' : 'min';
  if (mode === expected) return;
  const message = `${expected === 'max' ? 'larger' : 'smaller'} values of ${metric} are better`;
  yield locator.atValue(['checkpoint', 'mode'], 'config/mode', message, { expected, got: mode });
}

/** What is fitted after training, and what it needs. */
function* checkConfidence(experiment: PartialExperiment, locator: Locator): Found {
  const { calibrate, threshold, intervals, dataset, model, loss: written } = experiment;
  const asked = {
    ...(calibrate && { calibrate }),
    ...(threshold && { threshold }),
    ...(intervals && { intervals }),
  };
  const loss = judged(experiment);
  for (const key of Object.keys(asked) as (keyof typeof asked)[]) {
    const tasks = tasksWith(key);
    // the symbols that a decoder writes are classes
    const writes = key === 'calibrate' && model?.decoder !== undefined;
    if (loss && !writes && !tasks.includes(taskOf(loss))) {
      const message = `\`${key}\` ${FITTED[key]}, but loss ${loss.kind} predicts ${taskOf(loss)}`;
      yield locator.atKey([key], 'config/confidence', message, {
        expected: `a model of ${tasks.join(' or ')}${key === 'calibrate' ? ', or with a decoder' : ''}`,
      });
    }
    if (dataset === undefined || hasValidation(dataset)) continue;
    const message = `\`${key}\` needs a validation split, which training does not see`;
    const expected = '`dataset.validation`, such as `validation: { fraction: 0.2 }`';
    yield locator.atKey([key], 'config/confidence', message, { expected });
  }
  if (intervals?.adapt !== undefined && dataset !== undefined && !kindOf(dataset).isSeries) {
    const message = `\`adapt\` follows a series in time, but \`dataset.kind\` is ${dataset.kind}`;
    yield locator.atKey(['intervals', 'adapt'], 'config/confidence', message, { expected: 'no `adapt`' });
  }
  if (intervals?.method !== 'quantile' || written === undefined || outputsPerNumber(written) > 1) return;
  const message = '`method: quantile` needs two predicted quantiles or more';
  const expected = '`loss: { kind: quantile, quantiles: [0.05, 0.5, 0.95] }`, or `method: split`';
  yield locator.atValue(['intervals', 'method'], 'config/confidence', message, { expected });
}

/** What each does. */
const FITTED: Readonly<Record<Fit, string>> = {
  calibrate: 'calibrates probabilities',
  threshold: 'decides between two cases',
  intervals: 'predicts sets of classes and intervals of values',
};

export interface DataFacts extends DatasetFacts {
  /** Required size of the vocabulary: the largest symbol + 1. */
  readonly numSymbols?: number;
  readonly largestSymbol?: PlacedLabel | undefined;
  readonly largestLabel?: PlacedLabel | undefined;
}

export function* checkFacts(
  { dataset, model, loss, training, optimizer }: PartialExperiment,
  facts: DataFacts,
  locator: Locator,
): Iterable<Diagnostic> {
  const { targetKind, perStep, inputKind, numSymbols = 0, numClasses = 0, trainCount } = facts;
  const needed = loss && taskFacts[taskOf(lossFor(loss, model))].target;
  if (model?.decoder && targetKind !== undefined && targetKind !== 'sequence') {
    const message = `a decoder needs sequence targets, but the dataset has ${targetKind} targets`;
    yield locator.atKey(['model', 'decoder'], 'config/decoder', message);
  } else if (loss && targetKind !== undefined && targetKind !== needed) {
    const suggestion = usualTask(targetKind).usualLoss;
    const message = `loss ${loss.kind} needs ${needed} targets, but the dataset has ${targetKind} targets`;
    yield locator.atValue(['loss', 'kind'], 'config/loss-target', message, { suggestion });
  }
  if (model && perStep !== undefined && predictsEachStep(model.head) !== perStep) {
    const message = `the head has one output per ${perStep ? 'sequence' : 'step'}, but the dataset has one target per ${perStep ? 'step' : 'sequence'}`;
    const expected = `from: ${perStep ? 'every' : 'last | final | mean | max'}`;
    yield locator.atValue(['model', 'head', 'from'], 'config/head-target', message, { expected });
  }
  if (model?.steps && perStep) {
    const message = '`model.steps` cannot be combined with a target for each step';
    yield locator.atKey(['model', 'steps'], 'config/steps', message);
  }
  const path = ['model', 'embedding'];
  if (model && inputKind !== undefined && (inputKind === 'symbol') !== (model.embedding !== undefined)) {
    const symbols = dataset && kindOf(dataset).symbols;
    const [message, expected] =
      inputKind === 'number'
        ? [
            '`embedding` needs symbols, but the steps of the dataset are vectors of numbers',
            `no \`embedding\`, or ${symbols?.how ?? 'a dataset of symbols'}`,
          ]
        : [
            'the steps of the dataset are symbols, but the model has no `embedding`',
            `\`embedding: { size: … }\`${symbols ? `, or ${symbols.orNumbers}` : ''}`,
          ];
    yield locator.atKey(path, 'config/embedding', message, { expected });
  }
  const { num_symbols = numSymbols } = model?.embedding ?? {};
  if (num_symbols < numSymbols) {
    const message = `the data contain symbols outside the vocabulary${reasonOf(facts.largestSymbol)}`;
    const more = { expected: `at least ${numSymbols}`, got: String(num_symbols) };
    yield locator.atValue([...path, 'num_symbols'], 'config/num-symbols', message, more);
  }
  const { num_classes = numClasses } = model ?? {};
  const classes = ['model', 'num_classes'];
  if (model?.num_classes !== undefined && loss && needed === 'value') {
    const message = `\`num_classes\` cannot be combined with loss ${loss.kind}`;
    yield locator.atKey(classes, 'config/num-classes', message);
  } else if (loss && num_classes < numClasses) {
    const message = `the labels need ${numClasses} classes${reasonOf(facts.largestLabel)}`;
    const more = { expected: `at least ${numClasses}`, got: String(num_classes) };
    yield locator.atValue(classes, 'config/num-classes', message, more);
  }
  if (training === undefined) return;
  const { last_batch, batch_size, num_epochs } = training;
  if (trainCount !== undefined && last_batch === 'drop' && batch_size > trainCount) {
    const message = '`batch_size` exceeds the data, so `last_batch: drop` leaves no batch';
    const more = {
      expected: `at most ${trainCount}, the number of training sequences`,
      got: String(batch_size),
    };
    yield locator.atValue(['training', 'batch_size'], 'config/batch-size', message, more);
  }
  const { steps = 0, epochs = 0 } = warmupOf(optimizer?.schedule) ?? {};
  const total = num_epochs * batchesPerEpoch(training, trainCount ?? Number.POSITIVE_INFINITY);
  const [key, unit, got, length] =
    steps > 0 ? ['steps', 'update', steps, total] : ['epochs', 'epoch', epochs, num_epochs];
  if (length < 1 || got < length) return;
  const message = `the warm-up must be shorter than training (${counted(length, unit)})`;
  const at = ['optimizer', 'schedule', 'warmup', key];
  yield locator.atValue(at, 'config/schedule', message, { got: counted(got, unit) });
}

/** `: y[3] in a.npz is 7` */
function reasonOf(largest: PlacedLabel | undefined): string {
  return largest === undefined ? '' : `: ${largest.name} in ${largest.place.file} is ${largest.value}`;
}

export function batchesPerEpoch(
  { batch_size, last_batch }: Pick<Experiment['training'], 'batch_size' | 'last_batch'>,
  trainCount: number,
): number {
  const batches = trainCount / batch_size;
  return last_batch === 'drop' ? Math.floor(batches) : Math.ceil(batches);
}

export function warmupOf(schedule: ScheduleConfig | undefined) {
  return schedule !== undefined && 'warmup' in schedule ? schedule.warmup : undefined;
}

/** Checks that a metric is one of `choices`, by default those that a run can select by. */
function* checkMetric(
  experiment: PartialExperiment,
  metric: GateMetricName,
  path: Path,
  locator: Locator,
  choices: typeof possibleMetrics = selectingMetrics,
): Iterable<Diagnostic> {
  const { dataset } = experiment;
  const loss = judged(experiment);
  if (loss === undefined) return;
  const measured: readonly string[] = choices(loss, dataset, experiment.intervals);
  const metrics: readonly string[] = ['loss', ...metricsOfLoss(loss, experiment.intervals)];
  const [split] = metric.split('.');
  const isOfTask = metrics.includes(metric.slice(split.length + 1));
  // what is wrong with an invalid dataset is reported elsewhere
  if (measured.includes(metric) || (isOfTask && dataset === undefined && split === 'validation')) return;
  const other = metric.replace(/^test\./, 'validation.');
  const why = !isOfTask
    ? `with loss ${loss.kind}`
    : split === 'validation' && !hasValidation(dataset)
      ? 'without a validation split'
      : split === 'test'
        ? 'during training: with a validation split, nothing is selected by the test split'
        : 'in training';
  yield locator.atValue(path, 'config/metric', `${metric} is not measured ${why}`, {
    expected: (isOfTask ? measured : metrics).join(' | '),
    suggestion: measured.includes(other) ? other : nearest(metric, measured),
  });
}

const BOUNDS = ['min', 'max', 'baseline', 'max_drop', 'max_regress', 'beats', 'by'] as const;
const FORMS = /^(min|max|min,max|baseline,max_drop|baseline,max_regress|beats|beats,by)$/;
const FORM =
  '`min`, `max` or both; or `baseline` with one of `max_drop` and `max_regress`; or `beats`, perhaps with `by`';

/** A smaller number is probably not a percentage but another mistake. */
const MIN_PERCENTAGE = 20;

function* checkGate(
  config: PartialExperiment,
  gate: GateConfig,
  path: Path,
  locator: Locator,
): Iterable<Diagnostic> {
  const { metric, over, min, max, baseline, beats } = gate;
  const isMeasuredOnce = isPerformance(metric);
  const choices = over === 'best' ? selectingMetrics : possibleMetrics;
  if (!isMeasuredOnce) yield* checkMetric(config, metric, [...path, 'metric'], locator, choices);
  const given = BOUNDS.filter(key => gate[key] !== undefined);
  if (!FORMS.test(given.join())) {
    const message = given.length > 0 ? 'these keys of a gate do not belong together' : 'a gate needs a bound';
    yield locator.atKey([...path, ...given.slice(-1)], 'config/gate', message, { expected: FORM });
  }
  const loss = judged(config);
  const [split, name] = metric.split('.');
  const hasBaseline = (metricName: string) => loss === undefined || hasTrivial(taskOf(loss), metricName);
  if (beats !== undefined && !(/^(validation|test)$/.test(split) && hasBaseline(name))) {
    const message = `trivial baselines do not have ${metric}`;
    const metrics = ['loss', ...(loss ? metricsOfLoss(loss, config.intervals) : [])].filter(hasBaseline);
    const expected = `a metric of validation or test: ${metrics.join(' | ')}`;
    yield locator.atKey([...path, 'beats'], 'config/gate', message, { expected });
  }
  if (over === 'best' && (baseline !== undefined || isMeasuredOnce)) {
    const message = `${isMeasuredOnce ? metric : 'a baseline'} has no best value`;
    yield locator.atValue([...path, 'over'], 'config/gate', message, { expected: 'last | seeds', got: over });
  }
  const { fold } = Object(Object(config.dataset).test);
  const isLacking = over === 'folds' && config.folds === undefined && fold === undefined;
  if (isLacking || (over === 'seeds' && config.folds !== undefined)) {
    const message = `the config has ${isLacking ? 'no `folds`' : '`folds`, whose runs have one seed'}, so this gate can never be judged`;
    const expected = isLacking ? '`folds: { count: 5 }` (`--folds 5`), or seeds' : 'folds | interval';
    yield locator.atValue([...path, 'over'], 'config/gate', message, { expected, got: over });
  }
  if (min !== undefined && max !== undefined && min > max)
    yield locator.atValue([...path, 'max'], 'config/gate', `max (${max}) is less than min (${min})`);
  // a bound outside the metric's range is a mistake, such as an accuracy in percent
  const range = rangeOf(metric);
  const expected = `from ${range.min} to ${range.max}`;
  if (min !== undefined && min > range.max) {
    const isPercentage = min >= MIN_PERCENTAGE && min <= 100;
    const suggestion = isPercentage ? String(fromPercent(min)) : undefined;
    const more = { expected, got: String(min), suggestion };
    yield locator.atValue([...path, 'min'], 'config/gate', `${metric} is never above ${range.max}`, more);
  }
  if (max !== undefined && max < range.min) {
    const more = { expected, got: String(max) };
    yield locator.atValue([...path, 'max'], 'config/gate', `${metric} is never below ${range.min}`, more);
  }
}

function* checkFolds(experiment: PartialExperiment, locator: Locator): Found {
  const { folds, repeat, dataset, optimizer } = experiment;
  if (folds === undefined) return;
  const { count, by, group, final } = folds;
  const code = 'config/folds';
  for (const key of final ? (['calibrate', 'threshold', 'intervals'] as const) : []) {
    if (!experiment[key]) continue;
    const message = `\`${key}\` needs data that training does not see, but the final model is trained on all`;
    const expected = 'no `final`: the models of the folds then predict together';
    yield locator.atKey(['folds', 'final'], code, message, { expected });
  }
  if (final && optimizer?.schedule?.kind === 'plateau') {
    const message = 'the final model has no metrics that a `plateau` schedule could follow';
    yield locator.atValue(['folds', 'final'], code, message, { expected: 'another schedule' });
  }
  if (repeat !== undefined) yield locator.atBoth(['folds'], code, 'repeat');
  if (by === 'leave_one_out' && count !== undefined) {
    const message = '`leave_one_out` has as many folds as there are groups, or sequences';
    yield locator.atKey(['folds', 'count'], code, message, { expected: 'no `count`' });
  }
  if (by !== 'leave_one_out' && count === undefined)
    yield locator.atKey(['folds'], code, 'folds have no number', { expected: '`count`, such as 5' });
  if (by === 'random' && group !== undefined)
    yield locator.atValue(['folds', 'by'], code, 'random folds have no groups', { expected: '`by: group`' });
  if (dataset === undefined) return;
  if (!canFold(dataset)) {
    const message = `\`dataset.kind: ${dataset.kind}\` cannot be divided into folds`;
    yield locator.atKey(['folds'], code, message, { expected: 'a table, arrays, recordings or series' });
  } else if (kindOf(dataset).isSeries) {
    const key = by !== undefined && by !== 'time' ? 'by' : group === undefined ? undefined : 'group';
    const message = 'the folds of a series follow each other in time';
    if (key) yield locator.atKey(['folds', key], code, message, { expected: '`by: time`, without `group`' });
  } else if (by === 'group' && (dataset as TestPartConfig).test?.group === undefined) {
    const expected = '`group`, such as `group: subject`';
    yield locator.atValue(['folds', 'by'], code, '`by: group` needs a column', { expected });
  }
}

function canFold(dataset: DatasetConfig): boolean {
  const { test } = kindOf(dataset).settings.keys as Readonly<Record<string, Shape>>;
  return test?.keys.fold !== undefined;
}

function* checkSplits(dataset: DatasetConfig, locator: Locator): Iterable<Diagnostic> {
  const { test_path, test_fraction, test } = dataset as Partial<TestPartConfig>;
  const validation: HeldOutConfig | undefined = dataset.validation;
  const given = Object.entries({
    test_path,
    test_fraction,
    test: test && isHeldOut(test) ? test : undefined,
  });
  const [first, second] = given.flatMap(([key, value]) => (value === undefined ? [] : [key]));
  if (second !== undefined) yield locator.atBoth(['dataset', second], 'config/two-test-splits', first);
  const { settings, isSeries } = kindOf(dataset);
  const { keys } = settings;
  // arrays of a test split may be in the files
  if (('test_path' in keys || isSeries) && first === undefined && test === undefined) {
    const file = 'test_path' in keys ? '`test_path`: a second file, or ' : '';
    const expected = `${file}\`test_fraction\`, such as 0.2, or \`test\``;
    yield locator.atKey(['dataset'], 'config/no-test-split', 'the dataset has no test split', { expected });
  }
  const files = validationKeys(dataset);
  // of arrays, only the files tell whether there is a test split
  if (test) yield* checkHeldOut('test', test, test_path !== undefined || !('test_path' in keys), locator);
  if (validation) yield* checkHeldOut('validation', validation, files.length > 0, locator);
  if (validation && isHeldOut(validation) && files.length > 0)
    yield locator.atBoth(['dataset', 'validation'], 'config/two-validation-splits', files[0]);
  if (dataset.kind === 'idx' && files.length === 1) {
    const message = 'validation images and labels must both be set';
    yield locator.atKey(['dataset', files[0]], 'config/validation', message);
  }
}

/** @param hasFile true if the split may have a file of its own, whose groups are only checked */
function* checkHeldOut(
  split: 'test' | 'validation',
  config: HeldOutConfig,
  hasFile: boolean,
  locator: Locator,
): Iterable<Diagnostic> {
  const { group, column, is, select } = config;
  const path = ['dataset', split];
  const code = `config/${split}`;
  const [first, second] = (['fraction', 'count', 'is', 'fold'] as const).filter(
    key => config[key] !== undefined,
  );
  if (first === undefined && !(hasFile && group !== undefined)) {
    const expected = '`fraction`, such as 0.1, or `count`, such as 5000';
    yield locator.atKey(path, code, `the ${split} split has no size`, { expected });
  }
  if (second !== undefined) yield locator.atBoth([...path, second], code, first);
  const { fold, of: outOf } = config;
  if (outOf !== undefined && fold === undefined)
    yield locator.atKey([...path, 'of'], code, '`of` needs the number of a fold', { expected: '`fold: 1`' });
  else if (outOf !== undefined && fold !== undefined && fold > outOf) {
    const more = { expected: `1 to ${outOf}`, got: String(fold) };
    yield locator.atValue([...path, 'fold'], code, `there are only ${outOf} folds`, more);
  }
  if (is === undefined) {
    if (column === undefined) return;
    const expected = `\`is\`: the value of the sequences to hold out, such as \`is: ${split}\``;
    yield locator.atKey([...path, 'column'], code, '`column` needs a value', { expected });
    return;
  }
  if (column !== undefined && group !== undefined) yield locator.atBoth([...path, 'column'], code, 'group');
  if (column === undefined && group === undefined) {
    const expected = `\`column\`, such as \`{ column: split, is: ${split} }\`, or \`group\``;
    yield locator.atKey([...path, 'is'], code, '`is` needs a column', { expected });
  }
  if (select !== undefined) yield locator.atBoth([...path, 'select'], code, 'is');
}
