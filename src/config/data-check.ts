/** Checks a config against its data, last before training, and determines the model's sizes. */

import { type Column, type Dataset, inputWidth, type Split, targetLengthsOf } from '../data/core/dataset.js';
import type { SequenceInput } from '../data/core/record.js';
import { isConstant } from '../data/core/statistics.js';
import { areAllIgnored, classesOf, formOf, longestTarget, targetsPerStep } from '../data/core/targets.js';
import { gapWords } from '../data/forecast/gaps.js';
import { scoresFor } from '../math/confidence/conformal.js';
import { lossFor, taskOf } from '../math/losses/index.js';
import { layersOf } from '../math/model/settings.js';
import { taskFacts } from '../tasks/facts.js';
import { partsOf } from '../tasks/index.js';
import { type Diagnostic, damagedErrors } from '../util/errors.js';
import { percent, rounded } from '../util/numbers.js';
import { counted } from '../util/words.js';
import { batchesPerEpoch, checkFacts, type DataFacts, warmupOf } from './cross-checks.js';
import { checkFeatures } from './feature-check.js';
import type { LoadedExperiment } from './load.js';
import { measuredMetrics } from './metrics.js';
import { checkOverlap, groupsInTwoSplits, timeWarnings } from './overlap-check.js';
import type { Experiment } from './schema/experiment.js';
import type { Locator } from './yaml/tree.js';

export type ModelSizes = ReturnType<typeof checkAgainstData>['sizes'];

/**
 * Problems and warnings of a config and its data, and the sizes of the model, which are valid if
 * there are no problems. Throws (exit 5) if only labels are wrong, at their places in the data.
 */
export function checkAgainstData(loaded: LoadedExperiment, data: Dataset) {
  const { experiment, locator } = loaded;
  const { model, loss } = experiment;
  const { train, validation, test, input, sequenceLength, labels, largestSymbol } = data;
  const splits = { training: train, ...(validation && { validation }), ...(test.count > 0 && { test }) };
  const all = Object.entries(splits).map(([name, { targets }]) => ({ name, targets }));
  const { targets } = train;
  const numClasses = Math.max(...all.map(split => classesOf(split.targets)));
  const facts: DataFacts = {
    inputKind: input.kind,
    ...(input.kind === 'symbol' && { numSymbols: input.count, largestSymbol }),
    targetKind: targets.kind,
    perStep: targetsPerStep(targets),
    numClasses,
    largestLabel: labels?.largest,
    trainCount: train.count,
  };
  const modelInput: SequenceInput =
    input.kind === 'symbol' ? { kind: 'symbol', count: model.embedding?.num_symbols ?? input.count } : input;
  const diagnostics = [...checkFacts(experiment, facts, locator)];
  const others = all.filter(split => formOf(split.targets) !== formOf(targets));
  for (const { name } of others) {
    const message = `the training split and the ${name} split have different kinds of targets`;
    diagnostics.push(locator.atKey(['dataset'], 'config/split-targets', message));
  }
  if (model.steps?.stack && (input.kind === 'symbol' || input.static || input.embedded)) {
    const message = '`stack` needs steps of numbers alone, without symbols or static features';
    diagnostics.push(locator.atKey(['model', 'steps', 'stack'], 'config/steps', message));
  }
  const judged = lossFor(loss, model);
  const isOfTask = taskFacts[taskOf(judged)].target === targets.kind && others.length === 0;
  const checks = isOfTask ? partsOf(judged).checks : undefined;
  const outputSize = checks?.outputs(loss, targets, model.num_classes ?? numClasses) ?? 0;
  const { decode, threshold } = experiment;
  const checked = {
    ...{ loss, model, decode, hasThreshold: threshold !== undefined },
    ...{ data, splits, outputSize, places: locator },
  };
  if (diagnostics.length === 0)
    diagnostics.push(...(checks?.problems(checked) ?? []), ...checkIntervals(loaded, data));
  const groups = [...groupsInTwoSplits(loaded, data.groupedBy ?? [], splits)];
  diagnostics.push(...groups.flatMap(({ isBroken, problem }) => (isBroken ? [problem] : [])));
  const ignored = ['loss', 'ignored_index'];
  for (const { name } of all.filter(split => areAllIgnored(split.targets))) {
    const message = `all labels of the ${name} split are ignored`;
    const at = locator.isGiven(ignored) ? ignored : ['dataset'];
    diagnostics.push(locator.atValue(at, 'config/no-predictions', message));
  }
  const longest = longestTarget(targets);
  const damage = [...(checks?.damage(checked) ?? [])];
  if (diagnostics.length === 0 && damage.length > 0) throw damagedErrors(damage);
  return {
    diagnostics: [...diagnostics, ...damage],
    warnings: [
      ...dataWarnings(loaded, data),
      ...checkFeatures(data, locator),
      ...groups.flatMap(({ isBroken, problem }) => (isBroken ? [] : [problem])),
      ...timeWarnings(loaded, splits),
      ...checkOverlap(loaded, data.digests, splits, { steps: sequenceLength, width: inputWidth(input) }),
      ...(checks?.warnings(checked) ?? []),
    ],
    /** T steps per sequence; classes, values of a target, or symbols and the blank. */
    sizes: {
      input: modelInput,
      sequenceLength,
      outputSize,
      ...(longest !== undefined && { targetLength: longest }),
    },
  };
}

