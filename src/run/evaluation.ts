/** `evaluation.json`: details of the latest evaluation, at the end of a run of the test split. */

import {
  boolean,
  choice,
  count,
  either,
  integer,
  list,
  listedNumber,
  literal,
  measured,
  named,
  nullable,
  number,
  optional,
  spelledOut,
  struct,
  type TypeOf,
  text,
  union,
} from '../util/schema.js';

const place = {
  index: count('Position of the sequence in the test split, from 0.'),
  id: optional(text('Name of the sequence in the data; absent if sequences have no names.')),
  step_in_sequence: optional(
    count(
      'Step of the sequence, from 0; present if the model has an output at every step (model.head.from: every).',
    ),
  ),
};

const fraction = (description: string) => measured({ description, min: 0, max: 1 });
const error = (description: string) => measured({ description, min: 0 });

const mistake = named(
  'mistake',
  struct(
    {
      ...place,
      label: count('The true class, from 0.'),
      predicted: nullable(
        count('The class with the largest logit (the first if several are equal); null if a logit is NaN.'),
      ),
      loss: measured('Loss of this prediction; null if not finite.'),
      probability: fraction('Softmax of the predicted class; null if not finite.'),
      label_probability: fraction('Softmax of the label; null if not finite.'),
      image: optional(text('The sequence as an image; `images` describes the format.')),
    },
    'A prediction of another class than the label.',
  ),
);

const images = named(
  'images',
  struct(
    {
      width: count('Pixels per row.'),
      height: count('Rows.'),
      encoding: literal(
        'base64-uint8',
        'Base64 of one unsigned byte per pixel, row by row from the top left, 0 black, 255 white. Floating-point pixels are scaled to the range of the split.',
      ),
    },
    'Size and encoding of every image.',
  ),
);

const score = (description: string) => number({ description, min: 0, max: 1 });
const scores = named(
  'scores',
  struct(
    {
      precision: score('Fraction of its predictions that are correct; 0 if there are none.'),
      recall: score('Fraction of its cases that were predicted; 0 if there are none.'),
      f1: score('Harmonic mean of precision and recall; 0 if both are 0.'),
      support: count('Number of true cases.'),
    },
    'The scores of a class or label; docs/reference/metrics.md has the formulas.',
  ),
);

const output = named(
  'output',
  struct(
    {
      mean_absolute_error: error('Mean absolute difference; null if not finite.'),
      rmse: error('Root mean squared difference; null if not finite.'),
      r2: optional(
        measured({
          description:
            'Coefficient of determination. null if not finite, absent if there is a single prediction.',
          max: 1,
        }),
      ),
    },
    'Errors of the predictions of one target, in the units of the data.',
  ),
);

const worst = named(
  'worst',
  struct(
    {
      ...place,
      target: list(listedNumber, 'The target; its first 100 numbers.'),
      prediction: list(listedNumber, 'The prediction; its first 100 numbers.'),
      absolute_error: error('Mean absolute difference over all numbers; null if not finite.'),
    },
    'A prediction far from its target.',
  ),
);

const oneOrFour = (description: string) =>
  either([number({}), list(listedNumber, { maxItems: 4 })], { description });
const pair = named(
  'pair',
  struct(
    {
      ...place,
      target: oneOrFour('The target; its first 4 numbers if it has several.'),
      prediction: spelledOut(
        oneOrFour('Their predictions; null for a single number that is not finite.'),
        'always',
      ),
    },
    'A target and its prediction.',
  ),
);

const facts = {
  split: choice(['validation', 'test'], 'The split evaluated.'),
  epoch: count('The epoch in progress, or just ended, when the run was evaluated; from 1.'),
  step: count('Completed optimizer steps at that point.'),
  predictions: count(
    'Number of predictions, one per sequence or per step, without those with an ignored label.',
  ),
  loss: measured('Mean loss over those predictions; null if not finite.'),
  constant: boolean(
    "Whether the model gave the same answer for every input although the targets differ: one class for all, or values that vary by less than a hundredth of their targets' range.",
  ),
};
const version = literal(1, 'Version of this format.');
const names = (description: string) => nullable(list(text({}), description));

