/** Checks a config against its data, last before training, and determines the model's sizes. */

import { IGNORED, inputWidth, type SequenceInput } from '../data/core/dataset.js';
import type { LabelFacts, PlacedLabel } from '../data/core/labels.js';
import type { Values } from '../data/core/values.js';
import { outputsFor, taskOf } from '../math/losses/index.js';
import { TASKS } from '../math/metrics/index.js';
import { type Diagnostic, damagedError } from '../util/errors.js';
import { counted } from '../util/words.js';
import { type ColumnFacts, checkColumns, checkPrecision } from './column-check.js';
import { checkFacts, type DataFacts } from './data-facts.js';
import type { Experiment, ModelConfig } from './experiment.js';
import type { LoadedExperiment } from './load.js';
import { modelWarnings } from './model-checks.js';
import { checkOverlap, type Digests } from './overlap-check.js';
import { checkGaps, checkScale, type SeriesShape } from './series-check.js';
import {
  checkLabels,
  checkLossTargets,
  checkUntrained,
  checkVariety,
  type LabelVerdict,
} from './target-checks.js';
import { trainingWarnings } from './training-checks.js';

/** What the check needs of the targets of a split. */
export type TargetShape =
  | {
      readonly kind: 'class';
      readonly numClasses: number;
      readonly perStep: boolean;
      readonly values?: Values<Int32Array>;
    }
  | {
      readonly kind: 'value';
      readonly size: number;
      readonly values?: Float32Array;
      readonly perStep?: boolean;
      readonly scaling?: object;
    };

/** Requirements of the targets on a model. */
interface TargetFacts {
  readonly perStep: boolean;
  /** Required number of classes; absent if targets are values. */
  readonly numClasses?: number;
  /** Numbers per target; absent if targets are classes. */
  readonly size?: number;
}

/** By the kind of the targets; a missing kind does not compile. */
const TARGETS: {
  readonly [K in TargetShape['kind']]: (targets: Extract<TargetShape, { kind: K }>) => TargetFacts;
} = {
  class: ({ numClasses, perStep }) => ({ numClasses, perStep }),
  value: ({ size, perStep = false }) => ({ size, perStep }),
};

function targetFacts<T extends TargetShape>(targets: T): TargetFacts {
  return (TARGETS[targets.kind] as (targets: T) => TargetFacts)(targets);
}

interface SplitShape {
  readonly count: number;
  readonly targets: TargetShape;
  readonly lengths?: Int32Array;
  /** Like `Split.read`; absent if the sequences are not compared. */
  read?(index: number, out: Float32Array, offset: number, stepStride: number): void;
  id?(index: number): string;
  readonly idIsPlace?: true;
  errorScale?(index: number): number | undefined;
}

/** What the check needs of a dataset. */
export interface DataShape {
  readonly input: SequenceInput;
  readonly sequenceLength: number;
  readonly train: SplitShape;
  readonly validation?: SplitShape;
  readonly test: SplitShape;
  readonly labels?: LabelFacts;
  readonly largestSymbol?: PlacedLabel;
  /** Present for numbers that can be scaled. */
  readonly columns?: ColumnFacts;
  readonly scaling?: object;
  readonly classLabels?: readonly string[];
  /** Present for forecasts. */
  readonly seriesFacts?: SeriesShape;
  readonly unknownShares?: Readonly<Partial<Record<string, number>>>;
  readonly digests?: Digests;
  readonly keysOfFiles?: ReadonlyMap<string, string>;
}

/** Sizes that the data determine. */
export interface ModelSizes {
  /** Kind of a step: F numbers, or one of V symbols. */
  readonly input: SequenceInput;
  /** T, steps per sequence. */
  readonly sequenceLength: number;
  /** Outputs of the head: classes, or values of a target. */
  readonly outputSize: number;
}

export interface DataVerdict {
  /** Problems of the config (exit 2). */
  readonly diagnostics: readonly Diagnostic[];
  readonly warnings: readonly Diagnostic[];
  /** Valid only if there are no diagnostics. */
  readonly sizes: ModelSizes;
}

/**
 * Checks a config against its data and determines the sizes of the model.
 * @throws UserError (exit 5) if only labels are wrong; points to them in the data
 */
