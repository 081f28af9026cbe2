/** Checks a config against its data, last before training, and determines the model's sizes. */
import { IGNORED, inputWidth, type SequenceInput } from '../data/core/dataset.js';
import type { LabelFacts, PlacedLabel } from '../data/core/labels.js';
import type { Values } from '../data/core/values.js';
import { outputsFor, taskOf } from '../math/losses/index.js';
import { TASKS } from '../math/metrics/index.js';
import { type Diagnostic, damagedError } from '../util/errors.js';
import { checkFacts, type DataFacts } from './data-facts.js';
import { type ColumnFacts, dataWarnings, type SeriesShape } from './data-warnings.js';
import type { Experiment } from './experiment.js';
import type { LoadedExperiment } from './load.js';
import { checkOverlap } from './overlap-check.js';
import { checkLossTargets, labelWarnings, strayLabels } from './target-checks.js';
import { trainingWarnings } from './training-checks.js';

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

export interface SplitShape {
  readonly count: number;
  readonly targets: TargetShape;
  readonly lengths?: Int32Array;
  /** Like `Split.read`; absent if the sequences are not compared. */
  read?(index: number, out: Float32Array, offset: number, stepStride: number): void;
  id?(index: number): string;
  readonly idIsPlace?: true;
  errorScale?(index: number): number | undefined;
}

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
  readonly digests?: readonly { readonly name: string; readonly sha256: string; readonly split: string }[];
}

export interface ModelSizes {
  readonly input: SequenceInput;
  /** T, steps per sequence. */
  readonly sequenceLength: number;
  /** Outputs of the head: classes, or values of a target. */
  readonly outputSize: number;
}

export interface DataVerdict {
  readonly diagnostics: readonly Diagnostic[];
  readonly warnings: readonly Diagnostic[];
  /** Valid only if there are no diagnostics. */
  readonly sizes: ModelSizes;
}

/** Throws (exit 5) if only labels are wrong, at their places in the data. */
export function checkAgainstData(loaded: LoadedExperiment, data: DataShape): DataVerdict {
  const { experiment, locator } = loaded;
  const { model, loss } = experiment;
  const { train, validation, test, input, sequenceLength } = data;
  const heldOut: Readonly<Record<string, SplitShape>> = { ...(validation && { validation }), test };
  const splits = { training: train, ...heldOut };
  const numClasses = Math.max(...Object.values(splits).map(({ targets }) => classesOf(targets)));
  const outputSize = outputsOf(experiment, train.targets, numClasses);
  const diagnostics = [...checkFacts(experiment, factsOf(data, numClasses), locator)];
  for (const [name, { targets }] of Object.entries(heldOut)) {
    if (formOf(targets) === formOf(train.targets)) continue;
    const message = `the training split and the ${name} split have different kinds of targets`;
    diagnostics.push(locator.atKey(['dataset'], 'config/split-targets', message));
  }
  if (diagnostics.length === 0) diagnostics.push(...checkLossTargets(loaded, splits, outputSize));
  const ignored = ['loss', 'ignored_index'];
  for (const [name, { targets }] of Object.entries(splits)) {
    if (!isAllIgnored(targets)) continue;
    const at = locator.isGiven(ignored) ? ignored : ['dataset'];
    const message = `all labels of the ${name} split are ignored`;
    diagnostics.push(locator.atValue(at, 'config/no-predictions', message));
  }
  const isClassLoss = TASKS[taskOf(loss)].target === 'class';
  const isGiven = model.num_classes !== undefined;
  const damage = data.labels && isClassLoss && !isGiven ? [...strayLabels(data.labels, numClasses)] : [];
  if (diagnostics.length === 0 && damage.length > 0) throw damagedError(...damage);
  const path = ['dataset', 'path'];
  const placeOfData = locator.isGiven(path) ? path : ['dataset'];
  return {
    diagnostics: [...diagnostics, ...damage],
    warnings: [
      ...dataWarnings(loaded, data),
      ...trainingWarnings(loaded, train),
      ...checkOverlap(loaded, data.digests, splits, { steps: sequenceLength, width: inputWidth(input) }),
      ...[...(isClassLoss ? labelWarnings(data, isGiven) : [])].map(({ code, message }) =>
        locator.atValue(placeOfData, code, message),
      ),
    ],
    sizes: {
      input:
        input.kind === 'symbol'
          ? { kind: 'symbol', count: model.embedding?.num_symbols ?? input.count }
          : input,
      sequenceLength,
      outputSize,
    },
  };
}

/** One output per class, or the outputs of the loss for each number of a target. */
function outputsOf({ model, loss }: Experiment, targets: TargetShape, numClasses: number): number {
  return targets.kind === 'class' ? (model.num_classes ?? numClasses) : outputsFor(loss, targets.size);
}

function factsOf({ input, labels, largestSymbol, train }: DataShape, numClasses: number): DataFacts {
  const { kind, perStep = false } = train.targets;
  return {
    inputKind: input.kind,
    ...(input.kind === 'symbol' && { numSymbols: input.count, largestSymbol }),
    targetKind: kind,
    perStep,
    ...(kind === 'class' && { numClasses, largestLabel: labels?.largest }),
    trainCount: train.count,
  };
}

function classesOf(targets: TargetShape): number {
  return targets.kind === 'class' ? targets.numClasses : 0;
}

/** Equal for targets that one model can predict. */
function formOf(targets: TargetShape): string {
  return [targets.kind, targets.perStep ?? false, targets.kind === 'value' && targets.size].join();
}

/** The loss and metrics of such a split are undefined. */
function isAllIgnored({ kind, values }: TargetShape): boolean {
  if (values === undefined) return false;
  for (const value of values) if (kind === 'class' ? value !== IGNORED : !Number.isNaN(value)) return false;
  return true;
}
