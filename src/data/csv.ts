/** Dataset kinds `csv` and `parquet`: columns by name; the rows of a group form one sequence. */

import { shortestDecimal } from '../util/decimals.js';
import type { Diagnostic } from '../util/errors.js';
import * as key from '../util/schema.js';
import type { Dataset, TextLevel } from './core/dataset.js';
import { type ClassMapping, classesByCode, type LabelsConfig, type LabelTexts } from './core/labels.js';
import type { DatasetContext, DatasetKind } from './core/pipeline.js';
import { type ConfigDiagnostic, configError, Problems } from './core/problems.js';
import type { NormalizeConfig } from './core/scaling.js';
import type { TrainingPartConfig } from './core/selection.js';
import { openTables, type SequenceTable } from './core/sequence-table.js';
import {
  DATA,
  delimiter,
  limit,
  normalize,
  obtain,
  testFraction,
  textLevel,
  VOCABULARY,
  validation,
} from './core/settings.js';
import { TextCodes } from './core/values.js';
import { csvSequences } from './csv-sequences.js';
import { type CsvColumns, type CsvTable, readCsvTable, type TableRows } from './csv-table.js';
import type { Delimiter } from './formats/csv-records.js';
import { rowName } from './formats/tables.js';
import { groupOf, ownerOf, type RowList, rowLists, rowsName } from './row-order.js';
import type { VocabularyConfig } from './vocabulary.js';

export interface CsvConfig extends TrainingPartConfig, NormalizeConfig, VocabularyConfig, LabelsConfig {
  readonly kind: 'csv' | 'parquet';
  readonly path: string;
  readonly validation_path?: string;
  /**
   * File of the test split. Without it, `test_fraction` of the sequences are drawn with the
   * experiment's seed.
   */
  readonly test_path?: string;
  readonly test_fraction?: number;
  /** Delimiter of the fields in all files. */
  readonly delimiter?: Delimiter;
  readonly features: readonly string[];
  /** Type of the features; `symbol` and `text` allow only one column. Default: `number`. */
  readonly input_kind?: 'number' | 'symbol' | 'text';
  /** How `text` is split into symbols. */
  readonly level?: TextLevel;
  /** One column, or several for values. */
  readonly target: string | readonly string[];
  readonly target_kind: 'class' | 'value';
  /** Absent: every row is a sequence of one step. */
  readonly sequence?: {
    /** True if each file is a sequence. */
    readonly per_file?: boolean;
    /** Present otherwise. */
    readonly group?: string;
    readonly order?: string;
    /**
     * True if each row has the target of its step. Default: all rows of a group have the same
     * target.
     */
    readonly per_step?: boolean;
  };
  /** Names the rows, if each is a sequence. */
  readonly id?: string;
}

