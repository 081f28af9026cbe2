/**
 * Rules between a config and its data. They are judged twice: before the data are read, with what the dataset's kind
 * already says, and again with the data themselves.
 */
import type { DatasetFacts } from '../../data/kind.js';
import type { PlacedLabel } from '../../data/labels.js';
import type { Diagnostic } from '../../util/errors.js';
import type { ModelConfig, PartialExperiment } from '../experiment.js';
import type { Locator } from '../yaml/locator.js';
import { lossFacts, lossFor } from './losses.js';
import { checkWarmup } from './schedule-checks.js';

/** What is known of the data, by the config alone or with the data themselves. */
export interface DataFacts extends DatasetFacts {
  /** Symbols that the data need: the largest and one. */
  readonly numSymbols?: number;
  /** The symbol that needs them all. */
  readonly largestSymbol?: PlacedLabel;
  /** The label that needs all classes. */
  readonly largestLabel?: PlacedLabel;
}

/** Complaints about a config that does not fit what is known about its data. */
export function checkFacts(experiment: PartialExperiment, facts: DataFacts, locator: Locator): Diagnostic[] {
  return [
    ...checkLoss(experiment, facts, locator),
    ...checkHead(experiment, facts, locator),
    ...checkEmbedding(experiment, facts, locator),
    ...checkNumClasses(experiment, facts, locator),
    ...checkBatchSize(experiment, facts, locator),
    ...checkWarmup(experiment, facts.trainCount, locator),
  ];
}

function checkLoss({ loss }: PartialExperiment, { targetKind }: DataFacts, locator: Locator): Diagnostic[] {
  if (loss === undefined) return [];
  const { target: needed } = lossFacts(loss);
  if (targetKind === undefined || targetKind === needed) return [];
  const suggestion = lossFor(targetKind);
  const message = `loss ${loss.kind} needs ${needed} targets, but the dataset has ${targetKind} targets`;
  return [locator.atValue(['loss', 'kind'], 'config/loss-target', message, suggestion && { suggestion })];
}

function checkHead({ model }: PartialExperiment, { perStep }: DataFacts, locator: Locator): Diagnostic[] {
  if (perStep === undefined || model === undefined || ANSWERS_EACH_STEP[model.head.from] === perStep)
    return [];
  const fitting = Object.entries(ANSWERS_EACH_STEP).filter(([, eachStep]) => eachStep === perStep);
  const message = `the head has one output per ${perStep ? 'sequence' : 'step'}, but the dataset has one target per ${perStep ? 'step' : 'sequence'}`;
  return [
    locator.atValue(['model', 'head', 'from'], 'config/head-target', message, {
      expected: `from: ${fitting.map(([from]) => from).join(' | ')}`,
    }),
  ];
}

/** Whether a head has an output for each step, not one for the whole sequence. */
const ANSWERS_EACH_STEP: Readonly<Record<ModelConfig['head']['from'], boolean>> = {
  last: false,
  final: false,
  mean: false,
  max: false,
  every: true,
};

function checkEmbedding({ model }: PartialExperiment, facts: DataFacts, locator: Locator): Diagnostic[] {
  const { inputKind, numSymbols = 0, largestSymbol } = facts;
  if (model === undefined || inputKind === undefined) return [];
  const path = ['model', 'embedding'];
  if (inputKind === 'number') {
    if (model.embedding === undefined) return [];
    const message = 'an embedding needs symbols, but each step of the dataset is a vector of numbers';
    const expected = 'integers [N, T] as x of an npz dataset, or no `embedding`';
    return [locator.atKey(path, 'config/embedding', message, { expected })];
  }
  if (model.embedding === undefined) {
    const message = 'each step of the dataset is a symbol, but the model has no `embedding`';
    const expected = '`embedding: { size: … }`, or numbers [N, T, F] as x';
    return [locator.atKey(path, 'config/embedding', message, { expected })];
  }
  const given = model.embedding.num_symbols;
  if (given === undefined || given >= numSymbols) return [];
  const message = `the data have symbols outside the vocabulary${reasonOf(largestSymbol)}`;
  const more = { expected: `at least ${numSymbols}`, got: String(given) };
  return [locator.atValue([...path, 'num_symbols'], 'config/num-symbols', message, more)];
}

/** `: y[3] in a.npz is 7` */
function reasonOf(largest: PlacedLabel | undefined): string {
  return largest === undefined ? '' : `: ${largest.name} in ${largest.place.file} is ${largest.value}`;
}

function checkNumClasses(
  { model, loss }: PartialExperiment,
  facts: DataFacts,
  locator: Locator,
): Diagnostic[] {
  const given = model?.num_classes;
  if (given === undefined || loss === undefined) return [];
  const path = ['model', 'num_classes'];
  if (lossFacts(loss).target !== 'class') {
    const message = `\`num_classes\` has no meaning with loss ${loss.kind}`;
    return [locator.atKey(path, 'config/num-classes', message)];
  }
  if (facts.numClasses === undefined || given >= facts.numClasses) return [];
  const message = `the labels need ${facts.numClasses} classes${reasonOf(facts.largestLabel)}`;
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
