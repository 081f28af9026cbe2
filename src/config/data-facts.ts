/**
 * Rules between a config and its data. They are checked twice: before reading the data, with the
 * facts that the kind of dataset implies, and again with the data.
 */

import type { PlacedLabel } from '../data/core/labels.js';
import type { DatasetFacts } from '../data/core/pipeline.js';
import { kindOf } from '../data/table.js';
import { taskOf } from '../math/losses/index.js';
import { TASKS } from '../math/metrics/index.js';
import type { Diagnostic } from '../util/errors.js';
import type { ModelConfig, PartialExperiment } from './experiment.js';
import { lossFor } from './losses.js';
import { checkWarmup } from './schedule-checks.js';
import type { Locator } from './yaml/locator.js';

/** Facts about the data, from the config alone or from the data. */
export interface DataFacts extends DatasetFacts {
  /** Required size of the vocabulary: the largest symbol + 1. */
  readonly numSymbols?: number;
  /** The largest symbol. */
  readonly largestSymbol?: PlacedLabel;
  /** The largest label. */
  readonly largestLabel?: PlacedLabel;
}

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
  const needed = TASKS[taskOf(loss)].target;
  if (targetKind === undefined || targetKind === needed) return [];
  const suggestion = lossFor(targetKind);
  const message = `loss ${loss.kind} needs ${needed} targets, but the dataset has ${targetKind} targets`;
  return [locator.atValue(['loss', 'kind'], 'config/loss-target', message, suggestion && { suggestion })];
}

function checkHead({ model }: PartialExperiment, { perStep }: DataFacts, locator: Locator): Diagnostic[] {
  if (perStep === undefined || model === undefined || HAS_OUTPUT_PER_STEP[model.head.from] === perStep)
    return [];
  const fitting = Object.entries(HAS_OUTPUT_PER_STEP).filter(([, eachStep]) => eachStep === perStep);
  const message = `the head has one output per ${perStep ? 'sequence' : 'step'}, but the dataset has one target per ${perStep ? 'step' : 'sequence'}`;
  return [
    locator.atValue(['model', 'head', 'from'], 'config/head-target', message, {
      expected: `from: ${fitting.map(([from]) => from).join(' | ')}`,
    }),
  ];
}

/** True if a head has an output per step instead of one per sequence. */
const HAS_OUTPUT_PER_STEP: Readonly<Record<ModelConfig['head']['from'], boolean>> = {
  last: false,
  final: false,
  mean: false,
  max: false,
  every: true,
};

function checkEmbedding(
  { model, dataset }: PartialExperiment,
  facts: DataFacts,
  locator: Locator,
): Diagnostic[] {
  const { inputKind, numSymbols = 0, largestSymbol } = facts;
  if (model === undefined || inputKind === undefined) return [];
  const path = ['model', 'embedding'];
  const symbols = dataset && kindOf(dataset).symbols;
  if (inputKind === 'number') {
    if (model.embedding === undefined) return [];
    const message = '`embedding` needs symbols, but the steps of the dataset are vectors of numbers';
    const expected = `no \`embedding\`, or ${symbols?.how ?? 'a dataset of symbols'}`;
    return [locator.atKey(path, 'config/embedding', message, { expected })];
  }
  if (model.embedding === undefined) {
    const message = 'the steps of the dataset are symbols, but the model has no `embedding`';
    const expected = `\`embedding: { size: … }\`${symbols ? `, or ${symbols.orNumbers}` : ''}`;
    return [locator.atKey(path, 'config/embedding', message, { expected })];
  }
  const given = model.embedding.num_symbols;
  if (given === undefined || given >= numSymbols) return [];
  const message = `the data contain symbols outside the vocabulary${reasonOf(largestSymbol)}`;
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
  if (TASKS[taskOf(loss)].target !== 'class') {
    const message = `\`num_classes\` cannot be combined with loss ${loss.kind}`;
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
  const message = '`batch_size` exceeds the data, so `last_batch: drop` leaves no batch';
  const more = {
    expected: `at most ${trainCount}, the number of training sequences`,
    got: String(training.batch_size),
  };
  return [locator.atValue(['training', 'batch_size'], 'config/batch-size', message, more)];
}
