/** `evaluation.json`: details of the latest evaluation, at the end of a run of the test split. */

import * as s from '../util/schema.js';

const recording = s.namedStruct('recording', 'A recording, or a part of one.', {
  file: s.text('Its file, from the folder of `dataset.path`, or of the path of the split.'),
  start: s.optional(s.number('Start of the part, in seconds; absent if it begins with the recording.')),
  end: s.optional(s.number('End of the part, in seconds; absent if it ends with the recording.')),
  seconds: s.number('Its length.'),
  bands: s.count('Mel bands of the spectrogram.', 1),
  spectrogram: s.text(
    'Base64 of one unsigned byte per band and column, band by band from the highest: 255 for the loudest, 0 for 60 decibels less or silence.',
  ),
});

const place = {
  index: s.count('Position of the sequence in the test split, from 0.'),
  id: s.optional(s.text('Name of the sequence in the data; absent if sequences have no names.')),
  step_in_sequence: s.optional(
    s.count(
      'Step of the sequence, from 0; present if the model has an output at every step (model.head.from: every).',
    ),
  ),
};

const fraction = (description: string) => s.measured({ description, min: 0, max: 1 });
const error = (description: string) => s.measured({ description, min: 0 });

const context = s.namedStruct(
  'context',
  'What a model of symbols read, as text: words are separated by spaces.',
  {
    before: s.text('Symbols before; empty if the sequence has one prediction.'),
    at: s.text(
      'The symbol whose class is predicted; of a language model the true next symbol; the start of the sequence if it has one prediction.',
    ),
    after: s.text('Symbols after; empty if the sequence has one prediction.'),
  },
);

const mistake = s.namedStruct('mistake', 'An incorrect prediction.', {
  ...place,
  label: s.count('The true class, from 0.'),
  predicted: s.nullable(
    s.count('The class with the largest logit (the first if several are equal); null if a logit is NaN.'),
  ),
  loss: s.measured('Loss of this prediction; null if not finite.'),
  probability: fraction('Softmax of the predicted class; null if not finite.'),
  label_probability: fraction('Softmax of the label; null if not finite.'),
  image: s.optional(s.text('The sequence as an image; `images` describes the format.')),
  context: s.optional(context),
  recording: s.optional(recording),
  over_time: s.optional(
    s.struct(
      'What the model predicts while it hears the recording: after one twentieth, two twentieths, and so on. Present for the worst mistakes of recordings.',
      {
        label: s.list(s.listedNumber, 'Softmax of the true class.'),
        predicted: s.list(s.listedNumber, 'Softmax of the predicted class.'),
      },
    ),
  ),
});

const images = s.namedStruct('images', 'Size and encoding of every image.', {
  width: s.count('Pixels per row.'),
  height: s.count('Rows.'),
  encoding: s.literal(
    'base64-uint8',
    'Base64 of one unsigned byte per pixel, row by row from the top left, 0 black, 255 white. Floating-point pixels are scaled to the range of the split.',
  ),
});

const score = (description: string) => s.number({ description, min: 0, max: 1 });
const scores = s.namedStruct(
  'scores',
  'The scores of a class or label; docs/reference/metrics.md has the formulas.',
  {
    precision: score('Fraction of its predictions that are correct; 0 if there are none.'),
    recall: score('Fraction of its cases that were predicted; 0 if there are none.'),
    f1: score('Harmonic mean of precision and recall; 0 if both are 0.'),
    support: s.count('Number of true cases.'),
  },
);

const output = s.namedStruct('output', 'Errors of the predictions of one target, in the units of the data.', {
  mean_absolute_error: error('Mean absolute difference; null if not finite.'),
  rmse: error('Root mean squared difference; null if not finite.'),
  r2: s.optional(
    s.measured({
      description:
        'Coefficient of determination. null if not finite, absent if there is a single prediction.',
      max: 1,
    }),
  ),
});

const worst = s.namedStruct('worst', 'A prediction far from its target.', {
  ...place,
  target: s.list(s.listedNumber, 'The target; its first 100 numbers.'),
  prediction: s.list(s.listedNumber, 'The prediction; its first 100 numbers.'),
  absolute_error: error('Mean absolute difference over all numbers; null if not finite.'),
});

const oneOrFour = (description: string) =>
  s.either([s.number({}), s.list(s.listedNumber, { maxItems: 4 })], { description });