const MAX_NAMED = 5;

/** More held-out sequences than this per training sequence are probably a mistake. */
const MAX_HELD_OUT = 20;
/** With fewer training sequences, a validation split of one sequence is no sign of a mistake. */
const MIN_SELECTABLE = 10;

function* dataWarnings(loaded: LoadedExperiment, data: Dataset): Iterable<Diagnostic> {
  const { experiment, locator } = loaded;
  const { model } = experiment;
  const dataset: Partial<Record<string, unknown>> = { ...experiment.dataset };
  if (model.dropout > 0 && layersOf(model).length === 1) {
    const message =
      '`model.dropout` has no effect: it applies between recurrent layers, and there is only one';
    yield locator.atValue(['model', 'dropout'], 'config/no-dropout', message);
  }
  if (model.head.dropout > 0 && model.head.hidden_sizes.length === 0) {
    const message = '`model.head.dropout` has no effect: it applies to the layers of `hidden_sizes`';
    yield locator.atValue(['model', 'head', 'dropout'], 'config/no-dropout', message);
  }
  const { train, validation, test, seriesFacts } = data;
  const limit = typeof dataset.limit === 'number' ? dataset.limit : Number.POSITIVE_INFINITY;
  if (limit > train.count && limit < Number.POSITIVE_INFINITY) {
    const message = `dataset.limit is ${limit}, but there are only ${counted(train.count, 'training sequence')}; all are used`;
    yield locator.atValue(['dataset', 'limit'], 'data/limit', message);
  }
  const heldOut = Object.entries({
    test_fraction: test.count,
    test: test.count,
    validation: validation?.count ?? 0,
  })
    .filter(([key]) => dataset[key] !== undefined)
    .sort(([, a], [, b]) => b - a);
  const held = heldOut.reduce((sum, [, count]) => sum + count, 0);
  if (held > 0 && train.count < limit && (train.count === 1 || held > MAX_HELD_OUT * train.count)) {
    const left = counted(train.count, 'training sequence');
    const message = `only ${left} left, with ${held} held out for validation and testing`;
    // at the key that holds out most sequences
    yield locator.atValue(['dataset', heldOut[0][0]], 'data/few-training-sequences', message);
  }
  const { fraction } = experiment.dataset.validation ?? {};
  if (fraction !== undefined && validation?.count === 1 && train.count >= MIN_SELECTABLE) {
    const message = `the validation split has only 1 sequence, of ${train.count + 1}: it alone selects the checkpoint`;
    yield locator.atValue(['dataset', 'validation', 'fraction'], 'data/few-validation-sequences', message);
  }
  if (data.columns) yield* columnWarnings(data.columns, data.scaling !== undefined, locator);
  yield* markerWarnings(loaded, data);
  yield* unknownWarnings(data, locator);
  if (seriesFacts && data.unlabelled && dataset.per_step !== true) {
    const all = train.count + (validation?.count ?? 0) + test.count + data.unlabelled;
    const message = `${data.unlabelled} of ${counted(all, 'window')} are left out: a value that they would forecast is missing`;
    const expected = '`per_step: true` and `head: { from: every }`, to learn from the values that are there';
    yield locator.atKey(['dataset', 'per_step'], 'data/left-out-windows', message, { expected });
  }
  yield* leftOutWarnings(data, locator);
  if (seriesFacts?.gaps) {
    const { lacking, expected: complete } = gapWords(seriesFacts.gaps);
    const { every } = seriesFacts.gaps.largest;
    const message = `${lacking}. Windows treat the rows as consecutive`;
    const expected =
      every === undefined
        ? complete
        : `${complete}, or \`resample: { every: ${every}, by: mean }\` with \`missing\``;
    yield locator.atValue(['dataset', 'time'], 'data/time-gaps', message, { expected });
  }
  yield* scaleWarnings(loaded, data);
  yield* trainingWarnings(loaded, train);
  const { intervals, checkpoint, training } = experiment;
  const candidates = checkpoint.final === 'best' ? evaluationsOf(training, train.count) : 1;
  if (intervals && validation && candidates > 1) {
    const loss = Math.sqrt(Math.log(2 * candidates) / (2 * validation.count));
    const message = `the validation split selects the best of ${candidates} evaluations and calibrates \`intervals\`, so their coverage may be lower, by about ${percent(loss, 1)} at most`;
    const expected = 'a larger validation split, or `checkpoint: { final: last }`';
    yield locator.atKey(['intervals'], 'data/selected-intervals', message, { expected });
  }
}

