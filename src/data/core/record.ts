/**
 * What a run records of its data, so that predictions need no data files: the form of inputs and
 * outputs, and what was fitted on the training split.
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
    s.struct('Steps are numbers.', {
      kind: s.literal('number', 'Steps are numbers.'),
      size: s.count('Features per step.', 1),
      static: s.optional(
        s.count('How many of them, the last ones that are numbers, are static: the head reads them.', 1),
      ),
      embedded: s.optional(
        s.list(
          s.struct('An embedded column.', {
            count: s.count('Numbers of values, from 0 for an unknown value.', 1),
            size: s.count('Size of the vector of each value.', 1),
            static: s.optional(
              s.boolean('Whether the column has one value per sequence: the head reads it.'),
            ),
          }),
          'The last features: in each, the number of the value of a column.',
        ),
      ),
    }),
    s.struct('Steps are symbols.', {
      kind: s.literal('symbol', 'Steps are symbols.'),
      count: s.count('Symbols that the model knows.', 1),
    }),
  ],
  { description: 'The type of a step: `size` numbers, or one of `count` symbols.' },
);

const preparation = s.struct(
  'How the columns of the data become the features of the model, before scaling, fitted on the training split. The features are those of the columns in order, then all `indicator`, then all `elapsed`; then in the same order those of static columns; then those of embedded columns, the static ones last. Absent if the columns are the features.',
  {
    columns: s.list(
      s.struct('A column.', {
        fill: s.optional(
          s.struct('What replaces missing values. Absent if the column must not have any.', {
            value: s.number('The value; with `forward`, before the first value of a sequence.'),
            forward: s.boolean('Whether the last value of the sequence before it replaces a missing one.'),
            missing: s.optional(
              s.number('Fraction of the values of the training split that are missing. Absent: 0.'),
            ),
          }),
        ),
        indicator: s.optional(
          s.boolean('Whether the model has a feature that is 1 if the value is missing, else 0.'),
        ),
        elapsed: s.optional(
          s.boolean(
            'Whether the model has a feature with the time since the last step before that has a value, in steps if no column is `time`; 0 in the first step.',
          ),
        ),
        categories: s.optional(
          s.list(
            s.text({}),
            'The values of a column that is encoded as `one_hot` or `embedding`; the empty text is a missing value. If it is not embedded, each has a feature that is 1 for it, else 0.',
          ),
        ),
        embedding_size: s.optional(
          s.count(
            'Size of the vector of each value of an embedded column. Its feature is the position of the value in `categories`, from 1; 0 for others.',
            1,
          ),
        ),
        time: s.optional(
          s.boolean('Whether the column is the time since the step before. It is no feature of its own.'),
        ),
        static: s.optional(s.boolean('Whether the column has one value per sequence.')),
      }),
      'Of each column of the data: each of `features`, or each sine and cosine of its calendar.',
    ),
  },
);

const vocabulary = s.struct(
  'The vocabulary, fitted on the training split. Absent if steps are numbers, or if the data already number their symbols.',
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
        'True if some symbols of the training split are unknown, so that the model has learned to read unknown symbols. For other models, they are an error in predictions.',
      ),
    ),
  },
);

const interval = s.struct('The usual interval between steps. Absent if there is none.', {
  unit: s.choice(
    ['number', 'millisecond', 'slot', 'workday', 'month'],
    'What is counted: `number` if times are numbers; workdays are Monday to Friday; slots are the hours, or other parts of a week, in which there are rows.',
  ),
  count: s.number('Units from one step to the next.'),
  day: s.optional(s.count('Day of the month, or its last one if that is earlier. Present for months.', 1)),
  step: s.optional(s.count('Length of a slot, in milliseconds. Present for slots.', 1)),
  slots: s.optional(
    s.list(s.count('Number of a slot in a week from Monday.'), {
      description: 'The slots that have rows, in order. Present for slots.',
    }),
  ),
});

const seriesScaling = s.struct(
  'How the columns of each series are scaled, the targets first: scaled = (value - offset) / scale. Absent if series are not scaled separately.',
  {
    transform: s.optional(
      s.choice(['log'], 'What is scaled instead of the target: its natural logarithm. Absent: the target.'),
    ),
    preparation: s.optional(preparation),
    pooled: s.struct(
      'For series that are not in the training split, fitted on all others.',
      scalingOf('column'),
    ),
    series: s.list(
      s.struct('A series.', {
        name: s.text('Name of the series; empty if the table is one series.'),
        ...scalingOf('column'),
        fill: s.optional(s.list(s.number({}), 'What replaces missing values of each column of the data.')),
        interval: s.optional(interval),
        naive_error: s.optional(
          s.either([s.number({}), s.list(s.number({}), 'One number per target.')], {
            description:
              'Denominator of MASE: mean error of the naive forecast in training; a list for several targets. Absent if unknown or 0.',
          }),
        ),
      }),
      'Of each series.',
    ),
  },
);

export const dataRecord = s.struct(
  'The properties of the data that predictions need, so that they do not need the data files.',
  {
    input,
    sequence_length: s.count('Steps of the longest sequence.', 1),
    variable_length: s.boolean('Whether sequences have different lengths.'),
    first_prediction: s.optional(
      s.count('The first step with a prediction, of forecasts with `per_step`; absent: 0.'),
    ),
    output_size: s.count('Outputs of the model.', 1),
    target_length: s.optional(
      s.count('Symbols of the longest target. Absent unless targets are sequences of symbols.', 1),
    ),
    class_names: names('The name of each class, or symbol of a target. Absent if the data have no names.'),
    target_names: names('The name of each number of a target. Absent if the data have no names.'),
    image: s.optional(
      s.struct('Size of the images. Absent if the sequences are not images.', {
        height: s.count('Rows.', 1),
        width: s.count('Pixels per row.', 1),
      }),
    ),
    sample_rate: s.optional(s.count('Samples per second of recordings. Absent for other data.', 1)),
    preparation: s.optional(preparation),
    class_weights: s.optional(
      s.list(s.number({}), 'Weight of each class in the loss. Absent without class weights.'),
    ),
    vocabulary: s.optional(vocabulary),
    series_scaling: s.optional(seriesScaling),
  },
);

export const dataScaling = s.struct(
  'How features and targets were scaled, fitted on the training split: scaled = (value - offset) / scale. Absent if they were not scaled.',
  {
    method: s.choice(
      ['standard', 'min_max'],
      'standard: offset is the mean, scale the standard deviation of the population. min_max: offset is the smallest value, scale the difference of the largest from it. The scale of a constant column is 1.',
    ),
    features: s.nullable(s.struct('null if steps are symbols.', scalingOf('feature'))),
    targets: s.nullable(s.struct('null if targets are classes.', scalingOf('target value'))),
  },
);

/** What is scaled instead of a target: its natural logarithm. */
export type Transform = 'log';

export type SequenceInput = s.TypeOf<typeof input>;
export type Preparation = s.TypeOf<typeof preparation>;
export type Vocabulary = s.TypeOf<typeof vocabulary>;
/** Unit of a text's symbols. A byte is represented by the character with its code. */
export type TextLevel = NonNullable<Vocabulary['level']>;
export type Interval = s.TypeOf<typeof interval>;
export type SeriesScaling = s.TypeOf<typeof seriesScaling>;
export type Scaling = SeriesScaling['pooled'] & { readonly transform?: Transform | undefined };
/** Everything about a run's data that prediction needs, except their scaling. */
export type DataRecord = s.TypeOf<typeof dataRecord>;
/** Scaling of a dataset, fitted on the training split. */
export type DataScaling = s.TypeOf<typeof dataScaling>;

/** The steps that a window of a series predicts. */
export interface ForecastWindow {
  /** Empty if the table is one series. */
  readonly series: string;
  /** The first step, counted in its series, or in the rows of it that an input has. */
  readonly first: number;
  /** The times of the steps, or their numbers in the series, from 1. */
  readonly times: readonly string[];
}