export function checkAgainstData(loaded: LoadedExperiment, data: DataShape): DataVerdict {
  const { experiment, locator } = loaded;
  const diagnostics = checkFacts(experiment, factsOf(data), locator);
  for (const [name, split] of Object.entries(otherSplits(data))) {
    if (sameTargets(data.train.targets, split.targets)) continue;
    const message = `the training split and the ${name} split have different kinds of targets`;
    diagnostics.push(locator.atKey(['dataset'], 'config/split-targets', message));
  }
  const outputSize = outputsOf(experiment, data);
  if (diagnostics.length === 0)
    diagnostics.push(...checkLossTargets(loaded, { training: data.train, ...otherSplits(data) }, outputSize));
  diagnostics.push(...checkCounted(loaded, { training: data.train, ...otherSplits(data) }));
  const { damage, warnings } = labelsVerdict(loaded, data);
  if (diagnostics.length === 0 && damage.length > 0) throw damagedError(...damage);
  return {
    diagnostics: [...diagnostics, ...damage],
    warnings: [
      ...modelWarnings(experiment, locator),
      ...checkLimit(loaded, data),
      ...checkHeldOut(loaded, data),
      ...checkSelected(loaded, data),
      ...trainingWarnings(loaded, data.train, outputSize),
      ...checkOverlap(
        loaded,
        data,
        { training: data.train, ...otherSplits(data) },
        { steps: data.sequenceLength, width: inputWidth(data.input) },
      ),
      ...(data.columns ? checkColumns(data.columns, data.scaling !== undefined, locator) : []),
      ...(data.columns ? checkPrecision(data.columns, locator) : []),
      ...checkUnknown(loaded, data),
      ...checkGaps(loaded, data.seriesFacts),
      ...checkScale(loaded, otherSplits(data), data.seriesFacts),
      // a synthetic dataset has no path
      ...warnings.map(({ code, message }) => locator.atValue(placeOfData(locator), code, message)),
    ],
    sizes: {
      input: completeInput(experiment.model, data.input),
      sequenceLength: data.sequenceLength,
      outputSize,
    },
  };
}

function placeOfData(locator: LoadedExperiment['locator']): readonly string[] {
  const path = ['dataset', 'path'];
  return locator.isGiven(path) ? path : ['dataset'];
}

/** One output per class, or the outputs of the loss for each number of a target. */
function outputsOf({ model, loss }: Experiment, data: DataShape): number {
  const { size } = targetFacts(data.train.targets);
  return size === undefined ? (model.num_classes ?? classesOf(data)) : outputsFor(loss, size);
}

function factsOf(data: DataShape): DataFacts {
  const { input, labels, largestSymbol, train } = data;
  const { perStep, numClasses } = targetFacts(train.targets);
  return {
    inputKind: input.kind,
    ...(input.kind === 'symbol' && { numSymbols: input.count, largestSymbol }),
    targetKind: train.targets.kind,
    perStep,
    ...(numClasses !== undefined && { numClasses: classesOf(data), largestLabel: labels?.largest }),
    trainCount: train.count,
  };
}

/** `embedding.num_symbols` overrides the number of symbols in the data. */
function completeInput({ embedding }: ModelConfig, input: SequenceInput): SequenceInput {
  return input.kind === 'symbol' ? { kind: 'symbol', count: embedding?.num_symbols ?? input.count } : input;
}

/** Checks labels only for a loss of classes; `model.num_classes` overrides their number. */
function labelsVerdict({ experiment: { loss, model } }: LoadedExperiment, data: DataShape): LabelVerdict {
  if (data.labels === undefined || TASKS[taskOf(loss)].target !== 'class')
    return { damage: [], warnings: [] };
  if (model.num_classes !== undefined) return { damage: [], warnings: checkVariety(data.labels) };
  const { damage, warnings } = checkLabels(data.labels, classesOf(data));
  return { damage, warnings: [...warnings, ...untrainedClasses(data)] };
}

function untrainedClasses(data: DataShape): Diagnostic[] {
  const { targets } = data.train;
  if (targets.kind !== 'class') return [];
  const heldOut = Object.entries(otherSplits(data)).flatMap(([name, split]) =>
    split.targets.kind === 'class' ? [[name, split.targets] as const] : [],
  );
  return checkUntrained(targets, Object.fromEntries(heldOut), data.classLabels);
}

/** If all labels of a split are ignored, its loss and metrics are undefined. */
function checkCounted(
  { locator }: LoadedExperiment,
  splits: Readonly<Record<string, SplitShape>>,
): Diagnostic[] {
  const empty = Object.entries(splits).filter(([, { targets }]) =>
    targets.kind === 'class'
      ? targets.values !== undefined && isEach(targets.values, label => label === IGNORED)
      : targets.values?.every(Number.isNaN),
  );
  const key = ['loss', 'ignored_index'];
  return empty.map(([name]) =>
    locator.atValue(
      locator.isGiven(key) ? key : ['dataset'],
      'config/no-predictions',
      `all labels of the ${name} split are ignored`,
    ),
  );
}

