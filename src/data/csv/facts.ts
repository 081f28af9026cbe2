/**
 * What is known of the dataset kinds `csv`, `parquet`, `conllu` and `ts`: columns by name; the rows
 * of a group form one sequence.
 */

import * as key from '../../util/schema.js';
import { timeColumn } from '../core/columns.js';
import type { DatasetKind } from '../core/dataset.js';
import { featureColumns, missingCells, staticColumns } from '../core/feature-keys.js';
import { featureLeaks, featureOf, staticsOf } from '../core/features.js';
import type { ConfigDiagnostic } from '../core/problems.js';
import * as keys from '../core/settings.js';
import { TABLE_FORMATS, TABLE_NAME } from '../reading/facts.js';

const settings = key.section(
  {
    kind: key.choice(TABLE_FORMATS, {
      description: 'A table with named columns, in one of these formats.',
      examples: ['csv'],
      required: true,
    }),
    path: keys.givenFiles('The table', 'data/*.csv', 'data/readings.csv'),
    delimiter: keys.delimiter,
    decimal: keys.decimal,
    column_names: keys.columnNames,
    date_format: keys.dateFormat,
    ...keys.otherFiles('Table', 'split', split => `data/readings-${split}.csv`),
    test_fraction: keys.testFraction,
    test: keys.heldOut.test,
    features: featureColumns,
    static_features: staticColumns(
      'Feature columns with one value per sequence; a cell may be empty if another row of the sequence has it',
    ),
    missing: missingCells,
    input_kind: key.choice(['number', 'symbol', 'text'], {
      description:
        'Kind of the features. number: numbers. symbol: one column of strings, each a symbol of the vocabulary; the rows of a group are the steps of a sequence. text: one column of texts, split into symbols by `level`; each row is a sequence.',
      examples: ['symbol'],
      aliases: ['input_type'],
    }),
    level: keys.textLevel,
    min_count: keys.leastCount({
      description: `${keys.LEAST_COUNT} Without this key, all symbols are kept.`,
    }),
    target: key.either(
      [
        key.text({ minLength: 1 }),
        key.list(key.text({ minLength: 1 }), { minItems: 1, maxItems: 65536, unique: true }),
      ],
      {
        description: 'Name of the column to predict. A list predicts several columns (`target_kind: value`).',
        examples: ['activity', ['temperature', 'humidity']],
        aliases: ['label', 'output'],
        required: true,
      },
    ),
    target_kind: keys.targetKind('Whether the target is a class or a number.'),
    target_level: keys.targetLevel(''),
    labels_as_text: keys.labelsAsText,
    sequence: key.section(
      {
        per_file: key.boolean({
          description:
            'Whether each file is one sequence, named by its file. Without this key, `group` says which rows form a sequence.',
          examples: [true],
          aliases: ['by_file'],
        }),
        group: keys.columnOrSeveral({
          description:
            'Column whose equal values form one sequence. A list if the values of one start again in each value of another, as numbers of patients in each clinic: the rows with equal values in all of them form one sequence, named like `north/17`; a `/` in a value is written `\\/`.',
          examples: ['recording', ['clinic', 'patient']],
          aliases: ['group_by', 'id'],
        }),
        blank_lines: key.boolean({
          description:
            'Whether blank lines separate the sequences, as in CoNLL files of words and tags. Fields end at tabs or, in lines without tabs, at white space; at `delimiter` if it is no comma. Lines before the words of a sequence that start with `# ` or `-DOCSTART-` are left out.',
          examples: [true],
          aliases: ['blocks', 'separated_by_blank_lines'],
        }),
        order: keys.columnOrSeveral({
          description:
            'Column to sort the steps of a sequence by. A list joins columns, such as a date and a time of day, with a space between them; features name the result like `Date Time`. Default: the order of the file.',
          examples: ['second', ['Date', 'Time']],
          aliases: ['order_by', 'time'],
        }),
        per_step: key.boolean({
          description:
            'Whether each row has its own target, for a head with an output at every step. Otherwise all rows of a sequence must have the same target.',
          default: false,
          examples: [true],
        }),
        resample: keys.resample('order'),
      },
      {
        description: 'How rows form sequences.',
        examples: [{ group: 'recording', order: 'second' }],
        rules: {
          allOf: [
            key.when(
              { required: ['per_file'], properties: { per_file: { const: true } } },
              { properties: { group: false, blank_lines: { const: false } } },
              key.when(
                { required: ['blank_lines'], properties: { blank_lines: { const: true } } },
                { properties: { group: false } },
                key.when(
                  { properties: { per_file: { const: false }, blank_lines: { const: false } } },
                  { required: ['group'] },
                ),
              ),
            ),
            key.when({ required: ['resample'] }, { required: ['order'] }),
          ],
        },
      },
    ),
    id: keys.column({
      description:
        'Column that names the rows in predictions, if each row is a sequence. Default: their lines. Groups are named by `sequence.group`.',
      examples: ['id'],
      aliases: ['key'],
    }),
    normalize: keys.normalize,
    validation: keys.heldOut.validation,
    seed: keys.splitSeed,
    obtain: keys.obtain,
    limit: keys.limit,
  },
  {
    description:
      'A table with named columns: CSV with a header, Parquet, which needs the npm package hyparquet, CoNLL-U of treebanks, or `.ts` of the UCR and UEA archives. Each of these kinds reads all formats. Features and target are columns, chosen by name. With `sequence.group`, the rows of a group form one sequence.',
    rules: {
      allOf: [
        key.when(
          { required: ['input_kind'], properties: { input_kind: { const: 'text' } } },
          { required: ['level'], properties: { sequence: false } },
          { properties: { level: false } },
        ),
        key.when(
          {
            required: ['input_kind'],
            properties: { input_kind: { enum: ['symbol', 'text'] } },
          },
          {
            properties: {
              missing: false,
              static_features: false,
              sequence: { type: 'object', properties: { resample: false } },
              features: { type: 'array', items: { type: 'string' } },
            },
          },
        ),
        key.when({ required: ['sequence'] }, { properties: { id: false } }),
        key.when(
          { required: ['target_kind'], properties: { target_kind: { const: 'sequence' } } },
          { required: ['target_level'], properties: { sequence: false, labels_as_text: false } },
          { properties: { target_level: false } },
        ),
      ],
    },
  },
);

