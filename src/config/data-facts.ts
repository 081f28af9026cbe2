/**
 * Rules between a config and its data. They are judged twice: before the data are read, with what the dataset's kind
 * already says, and again with the data themselves.
 */
import type { PlacedLabel } from '../data/labels.js';
import type { Diagnostic } from '../errors.js';
import type { DatasetConfig, PartialExperiment } from './experiment.js';
import type { Locator } from './locator.js';

/** What is known about the data; absent where it is not known yet. */
export interface DataFacts {
  readonly targetKind?: 'class' | 'value';
  /** Whether each step has a target of its own. */
  readonly perStep?: boolean;
  /** Classes that the labels need: the largest label and one. */
  readonly numClasses?: number;
  /** The label that needs them all. */
  readonly largestLabel?: PlacedLabel;
  /** N of the training split. */
  readonly trainCount?: number;
}

const MNIST_TRAIN_COUNT = 60_000;
const MNIST_CLASSES = 10;
/** Eight symbols, the blank and the delimiter. */
const COPY_MEMORY_CLASSES = 10;

/** What the config alone says about its data. */
export function factsOfConfig(dataset: DatasetConfig): DataFacts {
  switch (dataset.kind) {
    case 'mnist':
      return {
        targetKind: 'class',
        perStep: false,
        numClasses: MNIST_CLASSES,
        trainCount: Math.min(dataset.limit ?? MNIST_TRAIN_COUNT, MNIST_TRAIN_COUNT),
      };
    case 'idx':
      return { targetKind: 'class', perStep: false };
    case 'npz':
      return {};
    case 'csv':
      return { targetKind: dataset.target_kind, perStep: dataset.sequence?.per_step ?? false };
    case 'synthetic':
      return dataset.problem === 'adding'
        ? { targetKind: 'value', perStep: false, trainCount: dataset.train_size }
        : {
            targetKind: 'class',
            perStep: true,
            numClasses: COPY_MEMORY_CLASSES,
            trainCount: dataset.train_size,
          };
    default:
      return dataset satisfies never;
  }
}

/** Complaints about a config that does not fit what is known about its data. */
export function checkFacts(experiment: PartialExperiment, facts: DataFacts, locator: Locator): Diagnostic[] {
  return [
    ...checkLoss(experiment, facts, locator),
    ...checkHead(experiment, facts, locator),
    ...checkNumClasses(experiment, facts, locator),
    ...checkBatchSize(experiment, facts, locator),
  ];
}

function checkLoss({ loss }: PartialExperiment, { targetKind }: DataFacts, locator: Locator): Diagnostic[] {
  if (loss === undefined) return [];
  const needed = loss.kind === 'cross_entropy' ? 'class' : 'value';
  if (targetKind === undefined || targetKind === needed) return [];
  const suggestion = targetKind === 'class' ? 'cross_entropy' : 'mse';
  const message = `loss ${loss.kind} needs ${needed} targets, the dataset has ${targetKind} targets`;
  return [locator.atValue(['loss', 'kind'], 'config/loss-target', message, { suggestion })];
}

function checkHead({ model }: PartialExperiment, { perStep }: DataFacts, locator: Locator): Diagnostic[] {
  const needed = perStep ? 'every' : 'last';
  if (perStep === undefined || model === undefined || model.head.from === needed) return [];
  const message = `the head answers ${perStep ? 'once a sequence' : 'at every step'}, the dataset has one target a ${perStep ? 'step' : 'sequence'}`;
  return [
    locator.atValue(['model', 'head', 'from'], 'config/head-target', message, {
      expected: `from: ${needed}`,
    }),
  ];
}

function checkNumClasses(
  { model, loss }: PartialExperiment,
  facts: DataFacts,
  locator: Locator,
): Diagnostic[] {
  const given = model?.num_classes;
  if (given === undefined || loss === undefined) return [];
  const path = ['model', 'num_classes'];
  if (loss.kind === 'mse') {
    return [locator.atKey(path, 'config/num-classes', '`num_classes` has no meaning with loss mse')];
  }
  if (facts.numClasses === undefined || given >= facts.numClasses) return [];
  const { largestLabel: label } = facts;
  const reason = label === undefined ? '' : `: ${label.name} in ${label.place.file} is ${label.value}`;
  const message = `the labels need ${facts.numClasses} classes${reason}`;
  const more = { expected: `at least ${facts.numClasses}`, got: String(given) };
  return [locator.atValue(path, 'config/num-classes', message, more)];
}

function checkBatchSize(
  { training }: PartialExperiment,
  { trainCount }: DataFacts,
  locator: Locator,
): Diagnostic[] {
  if (trainCount === undefined || training === undefined) return [];
  if (training.last_batch === 'train' || training.batch_size <= trainCount) return [];
  const message = 'no batch is ever full, and `last_batch: drop` drops the one that is not';
  const more = {
    expected: `at most ${trainCount}, the number of training sequences`,
    got: String(training.batch_size),
  };
  return [locator.atValue(['training', 'batch_size'], 'config/batch-size', message, more)];
}