const pair = s.namedStruct('pair', 'A target and its prediction.', {
  ...place,
  target: oneOrFour('The target; its first 4 numbers if it has several.'),
  prediction: s.spelledOut(
    oneOrFour('Their predictions; null for a single number that is not finite.'),
    'always',
  ),
});

const facts = {
  split: s.choice(['validation', 'test'], 'The split evaluated.'),
  epoch: s.count('The epoch in progress, or just ended, when the run was evaluated; from 1.'),
  step: s.count('Completed optimizer steps at that point.'),
  predictions: s.count(
    'Number of predictions, one per sequence or per step, without those with an ignored label. For sequence targets one per different input; their loss is the mean over all targets.',
  ),
  loss: s.measured('Mean loss over those predictions; null if not finite.'),
  constant: s.boolean(
    "Whether the model made the same prediction for every input although the targets differ: one class for all, or values that vary by less than a hundredth of their targets' range.",
  ),
  example: s.optional(
    s.text(
      'The first sequence of the split, to start from in a report: a text, or a table (CSV) with a line for each step, below the names of the columns if these have some. Absent for recordings, for sequences of more than 10,000 values, and if cells have separators.',
    ),
  ),
};
const version = s.literal(1, 'Version of this format.');
const confidence = {
  reliability: s.optional(
    s.list(
      s.struct('A bin of probabilities.', {
        count: s.count('Number of probabilities.', 1),
        probability: s.number('Their mean.'),
        fraction: s.number('The fraction of their cases that is true.'),
      }),
      'Bins of the probabilities of predicted classes, or of all labels, without empty ones. Present if `calibration_error` is measured.',
    ),
  ),
  coverage: s.optional(
    s.list(
      s.struct('A group.', {
        group: s.text('A value of `test.group`, a series, or else a class.'),
        predictions: s.count('Number of its predictions.', 1),
        coverage: fraction('Fraction of its targets that intervals, or sets of classes, contain.'),
        width: s.measured('Mean width of the intervals, or number of classes in the sets.'),
      }),
      {
        description:
          'Coverage of up to 100 groups, the lowest first. Present with `intervals`, unless values have no groups.',
        maxItems: 100,
      },
    ),
  ),
};
const names = (description: string) => s.nullable(s.list(s.text({}), description));

const classEvaluation = s.struct('The model predicts classes.', {
  version,
  kind: s.literal('class', 'The model predicts classes.'),
  ...facts,
  accuracy: fraction('Fraction of predictions whose largest logit is that of the label; null if not finite.'),
  ...confidence,
  classes: s.count('Number of classes.'),
  class_names: names('The name of each class; null if the data have no names.'),
  confusion: s.nullable(
    s.list(
      s.list(s.integer({ min: 0 }), 'The predictions of one label.'),
      'Confusion matrix: how often each label (row) was predicted as each class (column), over the predictions that count. null if there are more than 100 classes.',
    ),
  ),
  confusion_of_largest: s.optional(
    s.struct(
      'Confusion matrix of the 15 classes with the most cases; present for more than 100 and up to 1000 classes.',
      {
        classes: s.list(s.count('A class.'), 'These classes, the largest first.'),
        counts: s.list(
          s.list(s.integer({ min: 0 }), 'The predictions of one label.'),
          'As `confusion`; the last row and the last column are all other classes together.',
        ),
      },
    ),
  ),
  per_class: s.nullable(
    s.list(scores, 'The scores of each class, in order; null if there are more than 1000 classes.'),
  ),
  undecided: s.count(
    'Counted predictions with a logit that is NaN: incorrect, and in no column of the confusion matrix.',
  ),
  mistakes: s.list(mistake, {
    description:
      'Up to 24 incorrect predictions with the largest losses, largest first; ties in the order of the data. NaN counts as the largest loss.',
    maxItems: 24,
  }),
  images: s.nullable(images, {
    description:
      'Format of the images of the mistakes; null if the data are not images or have more than 10,000 pixels.',
  }),
});

const numbers = (description: string) => s.list(s.nullable(s.number({})), description);

const forecastSteps = {
  target: s.text('The column.'),
  times: s.list(s.text({}), 'The time of each step, or its number in the series, from 1.'),
  actual: numbers('The value of each step; null if it is missing.'),
  predicted: numbers('The forecast of each step; null if it is not finite.'),
  lower: s.optional(
    numbers('The lowest quantile of each step, or the lower end of its interval. Absent without both.'),
  ),
  upper: s.optional(
    numbers('The highest quantile of each step, or the upper end of its interval. Absent without both.'),
  ),
};

