/** What the evaluations of several tasks have in common: parts of `evaluation.json`. */
import * as s from '../../util/schema.js';

export const recording = s.namedStruct('recording', 'A recording, or a part of one.', {
  file: s.text('Its file, from the folder of `dataset.path`, or of the path of the split.'),
  start: s.optional(s.number('Start of the part, in seconds; absent if it begins with the recording.')),
  end: s.optional(s.number('End of the part, in seconds; absent if it ends with the recording.')),
  seconds: s.number('Its length.'),
  bands: s.count('Mel bands of the spectrogram.', 1),
  spectrogram: s.text(
    'Base64 of one unsigned byte per band and column, band by band from the highest: 255 for the loudest, 0 for 60 decibels less or silence.',
  ),
});

export type RecordingPicture = s.TypeOf<typeof recording>;

export const place = {
  index: s.count('Position of the sequence in the test split, from 0.'),
  id: s.optional(s.text('Name of the sequence in the data; absent if sequences have no names.')),
  step_in_sequence: s.optional(
    s.count(
      'Step of the sequence, from 0; present if the model has an output at every step (model.head.from: every).',
    ),
  ),
};

export const fraction = (description: string) => s.measured({ description, min: 0, max: 1 });
export const error = (description: string) => s.measured({ description, min: 0 });

const score = (description: string) => s.number({ description, min: 0, max: 1 });
export const scores = s.namedStruct(
  'scores',
  'The scores of a class or label; docs/reference/metrics.md has the formulas.',
  {
    precision: score('Fraction of its predictions that are correct; 0 if there are none.'),
    recall: score('Fraction of its cases that were predicted; 0 if there are none.'),
    f1: score('Harmonic mean of precision and recall; 0 if both are 0.'),
    support: s.count('Number of true cases.'),
  },
);

export const worst = s.namedStruct('worst', 'A prediction far from its target.', {
  ...place,
  target: s.list(s.listedNumber, 'The target; its first 100 numbers.'),
  prediction: s.list(s.listedNumber, 'The prediction; its first 100 numbers.'),
  absolute_error: error('Mean absolute difference over all numbers; null if not finite.'),
});

/** The first numbers of a target and of its prediction. */
export type WorstValue = s.TypeOf<typeof worst>;
export type PredictionPlace = Pick<WorstValue, keyof typeof place>;

/** Of every evaluation. */
export const common = {
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

export const version = s.literal(1, 'Version of this format.');
export const confidence = {
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
export const names = (description: string) => s.nullable(s.list(s.text({}), description));
