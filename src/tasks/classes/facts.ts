/** What is known of classes without data, and their part of `evaluation.json`. */
import * as s from '../../util/schema.js';
import { common, confidence, fraction, names, place, recording, scores, version } from '../core/document.js';
import type { TaskFacts } from '../core/facts.js';

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

export const classEvaluation = s.struct('The model predicts classes.', {
  version,
  kind: s.literal('class', 'The model predicts classes.'),
  ...common,
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

export type ClassEvaluation = s.TypeOf<typeof classEvaluation>;
export type Mistake = s.TypeOf<typeof mistake>;
export type MistakeContext = NonNullable<Mistake['context']>;
type LargestClasses = NonNullable<ClassEvaluation['confusion_of_largest']>;

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

export const classes = {
  target: 'class',
  metrics: ['accuracy'],
  selects: 'accuracy',
  usualLoss: 'cross_entropy',
  fits: ['calibrate', 'threshold', 'intervals'],
  activation: 'softmax',
} as const satisfies TaskFacts;
