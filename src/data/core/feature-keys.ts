/** Keys of feature columns: how they are encoded, and what replaces their missing values. */

import * as key from '../../util/schema.js';
import { MARKERS } from './cells.js';
import { calendar, column, leastCount } from './settings.js';

const PREPARED = {
  resume: { never: 'its weights were trained on data with missing values filled in this way' },
} as const satisfies Partial<key.KeyFacts>;

const FILL = {
  runDefault: true,
  aliases: ['strategy', 'method', 'impute', 'fillna', 'with'],
} as const;
const FILLED =
  'mean, median: of the values of the column in the training split. zero: 0. A number: that number, in the units of the data.';

const indicator = key.boolean({
  description:
    'Whether each column with missing values in the training split adds a feature that is 1 if the value is missing, else 0.',
  examples: [true],
  aliases: ['add_indicator', 'mask', 'flag'],
});

const missingKeys = {
  fill: key.either([key.word(['forward', 'mean', 'median', 'zero'], {}), key.number({})], {
    description: `What replaces a missing value. forward (without this key): the last value of the sequence before it; before the first, the mean of the training split. ${FILLED}`,
    defaultText: 'forward',
    examples: ['forward', 'median', -1],
    ...FILL,
  }),
  indicator,
  elapsed: key.boolean({
    description:
      'Whether each such column adds a feature with the time since the last step before that has a value (δ of GRU-D; Che et al., 2018): in the unit of `sequence.order`, or seconds if these are dates; without it or with `resample`, in steps.',
    examples: [true],
    aliases: ['delta', 'time_since', 'since_last'],
  }),
};

/** Missing values of arrays and records. */
export const missing = key.section(missingKeys, {
  name: 'missing',
  description:
    'What the model reads instead of missing values of features. Without this key, a missing value is an error.',
  examples: [{ fill: 'forward', indicator: true }],
  aliases: ['impute', 'imputation', 'fillna', 'fill_missing', 'nan'],
  ...PREPARED,
});

const MARKED = MARKERS.filter(one => one !== '').map(one => `\`${one}\``);

const markers = key.list(key.either([key.text({}), key.number({})], {}), {
  description: `Contents of cells that mean a missing value, besides the usual ones (empty cells, ${MARKED.join(', ')}); numbers are compared by value. Of classes, only empty cells, NaN and these are missing.`,
  examples: [['unknown', -999]],
  maxItems: 1000,
  aliases: ['na_values', 'null_values', 'nulls'],
});

const MISSING_CELLS = {
  aliases: ['impute', 'imputation', 'fillna', 'fill_missing', 'na_values', 'nan'],
  ...PREPARED,
} as const;

/** Missing values of tables. */
export const missingCells = key.section(
  { ...missingKeys, markers },
  {
    name: 'missing_cells',
    description:
      'What the model reads instead of missing values of features. A feature may have a `missing` of its own, whose keys replace these. Without this key, a missing value is an error.',
    examples: [{ fill: 'forward', indicator: true }],
    ...MISSING_CELLS,
  },
);

export const missingInSeries = key.section(
  { ...missingKeys, markers },
  {
    description:
      'What the model reads instead of missing values of targets, `features` and `known`, of each series by itself; a feature may have a `missing` of its own, whose keys replace these. A missing target of the horizon is not counted. Without this key, a missing value is an error, except of the target in the last rows of a series.',
    examples: [{ fill: 'forward', indicator: true }],
    ...MISSING_CELLS,
  },
);

/** Missing values of static features. */
const missingStatic = key.section(
  {
    fill: key.either([key.word(['mean', 'median', 'zero'], {}), key.number({})], {
      description: `What replaces the value of a sequence that has none; mean without this key. ${FILLED} Each sequence counts once.`,
      defaultText: 'mean',
      examples: ['median', -1],
      ...FILL,
    }),
    indicator,
    markers,
  },
  {
    description: 'What the head reads for sequences without a value. Replaces keys of `dataset.missing`.',
    examples: [{ fill: 'median', indicator: true }],
    ...MISSING_CELLS,
  },
);

const ENCODE = 'How a column that is not plain numbers becomes features.';
const ONE_HOT =
  'one_hot: one feature for each value of the training split, 1 for the value of the step and else 0. For words, truth values and numbers that are codes; a missing value is a value, and values that the training split does not have are 0 in all features.';
const EMBEDDING =
  'embedding: a vector of `size` numbers for each value of the training split, which the model learns; zeros for others.';
const CALENDAR = 'calendar: the parts of a date in `calendar`, as sine and cosine.';
const ELAPSED =
  'elapsed: the time since the step before, in seconds for a column of dates, else as in the column.';