/** What intervals need of the data. */
function* checkIntervals(
  { experiment: { intervals }, locator }: LoadedExperiment,
  { validation }: Dataset,
): Iterable<Diagnostic> {
  if (!intervals || !validation) return;
  const least = scoresFor(intervals.coverage);
  if (validation.count >= least) return;
  const message = 'the validation split is too small for this coverage: intervals would be infinite';
  const got = counted(validation.count, 'sequence');
  yield locator.atValue(['intervals', 'coverage'], 'config/confidence', message, {
    expected: `at least ${counted(least, 'sequence')} in the validation split`,
    got,
  });
}

/** Warns of sequences that are in no split. */
function* leftOutWarnings(data: Dataset, locator: Locator): Iterable<Diagnostic> {
  const { unlabelled = 0, firstUnlabelled, impossible = 0, firstImpossible } = data;
  const reasons = [
    [['dataset', 'target'], unlabelled, firstUnlabelled, 'without a target'],
    [['loss', 'on_impossible'], impossible, firstImpossible, 'with too few steps for the target'],
  ] as const;
  for (const [path, count, first, reason] of reasons) {
    if (first === undefined) continue;
    const more =
      count > 1 ? `: ${JSON.stringify(first)} and ${count - 1} more` : `: ${JSON.stringify(first)}`;
    const message = `left out: ${counted(count, 'sequence')} ${reason}${more}`;
    yield locator.atValue(path, 'data/left-out', message);
  }
}

/** Larger absolute means or deviations are far from normalized data (mean 0, deviation 1). */
const MAX_USUAL = 5;
/** A column with only smaller values hardly affects a network, unlike a rare flag of 0 and 1. */
const MIN_USUAL = 0.05;
/** Columns of a few steps of float32 have lost most of what distinguishes their values. */
const MIN_STEPS = 10;

/** Warns of columns whose scale makes learning hard, or costs them digits. */
function* columnWarnings(
  { features, targets }: NonNullable<Dataset['columns']>,
  isScaled: boolean,
  locator: Locator,
): Iterable<Diagnostic> {
  const columns = [...features, ...targets];
  const path = ['dataset', 'normalize'];
  const found = isScaled ? [] : columns.filter(isFar);
  if (found.length > 0) {
    const which = named(
      found,
      column => `mean ${rounded(column.mean, 3)}, standard deviation ${rounded(column.deviation, 3)}`,
    );
    const message = `columns far from mean 0 and variance 1 slow down or prevent learning: ${which}`;
    const expected = '`normalize: standard` or `min_max` in `dataset`, or `none` if intended';
    yield locator.atKey(path, 'data/not-normalized', message, { expected });
  }
  const constant = (isScaled ? columns : features).filter(isConstant);
  const at = ['dataset', 'features'];
  const place = locator.isGiven(at) ? at : ['dataset'];
  if (constant.length > 0) {
    const which = named(constant, ({ min }) => rounded(min, 3));
    const message = `columns are constant in the training split, so there is nothing to learn from them: ${which}`;
    yield locator.atValue(place, 'data/constant-column', message);
  }
  const coarse = columns.filter(isCoarse);
  if (coarse.length === 0) return;
  const which = named(coarse, column => `steps of ${rounded(stepOfFloat32(column), 3)} near ${column.max}`);
  const message = `float32 cannot distinguish nearby values of these columns: ${which}`;
  const expected = 'smaller numbers, such as differences from the first value';
  yield locator.atValue(place, 'data/coarse-column', message, { expected });
}

