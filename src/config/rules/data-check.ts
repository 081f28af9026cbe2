/** The last check before training: the config against the data that were read, and the model's completed sizes. */
import { IGNORED, inputWidth, type SequenceInput } from '../../data/dataset.js';
import type { LabelFacts, PlacedLabel } from '../../data/labels.js';
import type { Values } from '../../data/values.js';
import { type Diagnostic, damagedError } from '../../util/errors.js';
import type { Experiment, ModelConfig } from '../experiment.js';
import type { LoadedExperiment } from '../load.js';
import { type ColumnFacts, checkColumns } from './column-check.js';
import { checkFacts, type DataFacts } from './data-facts.js';
import { checkLabels, checkVariety, type LabelVerdict } from './label-check.js';
import { checkLossTargets } from './loss-check.js';
import { lossFacts, outputsFor } from './losses.js';
import { modelWarnings } from './model-checks.js';
import { checkOverlap } from './overlap-check.js';
import { trainingWarnings } from './training-checks.js';

/** What the check needs to know of a split's targets. */
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

/** What targets ask of a model. */
interface TargetFacts {
  readonly perStep: boolean;
  /** Classes that they need; absent where they are none. */
  readonly numClasses?: number;
  /** Outputs that they need; absent where it is the number of classes. */
  readonly size?: number;
}

/** By the kind of the targets; typed, so that none is forgotten. */
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
  /** As `Split.read`; absent if the sequences are not compared. */
  read?(index: number, out: Float32Array, offset: number, stepStride: number): void;
  id?(index: number): string;
  readonly idIsPlace?: true;
}

/** What the check needs to know of a dataset; every `Dataset` is one. */
export interface DataShape {
  readonly input: SequenceInput;
  readonly sequenceLength: number;
  readonly train: SplitShape;
  readonly validation?: SplitShape;
  readonly test: SplitShape;
  readonly labels?: LabelFacts;
  readonly largestSymbol?: PlacedLabel;
  /** Of numbers that the config may have scaled. */
  readonly columns?: ColumnFacts;
  readonly scaling?: object;
  readonly unknownShares?: Readonly<Partial<Record<string, number>>>;
  readonly digests?: readonly { readonly name: string; readonly sha256: string }[];
}

/** The sizes that a config leaves to the data. */
export interface ModelSizes {
  /** What a step is: F numbers, or one of V symbols. */
  readonly input: SequenceInput;
  /** T, steps per sequence. */
  readonly sequenceLength: number;
  /** Outputs of the head: classes, or values of a target. */
  readonly outputSize: number;
}

export interface DataVerdict {
  /** What is wrong with the config (exit 2). */
  readonly diagnostics: readonly Diagnostic[];
  /** What does not stop a run but that its reader should know. */
  readonly warnings: readonly Diagnostic[];
  /** Hold only where nothing is wrong. */
  readonly sizes: ModelSizes;
}

/**
 * All complaints about a config and its data, and the sizes of the model.
 * @throws UserError (exit 5) if only labels are wrong, at their place in the data
 */
export function checkAgainstData(loaded: LoadedExperiment, data: DataShape): DataVerdict {
  const { experiment, locator } = loaded;
  const diagnostics = checkFacts(experiment, factsOf(data), locator);
  for (const [name, split] of Object.entries(otherSplits(data))) {
    if (sameTargets(data.train.targets, split.targets)) continue;
    const message = `the training and the ${name} split have different kinds of targets`;
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
      ...checkShare(loaded, data),
      ...trainingWarnings(loaded, data.train, outputSize),
      ...checkOverlap(
        loaded,
        data.digests ?? [],
        { training: data.train, ...otherSplits(data) },
        { steps: data.sequenceLength, width: inputWidth(data.input) },
      ),
      ...(data.columns ? checkColumns(data.columns, data.scaling !== undefined, locator) : []),
      ...checkUnknown(loaded, data),
      ...warnings,
    ],
    sizes: {
      input: completeInput(experiment.model, data.input),
      sequenceLength: data.sequenceLength,
      outputSize,
    },
  };
}

/** One for each class, or those that the loss has for each number of a target. */
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

