/**
 * Errors that let a run know what it is to be tested on, or be judged by what it was selected by.
 */
import { plantsOf } from './plant.js';

export const leaks = plantsOf({
  'src/data/core/selection': [
    [
      'return { test: drawn, train: rest };',
      'return { test: drawn, train: range(count) };',
      'test rows stay in the training split',
      'data-validation',
    ],
    [
      'train: subset(train, rest, sequenceLength)',
      'train',
      'validation rows stay in the training split',
      'data-validation',
    ],
    [
      'validation: subset(train, validation, sequenceLength)',
      'validation: dataset.test',
      'the test split is selected by',
      'data-validation',
    ],
  ],
  'src/data/table': [
    [
      'const columns = trainingColumns(dataset, {',
      'const columns = trainingColumns({ ...dataset, train: dataset.test }, {',
      'scaling is fitted on the test split',
      'data-scaling',
    ],
    [
      'dividesItself ? whole : dividedTraining(whole, config, seed);',
      "{ ...dividedTraining(whole, config, seed), ...(normalize === 'columns' && { train: whole.train }) };",
      'scaling is fitted on all rows, those set aside among them',
      'data-scaling',
    ],
  ],
  'src/data/core/scaling': [
    'const length = train.lengths?.[index] ?? sequenceLength;',
    'const length = sequenceLength;',
    'padding counts in the scaling',
    'data-scaling',
  ],
  'src/train/loop': [
    [
      'dataset[name] ?? dataset.test',
      'dataset.test',
      'what is told as validation is the test split',
      'validation',
    ],
    [
      "measure(training, evaluation, 'test', position)",
      "measure(training, evaluation, 'validation', position)",
      'the validation split is reported as the test split',
      'validation',
    ],
  ],
  'src/train/baselines': [
    'constants(run, train.targets);',
    'constants(run, split.targets);',
    'trivial baselines are fitted on the split that they are measured on',
    'baselines',
  ],
  'src/data/vocabulary': [
    'eachSymbol(train, sequenceLength,',
    'eachSymbol(test, sequenceLength,',
    'the vocabulary is fitted on the test split',
    'data-jsonl',
  ],
  'src/data/text': [
    'const trained = countsOf(parts.train);',
    'const trained = countsOf({ stream: streams.train, range: { from: 0, to: streams.train.length } });',
    'the vocabulary of a language model knows the test split',
    'data-text',
  ],
  'src/data/forecast': [
    [
      'keys[row] < trainEnd',
      'keys[row] < cuts.test',
      'series are scaled by the validation split as well',
      'forecast',
    ],
    ['column === target', 'false', 'a forecast reads its target in advance', 'config'],
  ],
  'src/data/forecast-windows': [
    [
      'keys[rows[origin + horizon - 1]] >= to',
      'keys[rows[origin]] >= to',
      'the last windows of a split predict steps of the next one',
      'forecast',
    ],
    ['isFuture && c < observed ? 0 :', '', 'a window reads what it is to forecast', 'forecast'],
  ],
  'src/config/overlap-check': [
    'splits.slice(0, later)',
    'splits.slice(1, later)',
    'test sequences are not looked for in the training split',
    'equal-sequences',
  ],
  'src/data/core/store': [
    'split.id(indices[index])',
    'split.id(index)',
    'sequences of a split have the names of others',
    'sequence-ids',
  ],
  'src/train/same-data': [
    [
      'isSame && now.length === then.length',
      'isSame',
      'data files that were removed after a run are not noticed',
      'run-edges',
    ],
    [
      'split === then[i].split',
      'true',
      'training files that were moved to the test split are not noticed',
      'run-edges',
    ],
  ],
  'src/judge/judging/deciding': [
    'own.length > 0 ? own',
    'own.length > 1 ? own',
    'the files of the test split are not told from those of the training split',
    'review',
  ],
});