/** Warns of numbers that look as if they meant missing values. */
function* markerWarnings(
  { experiment, locator }: LoadedExperiment,
  { columns = { features: [], targets: [] }, preparation, seriesFacts }: Dataset,
): Iterable<Diagnostic> {
  const fills = preparation?.columns.map(({ fill }) => fill?.value) ?? [];
  const found = (seriesFacts?.columns ?? [...columns.features, ...columns.targets]).filter(({ markers }) =>
    markers?.some(marker => !fills.includes(marker)),
  );
  if (found.length === 0) return;
  const markers = [...new Set(found.flatMap(column => column.markers ?? []))];
  const which = named(found, column => column.markers?.join(', ') ?? '');
  const message = `columns have numbers far from all others, which look like missing values: ${which}`;
  const isTable = 'delimiter' in experiment.dataset;
  const expected = isTable
    ? `\`missing: { markers: [${markers.join(', ')}] }\` in \`dataset\` if they mean missing values`
    : 'no value (NaN, or null in JSON) and `dataset.missing` if they mean missing values';
  yield locator.atKey(['dataset', 'missing'], 'data/marker', message, { expected });
}

function isFar(column: Column): boolean {
  const { mean, deviation, min, max } = column;
  if (Math.abs(mean) > MAX_USUAL || deviation > MAX_USUAL) return true;
  return !isConstant(column) && Math.max(Math.abs(min), Math.abs(max)) < MIN_USUAL;
}

function isCoarse(column: Column): boolean {
  const { min, max, deviation } = column;
  const step = stepOfFloat32(column);
  // a step of at most 1 keeps integers
  const keepsAll = step <= 1 && Number.isInteger(min) && Number.isInteger(max);
  return isConstant(column) ? step > 1 : !keepsAll && deviation < MIN_STEPS * step;
}

/** Distance between neighbouring float32 numbers at the largest value of a column. */
function stepOfFloat32({ min, max }: Column): number {
  return 2 ** (Math.floor(Math.log2(Math.max(Math.abs(min), Math.abs(max)))) - 23);
}