const encode = <const K extends string>(choices: readonly K[], ...descriptions: readonly string[]) =>
  key.choice(choices, {
    description: [ENCODE, ...descriptions].join(' '),
    examples: ['one_hot' as K],
    aliases: ['encoding', 'type', 'kind'],
    resume: { never: 'its weights were trained on columns that were encoded in this way' },
  });

const onlyWith = (encoding: string, required: readonly string[], others: readonly string[] = []) =>
  key.when(
    { required: ['encode'], properties: { encode: { const: encoding } } },
    { required },
    { properties: Object.fromEntries([...required, ...others].map(name => [name, false])) },
  );

const namedColumn = column({
  description: 'Name of the column.',
  examples: ['heart_rate'],
  aliases: ['name'],
  required: true,
});

/** Names of columns, or mappings with the name and settings of each. */
const columnsWith = <const K extends key.Fields>(keys: K, ...rules: readonly key.JsonSchema[]) =>
  key.either(
    [
      key.text({ minLength: 1 }),
      key.section(
        {
          column: namedColumn,
          ...keys,
          calendar: calendar('Parts of the date for `encode: calendar`.'),
        },
        {
          description: 'A feature column with settings of its own.',
          rules: {
            allOf: [
              onlyWith('calendar', ['calendar']),
              key.when(
                { required: ['encode'], properties: { encode: { enum: ['one_hot', 'embedding'] } } },
                { properties: { missing: false } },
              ),
              ...rules,
            ],
          },
        },
      ),
    ],
    {},
  );

const embeddingKeys = {
  size: key.integer({
    description: 'Size of the vector of each value for `encode: embedding`.',
    min: 1,
    max: 16384,
    examples: [8],
    aliases: ['dim', 'embedding_dim', 'embedding_size', 'embed_dim', 'width'],
    resume: { never: 'its weights were trained with vectors of this size' },
  }),
  min_count: leastCount({
    description:
      'Values that occur less often in the training split are unknown, so that the model learns a vector for unknown values. Only for `encode: embedding`.',
    examples: [2],
  }),
  suffix: key.integer({
    description:
      'Read the last characters of each value only: that many, such as the endings of words. Only for `encode: embedding`.',
    min: 1,
    max: 100,
    examples: [3],
    aliases: ['ending', 'suffix_length', 'last'],
    resume: { never: 'its weights were trained with vectors of these suffixes' },
  }),
};
const EMBEDDING_RULE = onlyWith('embedding', ['size'], ['min_count', 'suffix']);

export const featureColumns = key.list(
  columnsWith(
    {
      encode: encode(
        ['one_hot', 'embedding', 'calendar', 'elapsed'],
        ...[ONE_HOT, EMBEDDING, CALENDAR, ELAPSED],
      ),
      ...embeddingKeys,
      missing: missingCells,
    },
    EMBEDDING_RULE,
  ),
  {
    description:
      'The feature columns, in the order in which the model reads them: names, or mappings with the name and settings of the column.',
    examples: [['temperature', { column: 'place', encode: 'one_hot' }]],
    aliases: ['columns', 'inputs'],
    minItems: 1,
    maxItems: 65536,
    required: true,
  },
);

/** Features of sequences. @param what they are in the data */
export const staticColumns = (what: string) =>
  key.list(
    columnsWith(
      {
        encode: encode(['one_hot', 'embedding', 'calendar'], ONE_HOT, EMBEDDING, CALENDAR),
        ...embeddingKeys,
        missing: missingStatic,
      },
      EMBEDDING_RULE,
    ),
    {
      description: `${what}, such as the age of a person. The head reads them beside what it reads from the recurrent layers.`,
      examples: [['age', { column: 'sex', encode: 'one_hot' }]],
      aliases: ['static', 'sequence_features', 'static_columns', 'static_covariates', 'static_categoricals'],
      minItems: 1,
      maxItems: 65536,
    },
  );

/** Columns of series, with missing values of their own. */
export const seriesColumns = <const O extends { description: string; examples: readonly unknown[] }>(
  options: O,
) =>
  key.list(
    key.either(
      [
        key.text({ minLength: 1 }),
        key.section(
          { column: namedColumn, missing: missingCells },
          { description: 'A column with settings of its own.' },
        ),
      ],
      {},
    ),
    { minItems: 1, maxItems: 65536, unique: true, ...options },
  );

type Columns = key.TypeOf<typeof featureColumns> | key.TypeOf<ReturnType<typeof staticColumns>>;

/** A feature of a table as a mapping. */
export type FeatureKeys = Exclude<Columns[number], string>;
