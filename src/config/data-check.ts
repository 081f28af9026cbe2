/** The last check before training: the config against the data that were read, and the model's completed sizes. */
import type { SequenceInput } from '../data/dataset.js';
import type { LabelFacts, PlacedLabel } from '../data/labels.js';
import { type Diagnostic, damagedError } from '../errors.js';
import { checkFacts, type DataFacts } from './data-facts.js';
import type { ModelConfig } from './experiment.js';
import { checkLabels, checkVariety, type LabelVerdict } from './label-check.js';
import type { LoadedExperiment } from './load.js';
import { modelWarnings } from './model-checks.js';

/** What the check needs to know of a split's targets. */
export type TargetShape =
  | { readonly kind: 'class'; readonly numClasses: number; readonly perStep: boolean }
  | { readonly kind: 'value'; readonly size: number };

interface SplitShape {
  readonly count: number;
  readonly targets: TargetShape;
  readonly lengths?: Int32Array;
}

/** What the check needs to know of a dataset; every `Dataset` is one. */
export interface DataShape {
  readonly input: SequenceInput;
  readonly sequenceLength: number;
  readonly train: SplitShape;
  readonly test: SplitShape;
  readonly labels?: LabelFacts;
  readonly largestSymbol?: PlacedLabel;
}

/** The sizes that a config leaves to the data. */
export interface ModelSizes {
  /** What a step is: F numbers, or one of so many symbols. */
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
 * @throws UserError exit 5 where only labels are wrong, at their place in the data
 */
export function checkAgainstData(loaded: LoadedExperiment, data: DataShape): DataVerdict {
  const { experiment, locator } = loaded;
  const { targets } = data.train;
  const diagnostics = checkFacts(experiment, factsOf(data), locator);
  if (!sameTargets(targets, data.test.targets)) {
    const message = 'the training and the test split have different kinds of targets';
    diagnostics.push(locator.atKey(['dataset'], 'config/split-targets', message));
  }
  const { damage, warnings } = labelsVerdict(loaded, data);
  if (diagnostics.length === 0 && damage.length > 0) throw damagedError(...damage);
  const outputSize =
    targets.kind === 'class' ? (experiment.model.num_classes ?? classesOf(data)) : targets.size;
  return {
    diagnostics: [...diagnostics, ...damage],
    warnings: [
      ...modelWarnings(experiment, locator),
      ...checkLimit(loaded, data),
      ...checkLengths(loaded, data),
      ...warnings,
    ],
    sizes: {
      input: completeInput(experiment.model, data.input),
      sequenceLength: data.sequenceLength,
      outputSize,
    },
  };
}

function factsOf(data: DataShape): DataFacts {
  const { input, labels, largestSymbol, train } = data;
  const { targets } = train;
  return {
    inputKind: input.kind,
    ...(input.kind === 'symbol' && { numSymbols: input.count, largestSymbol }),
    targetKind: targets.kind,
    perStep: targets.kind === 'class' && targets.perStep,
    ...(targets.kind === 'class' && { numClasses: classesOf(data), largestLabel: labels?.largest }),
    trainCount: train.count,
  };
}

/** A config that says how many symbols there are decides. */
function completeInput({ embedding }: ModelConfig, input: SequenceInput): SequenceInput {
  return input.kind === 'symbol' ? { kind: 'symbol', count: embedding?.num_symbols ?? input.count } : input;
}

/** Labels mean classes only to cross_entropy, and a config that gives their number has decided. */
function labelsVerdict({ experiment: { loss, model } }: LoadedExperiment, data: DataShape): LabelVerdict {
  if (data.labels === undefined || loss.kind !== 'cross_entropy') return { damage: [], warnings: [] };
  if (model.num_classes !== undefined) return { damage: [], warnings: checkVariety(data.labels) };
  return checkLabels(data.labels, classesOf(data));
}

/** A limit is an upper bound, so that one that nothing reaches is no error, but perhaps a slip. */
function checkLimit(
  { experiment: { dataset }, locator }: LoadedExperiment,
  { train }: DataShape,
): Diagnostic[] {
  const limit = dataset.kind === 'synthetic' ? undefined : dataset.limit;
  if (limit === undefined || limit <= train.count) return [];
  const message = `dataset.limit is ${limit}, but there are only ${train.count} training sequences; all are used`;
  return [locator.atValue(['dataset', 'limit'], 'data/limit', message)];
}

/** Sequences of one length are alike to whoever sorts them by it. */
function checkLengths({ experiment, locator }: LoadedExperiment, { train }: DataShape): Diagnostic[] {
  if (!experiment.training.bucket_by_length || train.lengths !== undefined) return [];
  const message = 'all training sequences have the same length, so that `bucket_by_length` changes nothing';
  return [locator.atValue(['training', 'bucket_by_length'], 'data/one-length', message)];
}

/** A class may occur in one split only. */
function classesOf(data: DataShape): number {
  const count = (targets: TargetShape): number => (targets.kind === 'class' ? targets.numClasses : 0);
  return Math.max(count(data.train.targets), count(data.test.targets));
}

function sameTargets(a: TargetShape, b: TargetShape): boolean {
  if (a.kind === 'class') return b.kind === 'class' && a.perStep === b.perStep;
  return b.kind === 'value' && a.size === b.size;
}