/** `temperature (mean 21.3, standard deviation 4.2), humidity (…) and 3 more` */
function named(columns: readonly Column[], words: (column: Column) => string): string {
  const first = columns.slice(0, MAX_NAMED).map(column => `${column.name} (${words(column)})`);
  const rest = columns.length - first.length;
  return `${first.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

/** Above this fraction of unknown symbols, metrics say little about the model. */
const MAX_UNKNOWN = 0.05;

/**
 * Warns of splits with many symbols unknown to training, such as text in another language, and of
 * unknown symbols that the model cannot learn to read, because training has none.
 */
function* unknownWarnings({ unknownFractions = {} }: Dataset, locator: Locator): Iterable<Diagnostic> {
  const { train = 0, ...others } = unknownFractions;
  const percent = (fraction: number): string =>
    `${fraction < 0.001 ? '< 0.1' : (100 * fraction).toFixed(1)} %`;
  const high = Object.entries(others).filter(
    ([, fraction = 0]) => fraction > (train === 0 ? 0 : Math.max(MAX_UNKNOWN, 2 * train)),
  );
  if (high.length === 0) return;
  const shares = high.map(([name, fraction = 0]) => `${percent(fraction)} in the ${name} split`).join(', ');
  const [message, more] =
    train === 0
      ? [
          `the training split lacks symbols of other splits (${shares}), and the model does not learn to read unknown ones`,
          {
            expected:
              'a `min_count` that makes the rarest symbols of the training split unknown; without it, `predict` refuses new symbols',
          },
        ]
      : [`many symbols are unknown: ${shares}, but only ${percent(train)} in the training split`, {}];
  yield locator.atKey(['dataset', 'min_count'], 'data/unknown-symbols', message, more);
}

/**
 * Warns if MASE is asked for but no prediction of a split has a scale. It is not an error, since it
 * depends on the data: all other metrics are computed, and one of several points of a sweep may be
 * affected.
 */
function* scaleWarnings({ experiment, locator }: LoadedExperiment, data: Dataset): Iterable<Diagnostic> {
  if (!measuredMetrics(experiment).includes('mase')) return;
  const listed = experiment.training.metrics?.indexOf('mase') ?? -1;
  const path = listed < 0 ? ['training'] : ['training', 'metrics', listed];
  for (const name of ['validation', 'test'] as const) {
    const { count = 0, errorScale } = data[name] ?? {};
    if (count === 0 || Array.from({ length: count }, (_, i) => errorScale?.(i)).some(Boolean)) continue;
    const message = `mase cannot be computed on the ${name} split: it needs a forecast with a season that is shorter than the training part of a series, and values that differ from those one season earlier`;
    const expected = 'another metric, such as mean_absolute_error, or a shorter season';
    yield locator.atValue(path, 'data/no-error-scale', message, { expected });
  }
}

/** Warns of keys of `training` that have no effect, or an unintended one, with this data. */
function* trainingWarnings({ experiment, locator }: LoadedExperiment, train: Split): Iterable<Diagnostic> {
  const { count, lengths } = train;
  const { training, optimizer } = experiment;
  const { batch_size, last_batch, bucket_by_length, early_stopping, max_steps } = training;
  if (batch_size > count && last_batch !== 'drop') {
    const message = `\`batch_size\` exceeds the training split (${counted(count, 'sequence')}), so an epoch is one step`;
    const more = { expected: `at most ${count}`, got: String(batch_size) };
    yield locator.atValue(['training', 'batch_size'], 'data/batch-size', message, more);
  }
  const areAlike = lengths === undefined && new Set(targetLengthsOf(train)).size <= 1;
  if (bucket_by_length && areAlike) {
    const message = '`bucket_by_length` has no effect: all training sequences have the same length';
    yield locator.atValue(['training', 'bucket_by_length'], 'data/one-length', message);
  }
  const { schedule } = optimizer;
  // the first evaluation is always the best so far, and the one at the end of training is too late
  const patient = [
    [['training', 'early_stopping', 'patience'], early_stopping?.patience, 1],
    [['optimizer', 'schedule', 'patience'], schedule?.kind === 'plateau' ? schedule.patience : undefined, 2],
  ] as const;
  const evaluations = evaluationsOf(training, count);
  const isSet = (path: readonly string[]) => locator.origin(path) === '--set';
  // a shorter run than the config says, to try it
  const isTrial = ['num_epochs', 'max_steps'].some(key => isSet(['training', key]));
  for (const [path, patience, more] of patient) {
    if (patience === undefined || patience + more < evaluations || (isTrial && !isSet(path))) continue;
    const message = `\`${path.join('.')}: ${patience}\` has no effect in this run: it needs ${counted(patience + more, 'evaluation')} before the last, but the run has ${evaluations} in total`;
    yield locator.atValue(path, 'config/unreached-patience', message, { got: String(patience) });
  }
  const { steps, epochs = 0 } = warmupOf(schedule) ?? {};
  const updates = steps ?? epochs * batchesPerEpoch(training, count);
  if (updates > 0 && max_steps !== undefined && updates >= max_steps) {
    const message = `\`max_steps\` ends training within the warm-up (${counted(updates, 'update')})`;
    const got = counted(max_steps, 'update');
    yield locator.atValue(['training', 'max_steps'], 'config/cut-warmup', message, { got });
  }
}

/** Number of evaluations of a run: after each epoch, every N steps, and after the last step. */
function evaluationsOf(training: Experiment['training'], trainCount: number): number {
  const { num_epochs, max_steps = Number.POSITIVE_INFINITY, evaluate_every } = training;
  const perEpoch = batchesPerEpoch(training, trainCount);
  const steps = Math.min(num_epochs * perEpoch, max_steps);
  const every = evaluate_every?.steps ?? perEpoch;
  let [a, b] = [perEpoch, every];
  while (b > 0) [a, b] = [b, a % b];
  // `a` is the greatest common divisor, so the last term counts steps that are multiples of both
  const regular =
    Math.floor(steps / perEpoch) + Math.floor(steps / every) - Math.floor(steps / ((perEpoch / a) * every));
  return regular + Number(steps % perEpoch > 0 && steps % every > 0);
}