export type CsvConfig = keys.WithDefaults<key.TypeOf<typeof settings>, 'delimiter' | 'sequence'>;

export const csv: DatasetKind<CsvConfig, typeof settings> = {
  settings,
  facts: ({ input_kind = 'number', target_kind, target_level, sequence }) => ({
    inputKind: input_kind === 'number' ? 'number' : 'symbol',
    targetKind: target_kind,
    targetLevel: target_level,
    ...(target_kind !== 'sequence' && { perStep: sequence?.per_step ?? false }),
  }),
  leaks,
  symbols: {
    how: 'one column with `input_kind: symbol` or `text`',
    orNumbers: 'columns of numbers with `input_kind: number`',
  },
  dividesItself: false,
  fileNames: TABLE_NAME,
};

/** A target must not be an input. */
function leaks(config: CsvConfig): ConfigDiagnostic[] {
  const { target, target_kind } = config;
  const found = featureLeaks(
    featuresOf(config).filter(({ isTime }) => !isTime),
    [target].flat(),
    'column',
  );
  if (target_kind === 'value' || typeof target === 'string') return found;
  const message = `\`target_kind: ${target_kind}\` needs a single target column`;
  const expected = 'the name of one column, or `target_kind: value`';
  return [...found, { code: 'config/class-targets', message, expected, keyPath: ['dataset', 'target'] }];
}

export function targetsOf({ target }: CsvConfig): readonly string[] {
  return typeof target === 'string' ? [target] : target;
}

/**
 * The feature columns, those of steps first, with all that the config says about each. After them,
 * the order column if it is the time of missing values.
 */
export function featuresOf({ features, static_features = [], missing: ofAll, sequence = {} }: CsvConfig) {
  const { order, resample } = sequence;
  const ofSteps = features.map((feature, i) => featureOf(feature, ['features', i], ofAll));
  // resampled steps are at equal times
  const isTimed = !resample && ofSteps.some(({ missing }) => missing?.elapsed);
  const time =
    order !== undefined && isTimed
      ? [featureOf({ column: timeColumn(order).name, encode: 'elapsed' }, ['sequence', 'order'], ofAll)]
      : [];
  return [...ofSteps, ...time, ...staticsOf(static_features, ofAll)];
}