const settings = key.section(
  {
    kind: key.choice(['csv', 'parquet'], {
      description: 'A table with named columns, in either format.',
      examples: ['csv'],
      required: true,
      ...DATA,
    }),
    path: key.text({
      description:
        'The table: a file, a directory (all its files), or a pattern such as data/*.csv. Gzip files are decompressed.',
      minLength: 1,
      maxLength: 4096,
      examples: ['data/readings.csv'],
      aliases: ['file'],
      path: true,
      required: true,
      ...DATA,
    }),
    delimiter: delimiter,
    validation_path: key.text({
      description: 'Table with the validation split. Set this or `validation`, or neither.',
      minLength: 1,
      maxLength: 4096,
      examples: ['data/readings-validation.csv'],
      aliases: ['validation_file', 'val_path'],
      path: true,
      ...DATA,
    }),
    test_path: key.text({
      description: 'Table with the test split. Set this or test_fraction.',
      minLength: 1,
      maxLength: 4096,
      examples: ['data/readings-test.csv'],
      aliases: ['test_file'],
      excludes: ['test_fraction'],
      path: true,
      ...DATA,
    }),
    test_fraction: testFraction,
    features: key.list(key.text({ minLength: 1 }), {
      description: 'Names of the feature columns, in the order in which the model reads them.',
      minItems: 1,
      maxItems: 65536,
      unique: true,
      examples: [['temperature', 'humidity']],
      aliases: ['columns', 'inputs'],
      required: true,
      ...DATA,
    }),
    input_kind: key.choice(['number', 'symbol', 'text'], {
      description:
        'Kind of the features. number: numbers. symbol: one column of strings, each a symbol of the vocabulary; the rows of a group are the steps of a sequence. text: one column of texts, split into symbols by `level`; each row is a sequence.',
      examples: ['symbol'],
      aliases: ['input_type'],
      ...DATA,
    }),
    level: textLevel,
    min_count: key.integer({
      description:
        'Symbols that occur less often in the training split become the unknown symbol. Without this key, all symbols are kept.',
      min: 1,
      max: 4294967295,
      examples: [5],
      aliases: ['min_freq', 'min_frequency', 'minimum_count', 'min_df'],
      ...VOCABULARY,
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
        ...DATA,
      },
    ),
    target_kind: key.choice(['class', 'value'], {
      description: 'Whether the target is a class or a number.',
      examples: ['class'],
      aliases: ['target_type'],
      required: true,
      ...DATA,
    }),
    labels_as_text: key.boolean({
      description:
        'Whether class labels are compared as texts, so that `01` and `1` are two classes. By default, labels that are all numbers are compared by value, and `true` and `false` without regard to case.',
      examples: [true],
      aliases: ['text_labels', 'string_labels'],
      effects: ['data'],
      resume: { never: 'its classes were numbered with labels compared in this way' },
    }),
    sequence: key.section(
      {
        per_file: key.boolean({
          description:
            'Whether each file is one sequence, named by its file. Without this key, `group` says which rows form a sequence.',
          examples: [true],
          aliases: ['by_file'],
          ...DATA,
        }),
        group: key.text({
          description: 'Column whose equal values form one sequence.',
          minLength: 1,
          examples: ['recording'],
          aliases: ['group_by', 'id'],
          ...DATA,
        }),
        order: key.text({
          description: 'Column to sort the steps of a sequence by. Default: the order of the file.',
          minLength: 1,
          examples: ['second'],
          aliases: ['order_by', 'time'],
          ...DATA,
        }),
        per_step: key.boolean({
          description:
            'Whether each row has its own target, for a head with an output at every step. Otherwise all rows of a sequence must have the same target.',
          default: false,
          examples: [true],
          ...DATA,
        }),
      },
      {
        title: 'CsvSequence',
        description: 'How rows form sequences.',
        examples: [{ group: 'recording', order: 'second' }],
        rules: key.when(
          { required: ['per_file'], properties: { per_file: { const: true } } },
          { properties: { group: false } },
          key.when({ properties: { per_file: { const: false } } }, { required: ['group'] }),
        ),
      },
    ),
    id: key.text({
      description:
        'Column that names the rows in predictions, if each row is a sequence. Default: their lines. Groups are named by `sequence.group`.',
      minLength: 1,
      examples: ['id'],
      aliases: ['key'],
      ...DATA,
    }),
    normalize: normalize,
    validation: validation,
    obtain: obtain,
    limit: limit,
  },
  {
    title: 'CsvDataset',
    description:
      'A table with named columns: CSV with a header, or Parquet, which needs the npm package hyparquet. Each of the two kinds reads both formats. Features and target are columns, chosen by name. With `sequence.group`, the rows of a group form one sequence.',
    rules: {
      allOf: [
        key.when(
          { required: ['input_kind'], properties: { input_kind: { const: 'text' } } },
          { required: ['level'], properties: { sequence: false } },
          { properties: { level: false } },
        ),
        key.when({ required: ['sequence'] }, { properties: { id: false } }),
      ],
    },
  },
);