const classEvaluation = struct(
  {
    version,
    kind: literal('class', 'The model predicts classes.'),
    ...facts,
    accuracy: fraction(
      'Fraction of predictions whose largest logit is that of the label; null if not finite.',
    ),
    classes: count('Number of classes.'),
    class_names: names('The name of each class; null where the data have none.'),
    confusion: nullable(
      list(
        list(integer({ min: 0 }), 'The predictions of one label.'),
        'Confusion matrix: how often each label (row) was predicted as each class (column), over the predictions that count. null if there are more than 100 classes.',
      ),
    ),
    per_class: nullable(
      list(scores, 'The scores of each class, in order; null if there are more than 1000 classes.'),
    ),
    undecided: count(
      'Counted predictions with a logit that is NaN: incorrect, and in no column of the confusion matrix.',
    ),
    mistakes: list(mistake, {
      description:
        'Up to 24 incorrect predictions with the largest losses, largest first; ties in the order of the data. NaN counts as the largest loss.',
      maxItems: 24,
    }),
    images: nullable(images, {
      description:
        'Format of the images of the mistakes; null if the data are not images or have more than 10,000 pixels.',
    }),
  },
  'The model predicts classes.',
);

const valueEvaluation = struct(
  {
    version,
    kind: literal('value', 'The model predicts values.'),
    ...facts,
    mean_absolute_error: error(
      'Mean absolute difference from the targets, over all numbers of all predictions; null if not finite.',
    ),
    worst: list(worst, {
      description:
        'Up to 24 predictions with the largest absolute errors, largest first; ties in the order of the data. NaN counts as the largest error.',
      maxItems: 24,
    }),
    target_names: names('The name of each target; null if the data have no names.'),
    per_output: nullable(
      list(
        output,
        'Errors of the predictions of each target, in order; null if there are more than 100 targets.',
      ),
    ),
    sample: list(pair, {
      description: 'At most 200 targets with their predictions, evenly spaced in the data.',
      maxItems: 200,
    }),
  },
  'The model predicts values.',
);

const labelEvaluation = struct(
  {
    version,
    kind: literal('label', 'The model predicts several labels; each one applies or does not.'),
    ...facts,
    accuracy: fraction('Fraction of labels that are predicted correctly.'),
    target_names: names('The name of each label; null if the data have no names.'),
    per_label: nullable(
      list(scores, 'The scores of each label, in order; null if there are more than 1000 labels.'),
    ),
    worst: list(worst, {
      description:
        'Up to 24 predictions with the largest losses, largest first: targets and probabilities. NaN counts as the largest loss.',
      maxItems: 24,
    }),
  },
  'The model predicts labels.',
);

export const evaluation = union(
  'kind',
  [
    named('class_evaluation', classEvaluation),
    named('value_evaluation', valueEvaluation),
    named('label_evaluation', labelEvaluation),
  ],
  {
    title: 'Test evaluation',
    description:
      'evaluation.json of a run: detailed metrics of the latest evaluation of the test split. Rewritten before each checkpoint that follows one, including the last; the same training produces the same bytes.',
  },
);

export type PredictionPlace = Pick<Mistake, 'index' | 'id' | 'step_in_sequence'>;
export type Mistake = TypeOf<typeof mistake>;
/** The first numbers of a target and of its prediction. */
export type WorstValue = TypeOf<typeof worst>;
/** A target and its prediction: a number, or the first of several. */
export type ValuePair = TypeOf<typeof pair>;
export type ClassEvaluation = TypeOf<typeof classEvaluation>;
export type ValueEvaluation = TypeOf<typeof valueEvaluation>;
/** Of labels that each apply or not; targets and predictions are probabilities. */
export type LabelEvaluation = TypeOf<typeof labelEvaluation>;

/**
 * The details behind summary.json's metrics. It has no run name or time, so that equal trainings
 * write byte-identical files.
 */
export type SplitEvaluation = ClassEvaluation | ValueEvaluation | LabelEvaluation;
