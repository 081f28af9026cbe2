/**
 * Errors that let a run know what it is to be tested on, or be judged by what it was selected by.
 */
import type { Plant } from './plant.js';

export const leaks: readonly Plant[] = [
  {
    file: 'src/data/selection',
    find: 'return { test: drawn, train: rest };',
    replace: 'return { test: drawn, train: range(count) };',
    why: 'test rows stay in the training split',
    tests: ['data-validation'],
  },
  {
    file: 'src/data/training-part',
    find: 'train: subset(train, rest, sequenceLength)',
    replace: 'train',
    why: 'validation rows stay in the training split',
    tests: ['data-validation'],
  },
  {
    file: 'src/data/training-part',
    find: 'validation: subset(train, validation, sequenceLength)',
    replace: 'validation: dataset.test',
    why: 'the test split is selected by',
    tests: ['data-validation'],
  },
  {
    file: 'src/data/table',
    find: 'const columns = trainingColumns(dataset, {',
    replace: 'const columns = trainingColumns({ ...dataset, train: dataset.test }, {',
    why: 'scaling is fitted on the test split',
    tests: ['data-scaling'],
  },
  {
    file: 'src/data/table',
    find: 'kindOf(config).dividesItself ? whole : dividedTraining(whole, config, seed);',
    replace: '{ ...dividedTraining(whole, config, seed), ...(config.normalize && { train: whole.train }) };',
    why: 'scaling is fitted on all rows, those set aside among them',
    tests: ['data-scaling'],
  },
  {
    file: 'src/data/column-statistics',
    find: 'const length = train.lengths?.[index] ?? sequenceLength;',
    replace: 'const length = sequenceLength;',
    why: 'padding counts in the scaling',
    tests: ['data-scaling'],
  },
  {
    file: 'src/training/run/recorder',
    find: 'session.dataset[name] ?? session.dataset.test',
    replace: 'session.dataset.test',
    why: 'what is told as validation is the test split',
    tests: ['validation'],
  },
  {
    file: 'src/training/run/recorder',
    find: "await this.evaluate('test', position)",
    replace: "await this.evaluate('validation', position)",
    why: 'the validation split is reported as the test split',
    tests: ['validation'],
  },
  {
    file: 'src/training/evaluation/baselines',
    find: 'constants(run, train.targets).map',
    replace: 'constants(run, split.targets).map',
    why: 'trivial baselines are fitted on the split that they are measured on',
    tests: ['baselines'],
  },
  {
    file: 'src/data/text/vocabulary',
    find: 'eachSymbol(train, sequenceLength,',
    replace: 'eachSymbol(test, sequenceLength,',
    why: 'the vocabulary is fitted on the test split',
    tests: ['data-jsonl'],
  },
  {
    file: 'src/data/text/text',
    find: 'const trained = countsOf(parts.train);',
    replace:
      'const trained = countsOf({ stream: streams.train, range: { from: 0, to: streams.train.length } });',
    why: 'the vocabulary of a language model knows the test split',
    tests: ['data-text'],
  },
  {
    file: 'src/data/forecast/forecast',
    find: 'keys[row] < trainEnd',
    replace: 'keys[row] < cuts.test',
    why: 'series are scaled by the validation split as well',
    tests: ['forecast'],
  },
  {
    file: 'src/data/forecast/windows',
    find: 'keys[rows[origin + horizon - 1]] >= to',
    replace: 'keys[rows[origin]] >= to',
    why: 'the last windows of a split predict steps of the next one',
    tests: ['forecast'],
  },
  {
    file: 'src/data/forecast/windows',
    find: 'isFuture && c < observed ? 0 :',
    replace: '',
    why: 'a window reads what it is to forecast',
    tests: ['forecast'],
  },
  {
    file: 'src/config/rules/overlap-check',
    find: 'readers.slice(0, later)',
    replace: 'readers.slice(1, later)',
    why: 'test sequences are not looked for in the training split',
    tests: ['equal-sequences'],
  },
  {
    file: 'src/data/subset',
    find: 'split.id(indices[index])',
    replace: 'split.id(index)',
    why: 'sequences of a split have the names of others',
    tests: ['sequence-ids'],
  },
];