export const csv: DatasetKind<CsvConfig, typeof settings> = {
  settings,
  open,
  facts: ({ input_kind = 'number', target_kind, sequence }) => ({
    inputKind: input_kind === 'number' ? 'number' : 'symbol',
    targetKind: target_kind,
    perStep: sequence?.per_step ?? false,
  }),
  newSequences: csvSequences,
  leaks,
  symbols: {
    how: 'one column with `input_kind: symbol` or `text`',
    orNumbers: 'columns of numbers with `input_kind: number`',
  },
  dividesItself: false,
  expandsPaths: true,
};

/**
 * Opens the dataset.
 * @throws UserError (exit 2) if a file or column is missing or the test split is not defined
 * @throws UserError (exit 5) if a cell is invalid, with its line and column
 */
async function open(config: CsvConfig, context: DatasetContext): Promise<Dataset> {
  checkOptions(config);
  const { features, sequence, id } = config;
  // codes are shared by all files
  const symbols = (config.input_kind ?? 'number') === 'number' ? undefined : new TextCodes();
  const columns = { ...columnsOf(config), symbols };
  const dataset = await openTables(config, context, {
    read: async (path, problems) => sequencesOf(await readCsvTable(path, columns), config, problems),
    inputSize: features.length,
    targetSize: targetsOf(config).length,
    symbols: symbols?.texts ?? [],
    perStep: sequence?.per_step ?? false,
    longest: steps => `one ${sequence?.per_file ? 'file' : 'group'} has ${steps} rows`,
    // folders of recordings often number their files alike, so equal names of files mean nothing
    idIsPlace: sequence === undefined ? id === undefined : (sequence.per_file ?? false),
  });
  return {
    ...dataset,
    columnNames: { features: i => features[i], targets: i => targetsOf(config)[i] },
    ...(config.target_kind === 'value' && { targetNames: targetsOf(config) }),
  };
}

/** A target must not be an input. */
function leaks({ features, target, target_kind }: CsvConfig): ConfigDiagnostic[] {
  const targets = new Set([target].flat());
  const found = features.flatMap((feature, i): ConfigDiagnostic[] => {
    if (!targets.has(feature)) return [];
    const message = `the target column "${feature}" is also a feature`;
    return [{ code: 'config/target-leak', message, keyPath: ['dataset', 'features', i] }];
  });
  if (target_kind !== 'class' || typeof target === 'string') return found;
  const message = '`target_kind: class` needs a single target column';
  const expected = 'the name of one column, or `target_kind: value`';
  return [...found, { code: 'config/class-targets', message, expected, keyPath: ['dataset', 'target'] }];
}

function checkOptions(config: CsvConfig): void {
  const { input_kind: kind = 'number' } = config;
  if (kind !== 'number' && config.features.length > 1) {
    throw configError({
      code: 'data/symbol-columns',
      keyPath: ['dataset', 'features'],
      message: `${kind === 'text' ? 'texts' : 'symbols'} are read from one column`,
      expected: 'one feature, or `input_kind: number`',
    });
  }
}

function targetsOf({ target }: CsvConfig): readonly string[] {
  return typeof target === 'string' ? [target] : target;
}

function columnsOf({ features, level, target, target_kind, sequence, id, delimiter }: CsvConfig): CsvColumns {
  const named = (name: string, ...path: (string | number)[]) => ({ name, keyPath: ['dataset', ...path] });
  return {
    delimiter,
    features: features.map((name, i) => named(name, 'features', i)),
    level,
    targets:
      typeof target === 'string'
        ? [named(target, 'target')]
        : target.map((name, i) => named(name, 'target', i)),
    targetKind: target_kind,
    perFile: sequence?.per_file ?? false,
    group: sequence?.group === undefined ? undefined : named(sequence.group, 'sequence', 'group'),
    order: sequence?.order === undefined ? undefined : named(sequence.order, 'sequence', 'order'),
    id: id === undefined ? undefined : named(id, 'id'),
  };
}