const forecasts = s.struct('The forecasts of a `forecast` dataset, to draw them. Absent for other data.', {
  quantiles: s.nullable(s.list(s.number({}), 'The levels of `lower` and `upper`.'), {
    description: 'The levels of `lower` and `upper`; null without two quantiles, and with `coverage`.',
  }),
  coverage: s.optional(s.number('The coverage of `intervals`, which `lower` and `upper` are the ends of.')),
  series: s.list(
    s.struct('A target of a series.', {
      series: s.text('Its name; empty if the table is one series.'),
      ...forecastSteps,
    }),
    'The first steps of the split, about 400, of up to 4 series and 4 targets, each forecast once: from windows that do not overlap.',
  ),
  windows: s.list(
    s.struct('A target of a window.', {
      id: s.text('The name of the window.'),
      history: numbers('The values that the window reads.'),
      ...forecastSteps,
    }),
    'Up to 4 targets of the 6 windows with the largest errors (MASE, or the mean absolute error if it is unknown), largest first, among windows that do not overlap.',
  ),
});

const valueEvaluation = s.struct('The model predicts values.', {
  version,
  kind: s.literal('value', 'The model predicts values.'),
  ...facts,
  mean_absolute_error: error(
    'Mean absolute difference from the targets, over all numbers of all predictions; null if not finite.',
  ),
  worst: s.list(worst, {
    description:
      'Up to 24 predictions with the largest absolute errors, largest first; ties in the order of the data. NaN counts as the largest error.',
    maxItems: 24,
  }),
  target_names: names('The name of each target; null if the data have no names.'),
  per_output: s.nullable(
    s.list(
      output,
      'Errors of the predictions of each target, in order; null if there are more than 100 targets.',
    ),
  ),
  sample: s.list(pair, {
    description: 'At most 200 targets with their predictions, evenly spaced in the data.',
    maxItems: 200,
  }),
  forecasts: s.optional(forecasts),
  coverage: confidence.coverage,
});

const labelEvaluation = s.struct('The model predicts labels.', {
  version,
  kind: s.literal('label', 'The model predicts several labels; each one applies or does not.'),
  ...facts,
  accuracy: fraction('Fraction of labels that are predicted correctly.'),
  reliability: confidence.reliability,
  target_names: names('The name of each label; null if the data have no names.'),
  per_label: s.nullable(
    s.list(scores, 'The scores of each label, in order; null if there are more than 1000 labels.'),
  ),
  worst: s.list(worst, {
    description:
      'Up to 24 predictions with the largest losses, largest first: targets and probabilities. NaN counts as the largest loss.',
    maxItems: 24,
  }),
});

const symbol = (description: string) => s.nullable(s.integer({}), { description });
const pairOfSymbols = {
  target: symbol('Symbol of the target; null for an insertion.'),
  predicted: symbol('Symbol of the prediction; null for a deletion.'),
};

const misread = s.namedStruct('misread', 'A sequence that was predicted with errors.', {
  index: place.index,
  id: place.id,
  input: s.optional(s.text('Start of the input; absent if steps are numbers.')),
  recording: s.optional(recording),
  errors: s.count('Insertions, deletions and substitutions.', 1),
  probability: fraction('Probability of the prediction; null if not finite.'),
  alignment: s.list(
    s.struct('Symbols at the same position.', pairOfSymbols),
    'The target and the prediction with the fewest edits; the first 200 positions.',
  ),
});

const alignedSequence = s.namedStruct(
  'aligned_sequence',
  'A predicted sequence, and the steps of the input that each symbol was read from.',
  {
    index: place.index,
    id: place.id,
    steps: s.count('Steps of the input.', 1),
    input: s.optional(s.list(s.text({}), 'The symbol of each step; absent if steps are numbers.')),
    recording: s.optional(recording),
    predicted: s.list(s.count('A symbol.'), 'The predicted symbols.'),
    weights: s.text(
      'Base64 of one unsigned byte per predicted symbol and step, symbol by symbol: 255 times the weight of the step in the attention of the decoder; with loss ctc, 255 times the probability that the symbol is read at the step, given the prediction.',
    ),
  },
);

