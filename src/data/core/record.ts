/**
 * What a run's manifest records of its data, so that predictions need no data files: their form,
 * names, vocabulary and scaling.
 */
import * as s from '../../util/schema.js';

const names = (description: string) => s.optional(s.list(s.text({}), description));
/** Reverses a scaling: original = stored * scale + offset, with one scale and offset per number. */
const scalingOf = (one: string) => ({
  offset: s.list(s.number({}), `One number per ${one}.`),
  scale: s.list(s.number({}), `One number per ${one}, not 0.`),
});

const input = s.either(
  [
    s.struct(
      { kind: s.literal('number', 'Steps are numbers.'), size: s.count('Features per step.', 1) },
      'Steps are numbers.',
    ),
    s.struct(
      { kind: s.literal('symbol', 'Steps are symbols.'), count: s.count('Symbols that the model knows.', 1) },
      'Steps are symbols.',
    ),
  ],
  { description: 'What a step is: `size` numbers, or one of `count` symbols.' },
);

const vocabulary = s.struct(
  {
    level: s.choice(
      ['character', 'byte', 'word', null],
      'How text is split into symbols; null if the data list them.',
    ),
    symbols: s.list(s.text({}), {
      description:
        'The text of each symbol, by number; the first represents all unknown symbols. A byte is the character with its number.',
      minItems: 1,
    }),
    has_unknown: s.optional(
      s.boolean(
        'True if some symbols of the training split are unknown, so that the model has learned to read unknown symbols. Predictions of other models refuse them.',
      ),
    ),
  },
  'The vocabulary, fitted on the training split. Absent if steps are numbers, or if the data already number their symbols.',
);

const seriesScaling = s.struct(
  {
    pooled: s.struct(
      scalingOf('column'),
      'For series that are not in the training split, fitted on all others.',
    ),
    series: s.list(
      s.struct(
        { name: s.text('Name of the series; empty if the table is one series.'), ...scalingOf('column') },
        'A series.',
      ),
      'Of each series.',
    ),
  },
  'How the columns of each series are scaled, the target first: scaled = (value - offset) / scale. Absent if series are not scaled separately.',
);

export const dataRecord = s.struct(
  {
    input,
    sequence_length: s.count('Steps of the longest sequence.', 1),
    variable_length: s.boolean('Whether sequences have different lengths.'),
    first_prediction: s.optional(
      s.count('The first step with a prediction, of forecasts with `per_step`; absent: 0.'),
    ),
    output_size: s.count('Outputs of the model.', 1),
    class_names: names('The name of each class. Absent if the data have no names.'),
    target_names: names('The name of each number of a target. Absent if the data have no names.'),
    image: s.optional(
      s.struct(
        { height: s.count('Rows.', 1), width: s.count('Pixels per row.', 1) },
        'Size of the images. Absent if the sequences are not images.',
      ),
    ),
    vocabulary: s.optional(vocabulary),
    series_scaling: s.optional(seriesScaling),
  },
  'What predictions need to know about the data, so that they do not need the data files.',
);

export const dataScaling = s.struct(
  {
    method: s.choice(
      ['standard', 'min_max'],
      'standard: offset is the mean, scale the standard deviation of the population. min_max: offset is the smallest value, scale the difference of the largest from it. The scale of a constant column is 1.',
    ),
    features: s.nullable(s.struct(scalingOf('feature'), 'null if steps are symbols.')),
    targets: s.nullable(s.struct(scalingOf('target value'), 'null if targets are classes.')),
  },
  'How features and targets were scaled, fitted on the training split: scaled = (value - offset) / scale. Absent if they were not scaled.',
);

export type SequenceInput = s.TypeOf<typeof input>;
export type Vocabulary = s.TypeOf<typeof vocabulary>;
/** Unit of a text's symbols. A byte is represented by the character with its code. */
export type TextLevel = NonNullable<Vocabulary['level']>;
export type SeriesScaling = s.TypeOf<typeof seriesScaling>;
export type Scaling = SeriesScaling['pooled'];
/** Everything about a run's data that prediction needs, except their scaling. */
export type DataRecord = s.TypeOf<typeof dataRecord>;
/** Scaling of a dataset, fitted on the training split. */
export type DataScaling = s.TypeOf<typeof dataScaling>;