/** The rows of a table as sequences: one for each group, in the order of their first rows. */
function sequencesOf(
  { features: values, ...table }: CsvTable,
  { features, sequence }: CsvConfig,
  problems: Problems,
): SequenceTable {
  const lists = rowLists(table, problems);
  const { texts, ids, groups, sources } = table;
  const lengths = texts
    ? Int32Array.from(lists, ([row]) => texts.starts[row + 1] - texts.starts[row])
    : Int32Array.from(lists, ({ length }) => length);
  const starts = new Uint32Array(lists.length);
  for (let i = 1; i < starts.length; i++) starts[i] = starts[i - 1] + lengths[i - 1];
  // without groups, sequences are the rows as they are
  const rows = groups && lists.flat();
  const targetRows = rows && (sequence?.per_step ? rows : lists.map(([row]) => row));
  return {
    sources,
    features: picked(values as Float32Array, rows, features.length),
    starts,
    lengths,
    targets: picked(Float64Array.from(table.targets), targetRows, table.targetNames.length),
    labels: labelTexts(table),
    // single rows have their id, or their line if they have none
    idOf: index => {
      const [row] = lists[index];
      return groups ? groupOf(table, row) : ids?.[row] || table.rowName(row);
    },
    check(indices, mapping) {
      if (!sequence?.per_step)
        checkConstant(
          table,
          Array.from(indices, index => lists[index]),
          mapping,
        );
    },
  };
}

/** The rows `rows` of `values`, each of `width` numbers; absent: all. */
function picked<T extends Float32Array | Float64Array>(
  values: T,
  rows: readonly number[] | undefined,
  width: number,
): T {
  if (rows === undefined) return values;
  const out = new (values.constructor as new (length: number) => T)(rows.length * width);
  rows.forEach((row, i) => {
    for (let k = 0; k < width; k++) out[i * width + k] = values[row * width + k];
  });
  return out;
}

function labelTexts(table: TableRows): LabelTexts {
  const { sources, labels, targets } = table;
  return { file: sources[0].name, labels, placeOf: code => table.place(targets.indexOf(code), 'target') };
}

/** @throws UserError (exit 5) with the first row of each group whose target differs */
function checkConstant(table: TableRows, lists: readonly RowList[], mapping: ClassMapping | undefined): void {
  const { targets } = table;
  const classes = mapping && classesByCode(labelTexts(table), mapping);
  const targetOf = (at: number): number => (classes ? classes[targets[at]] : targets[at]);
  const problems = new Problems();
  for (const list of lists) {
    const place = differingTarget(table, list, targetOf);
    if (place === undefined) continue;
    problems.add(differs(table, list[0], place));
    if (problems.full) break;
  }
  problems.throwIfAny();
}

/**
 * Finds the first target of a group that differs from its first row's; undefined if there is none.
 */
function differingTarget(
  { targetNames: { length: size } }: TableRows,
  [first, ...others]: RowList,
  targetOf: (at: number) => number,
): { readonly row: number; readonly target: number } | undefined {
  for (const row of others) {
    for (let target = 0; target < size; target++) {
      if (targetOf(row * size + target) !== targetOf(first * size + target)) return { row, target };
    }
  }
  return undefined;
}

function differs(
  table: TableRows,
  first: number,
  { row, target }: { readonly row: number; readonly target: number },
): Diagnostic {
  const { targets, targetNames, labels } = table;
  const isClass = labels.length > 0;
  const words = (at: number): string => {
    const value = targets[at * targetNames.length + target];
    return isClass ? labels[value] : String(shortestDecimal(value));
  };
  const place = table.place(row, 'target', target);
  return {
    code: 'data/csv-target',
    message: `the rows of ${rowsName(ownerOf(table, row))} have different targets`,
    ...place,
    expected: `${words(first)}, as in ${rowName(table.place(first, 'target', target), place)}`,
    got: words(row),
    suggestion: isClass ? 'dataset.sequence.per_step: true' : undefined,
  };
}