const sequenceEvaluation = s.struct('The model predicts sequences of symbols.', {
  version,
  kind: s.literal('sequence', 'The model predicts sequences of symbols.'),
  ...facts,
  inputs: s.count('Number of different inputs; of those with several targets, the nearest counts.'),
  token_error_rate: error(
    'Insertions, deletions and substitutions, divided by the symbols of the targets; null if not finite.',
  ),
  sequence_accuracy: fraction('Fraction of inputs that are predicted without an error; null if not finite.'),
  symbols: s.count('Number of different symbols.'),
  symbol_names: names('The text of each symbol; null if the data have no names.'),
  edits: s.struct('Number of errors of each kind.', {
    substitutions: s.count('Symbols that were predicted as another one.'),
    insertions: s.count('Predicted symbols that the target does not have.'),
    deletions: s.count('Symbols of the target that were not predicted.'),
  }),
  confusions: s.list(
    s.struct('An error.', { ...pairOfSymbols, count: s.count('How often it was made.', 1) }),
    { description: 'Up to 50 of the most frequent errors, most frequent first.', maxItems: 50 },
  ),
  misread: s.list(misread, {
    description: 'Up to 24 sequences with the most errors, most first; ties in the order of the data.',
    maxItems: 24,
  }),
  alignments: s.optional(
    s.list(alignedSequence, {
      description:
        'Up to 8 predictions, evenly spaced in the split, and up to 4 others of `misread`, most errors first; without those that are empty or have more than 16,384 weights. Absent for a decoder without attention.',
      maxItems: 12,
    }),
  ),
});

export const evaluation = s.union(
  'kind',
  [
    s.named('class_evaluation', classEvaluation),
    s.named('value_evaluation', valueEvaluation),
    s.named('label_evaluation', labelEvaluation),
    s.named('sequence_evaluation', sequenceEvaluation),
  ],
  {
    title: 'Test evaluation',
    description:
      'evaluation.json of a run: detailed metrics of the latest evaluation of the test split. Rewritten before each checkpoint that follows one, including the last; the same training produces the same bytes.',
  },
);

export type PredictionPlace = Pick<Mistake, 'index' | 'id' | 'step_in_sequence'>;
export type RecordingPicture = s.TypeOf<typeof recording>;
export type Mistake = s.TypeOf<typeof mistake>;
export type MistakeContext = NonNullable<Mistake['context']>;
/** The first numbers of a target and of its prediction. */
export type WorstValue = s.TypeOf<typeof worst>;
/** A target and its prediction: a number, or the first of several. */
export type ValuePair = s.TypeOf<typeof pair>;
export type ForecastEvaluation = s.TypeOf<typeof forecasts>;
export type ClassEvaluation = s.TypeOf<typeof classEvaluation>;
export type LargestClasses = NonNullable<ClassEvaluation['confusion_of_largest']>;
export type ValueEvaluation = s.TypeOf<typeof valueEvaluation>;
/** Of labels that each apply or not; targets and predictions are probabilities. */
export type LabelEvaluation = s.TypeOf<typeof labelEvaluation>;

export type SequenceEvaluation = s.TypeOf<typeof sequenceEvaluation>;
export type MisreadSequence = s.TypeOf<typeof misread>;
export type AlignedSequence = s.TypeOf<typeof alignedSequence>;

/**
 * The details behind summary.json's metrics. It has no run name or time, so that equal trainings
 * write byte-identical files.
 */
export type SplitEvaluation = ClassEvaluation | ValueEvaluation | LabelEvaluation | SequenceEvaluation;

/** Classes of a confusion matrix that people read; the others are counted together. */
const LARGEST = 15;

/** @returns undefined if no class would be left out */
export function confusionOfLargest(confusion: readonly ArrayLike<number>[]): LargestClasses | undefined {
  if (confusion.length <= LARGEST + 1) return undefined;
  const cases = confusion.map(row => Array.from(row).reduce((sum, count) => sum + count, 0));
  const classes = [...cases.keys()].sort((a, b) => cases[b] - cases[a] || a - b).slice(0, LARGEST);
  const placeOf = confusion.map((_, k) => (classes.includes(k) ? classes.indexOf(k) : LARGEST));
  const counts = Array.from({ length: LARGEST + 1 }, () => new Array<number>(LARGEST + 1).fill(0));
  for (const [label, row] of confusion.entries())
    for (let k = 0; k < row.length; k++) counts[placeOf[label]][placeOf[k]] += row[k];
  return { classes, counts };
}