function isEach(values: Iterable<number>, is: (value: number) => boolean): boolean {
  for (const value of values) if (!is(value)) return false;
  return true;
}

/** Warns of a limit that has no effect, which may be a mistake. */
function checkLimit(
  { experiment: { dataset }, locator }: LoadedExperiment,
  { train }: DataShape,
): Diagnostic[] {
  const limit = 'limit' in dataset ? dataset.limit : undefined;
  if (limit === undefined || limit <= train.count) return [];
  const message = `dataset.limit is ${limit}, but there are only ${counted(train.count, 'training sequence')}; all are used`;
  return [locator.atValue(['dataset', 'limit'], 'data/limit', message)];
}

/** More held-out sequences than this per training sequence are probably a mistake. */
const MAX_HELD_OUT = 20;

/**
 * Warns if almost no training sequences are left, as when a fraction was meant for the training
 * split or as a percentage.
 */
function checkHeldOut(
  { experiment: { dataset }, locator }: LoadedExperiment,
  { train, validation, test }: DataShape,
): Diagnostic[] {
  const limit = ('limit' in dataset ? dataset.limit : undefined) ?? Number.POSITIVE_INFINITY;
  const heldOutBy = Object.entries({ test_fraction: test.count, validation: validation?.count ?? 0 }).filter(
    ([key]) => Object.hasOwn(dataset, key),
  );
  const heldOut = heldOutBy.reduce((sum, [, count]) => sum + count, 0);
  // the key that holds out most
  const [key] = heldOutBy.toSorted(([, a], [, b]) => b - a)[0] ?? [];
  const isFew = train.count === 1 || heldOut > MAX_HELD_OUT * train.count;
  if (key === undefined || train.count >= limit || !isFew) return [];
  const left = counted(train.count, 'training sequence');
  const message = `only ${left} left, with ${heldOut} held out for validation and testing`;
  return [locator.atValue(['dataset', key], 'data/few-training-sequences', message)];
}

/** With fewer training sequences, a validation split of one sequence is no sign of a mistake. */
const MIN_SELECTABLE = 10;

/**
 * Warns of a single validation sequence, as when the fraction was mistaken for a percentage or
 * meant for another split.
 */
function checkSelected(
  { experiment: { dataset }, locator }: LoadedExperiment,
  { train, validation }: DataShape,
): Diagnostic[] {
  const { fraction } = ('validation' in dataset ? dataset.validation : undefined) ?? {};
  if (fraction === undefined || validation?.count !== 1 || train.count < MIN_SELECTABLE) return [];
  const message = `the validation split has only 1 sequence, of ${train.count + 1}: it alone selects the checkpoint`;
  return [locator.atValue(['dataset', 'validation', 'fraction'], 'data/few-validation-sequences', message)];
}

/** Above this fraction of unknown symbols, metrics say little about the model. */
const MAX_UNKNOWN = 0.05;

/**
 * Warns of splits with many symbols unknown to training, such as text in another language, and of
 * unknown symbols that the model cannot learn to read, because training has none.
 */
function checkUnknown({ locator }: LoadedExperiment, { unknownShares = {} }: DataShape): Diagnostic[] {
  const { train = 0, ...others } = unknownShares;
  const percent = (of: number): string => `${of < 0.001 ? '< 0.1' : (100 * of).toFixed(1)} %`;
  return Object.entries(others).flatMap(([name, fraction = 0]) => {
    const isHigh = fraction > MAX_UNKNOWN && fraction > 2 * train;
    if (!isHigh && (fraction === 0 || train > 0)) return [];
    const unknown = `${percent(fraction)} of the symbols in the ${name} split are unknown`;
    const message =
      train > 0
        ? `${unknown}, but only ${percent(train)} in the training split`
        : `${unknown}, and none in the training split, so the model does not learn to read them: \`predict\` refuses new sequences that have them`;
    const warning = locator.atKey(['dataset', 'min_count'], 'data/unknown-symbols', message);
    return [train > 0 ? warning : { ...warning, expected: '2 or more, so that rare symbols become unknown' }];
  });
}

/** Over all splits, since a class may occur in only one. */
function classesOf(data: DataShape): number {
  const splits = [data.train, ...Object.values(otherSplits(data))];
  return Math.max(...splits.map(({ targets }) => targetFacts(targets).numClasses ?? 0));
}

/** The held-out splits, by name. */
function otherSplits({ validation, test }: DataShape): Readonly<Record<string, SplitShape>> {
  return { ...(validation && { validation }), test };
}

function sameTargets(a: TargetShape, b: TargetShape): boolean {
  const [one, other] = [targetFacts(a), targetFacts(b)];
  return a.kind === b.kind && one.perStep === other.perStep && one.size === other.size;
}