/** A config that says how many symbols there are decides. */
function completeInput({ embedding }: ModelConfig, input: SequenceInput): SequenceInput {
  return input.kind === 'symbol' ? { kind: 'symbol', count: embedding?.num_symbols ?? input.count } : input;
}

/**
 * Labels mean classes only to a loss of classes, and a config that gives their number has decided.
 */
function labelsVerdict({ experiment: { loss, model } }: LoadedExperiment, data: DataShape): LabelVerdict {
  if (data.labels === undefined || lossFacts(loss).target !== 'class') return { damage: [], warnings: [] };
  if (model.num_classes !== undefined) return { damage: [], warnings: checkVariety(data.labels) };
  return checkLabels(data.labels, classesOf(data));
}

/** The loss and all metrics of a split without a label that counts are undefined. */
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
      `no prediction of the ${name} split counts: all of its labels are ignored`,
    ),
  );
}

function isEach(values: Iterable<number>, is: (value: number) => boolean): boolean {
  for (const value of values) if (!is(value)) return false;
  return true;
}

/** A limit is an upper bound, so that one that nothing reaches is no error, but perhaps a slip. */
function checkLimit(
  { experiment: { dataset }, locator }: LoadedExperiment,
  { train }: DataShape,
): Diagnostic[] {
  const limit = 'limit' in dataset ? dataset.limit : undefined;
  if (limit === undefined || limit <= train.count) return [];
  const message = `dataset.limit is ${limit}, but there are only ${train.count} training sequences; all are used`;
  return [locator.atValue(['dataset', 'limit'], 'data/limit', message)];
}

/** More sequences to report on or select by than this for each that trains are hardly meant. */
const MAX_HELD_OUT = 20;

/**
 * A fraction meant for the training part, or given in per cent, leaves almost no sequences.
 */
function checkShare(
  { experiment: { dataset }, locator }: LoadedExperiment,
  { train, validation, test }: DataShape,
): Diagnostic[] {
  const limit = ('limit' in dataset ? dataset.limit : undefined) ?? Number.POSITIVE_INFINITY;
  const shares = Object.entries({ test_fraction: test.count, validation: validation?.count ?? 0 }).filter(
    ([key]) => Object.hasOwn(dataset, key),
  );
  const heldOut = shares.reduce((sum, [, count]) => sum + count, 0);
  // the key that takes most of them
  const [key] = shares.toSorted(([, a], [, b]) => b - a)[0] ?? [];
  const isFew = train.count === 1 || heldOut > MAX_HELD_OUT * train.count;
  if (key === undefined || train.count >= limit || !isFew) return [];
  const [is, sequences] = train.count === 1 ? ['is', 'sequence'] : ['are', 'sequences'];
  const message = `only ${train.count} training ${sequences} ${is} left, with ${heldOut} set aside`;
  return [locator.atValue(['dataset', key], 'data/few-training-sequences', message)];
}

/** A share of unknown symbols that says little of the model if it is met in new data alone. */
const MAX_UNKNOWN = 0.05;

/** Symbols that training never had, such as those of another language. */
function checkUnknown({ locator }: LoadedExperiment, { unknownShares = {} }: DataShape): Diagnostic[] {
  const { train = 0, ...others } = unknownShares;
  const high = Object.entries(others).filter(([, share = 0]) => share > MAX_UNKNOWN && share > 2 * train);
  return high.map(([name, share = 0]) => {
    const percent = (of: number): string => `${(100 * of).toFixed(1)} %`;
    const message = `${percent(share)} of the symbols of the ${name} split are unknown, and ${percent(train)} of the training split`;
    return locator.atKey(['dataset', 'min_count'], 'data/unknown-symbols', message);
  });
}

/** A class may occur in one split only. */
function classesOf(data: DataShape): number {
  const splits = [data.train, ...Object.values(otherSplits(data))];
  return Math.max(...splits.map(({ targets }) => targetFacts(targets).numClasses ?? 0));
}

/** The splits that are not trained on, by name. */
function otherSplits({ validation, test }: DataShape): Readonly<Record<string, SplitShape>> {
  return { ...(validation && { validation }), test };
}

function sameTargets(a: TargetShape, b: TargetShape): boolean {
  const [one, other] = [targetFacts(a), targetFacts(b)];
  return a.kind === b.kind && one.perStep === other.perStep && one.size === other.size;
}
