/** Dataset kinds `csv` and `parquet`: columns by name; the rows of a group form one sequence. */

import { shortestDecimal } from '../util/decimals.js';
import { type Diagnostic, damagedError } from '../util/errors.js';
import {
  type Dataset,
  IGNORED,
  type Split,
  splitFiles,
  type Targets,
  type TextLevel,
} from './core/dataset.js';
import {
  type ClassMapping,
  classesByCode,
  classMapping,
  type LabelsConfig,
  type LabelTexts,
  labelsOf,
} from './core/labels.js';
import type { DatasetContext, DatasetKind } from './core/pipeline.js';
import { type ConfigDiagnostic, configError, Problems } from './core/problems.js';
import type { NormalizeConfig } from './core/scaling.js';
import { range, type TrainingPartConfig, testSelection } from './core/selection.js';
import { type Packed, packedSplit } from './core/store.js';
import { TextCodes } from './core/values.js';
import { csvSequences } from './csv-sequences.js';
import { type CsvColumns, type CsvTable, readCsvTable } from './csv-table.js';
import type { Delimiter } from './formats/csv-records.js';
import { rowName } from './formats/tables.js';
import { MAX_ELEMENTS } from './reading/limits.js';
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

/** The rows of one split's sequences. */
interface Part {
  readonly table: CsvTable;
  readonly lists: readonly RowList[];
}

interface Splits<T> {
  readonly train: T;
  readonly validation?: T | undefined;
  readonly test: T;
}

type Tables = Partial<Splits<CsvTable>> & Pick<Splits<CsvTable>, 'train'>;

export const csv: DatasetKind<CsvConfig> = {
  open,
  facts: ({ input_kind = 'number', target_kind, sequence }) => ({
    inputKind: input_kind === 'number' ? 'number' : 'symbol',
    targetKind: target_kind,
    perStep: sequence?.per_step ?? false,
  }),
  newSequences: csvSequences,
  leaks,
  normalize: 'columns',
  validationKeys: ['validation_path'],
  hasTestFile: true,
  hasSeed: false,
  symbols: {
    how: 'one column with `input_kind: symbol` or `text`',
    orNumbers: 'columns of numbers with `input_kind: number`',
  },
  dividesItself: false,
  expandsPaths: true,
};

/**
 * Opens the dataset. Class labels of all files become classes, see {@link classMapping}.
 * @throws UserError (exit 2) if a file or column is missing or the test split is not defined
 * @throws UserError (exit 5) if a cell is invalid, with its line and column
 */
async function open(config: CsvConfig, { seed, ignoredLabel }: DatasetContext): Promise<Dataset> {
  checkOptions(config);
  const { path, validation_path, test_path } = config;
  // codes are shared by all files
  const symbols = (config.input_kind ?? 'number') === 'number' ? undefined : new TextCodes();
  const columns = { ...columnsOf(config), symbols };
  const read = async (file: string | undefined): Promise<CsvTable | undefined> =>
    file === undefined ? undefined : readCsvTable(file, columns);
  const tables = {
    train: await readCsvTable(path, columns),
    validation: await read(validation_path),
    test: await read(test_path),
  };
  const all = [tables.train, tables.validation, tables.test].flatMap(table =>
    table === undefined ? [] : [labelTexts(table)],
  );
  const parts = partsOf(tables, config, seed);
  const mapping = config.target_kind === 'class' ? classMapping(all, config, ignoredLabel) : undefined;
  const steps = Math.max(...Object.values(parts).map(longest));
  const problems = new Problems();
  const split = (part: Part): Split | undefined => {
    const packed = problems.attempt(() => pack(part, config, mapping, steps));
    return packed && { ...packedSplit(packed, steps), ...namesOf(part, config) };
  };
  const train = split(parts.train);
  const validation = parts.validation && split(parts.validation);
  const test = split(parts.test);
  problems.throwIfAny();
  if (train === undefined || test === undefined) throw new Error('a missing part was reported');
  return {
    input: symbols
      ? { kind: 'symbol', count: symbols.texts.length }
      : { kind: 'number', size: config.features.length },
    ...(symbols && { symbolTexts: { level: config.level ?? null, texts: symbols.texts } }),
    sequenceLength: steps,
    train,
    ...(validation && { validation }),
    test,
    digests: splitFiles({
      train: tables.train.sources,
      validation: tables.validation?.sources,
      test: tables.test?.sources,
    }),
    columnNames: { features: i => config.features[i], targets: i => targetsOf(config)[i] },
    ...(config.target_kind === 'value' && { targetNames: targetsOf(config) }),
    ...(mapping && labelsOf(mapping)),
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
  if (config.target_kind === 'class' && typeof config.target !== 'string') {
    throw configError({
      code: 'data/class-targets',
      keyPath: ['dataset', 'target'],
      message: 'classes are read from one column',
      expected: 'the name of one column, or `target_kind: value` to predict several',
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

function partsOf(tables: Tables, config: CsvConfig, seed: number): Splits<Part> {
  const problems = new Problems();
  const part = (table: CsvTable): Part => ({ table, lists: rowLists(table, problems) });
  const all = part(tables.train);
  const validation = tables.validation && part(tables.validation);
  const given = tables.test && part(tables.test);
  problems.throwIfAny();
  const chosen = testSelection(config, all.lists.length, seed) ?? {
    train: range(all.lists.length),
    test: range(given?.lists.length ?? 0),
  };
  // pads to the longest sequence in use; `limit` may exclude longer ones
  const limit = config.validation === undefined ? config.limit : undefined;
  return {
    train: pick(all, chosen.train.subarray(0, limit)),
    ...(validation && { validation }),
    test: pick(given ?? all, chosen.test),
  };
}

/**
 * Names sequences by their group; single rows by their id, or by their line if they have none.
 * Folders of recordings often number their files alike, so equal names of files mean nothing.
 */
function namesOf({ table, lists }: Part, { sequence }: CsvConfig): Pick<Split, 'id' | 'idIsPlace'> {
  if (table.groups !== undefined) {
    const id = (index: number): string => groupOf(table, lists[index][0]);
    return { id, ...(sequence?.per_file && { idIsPlace: true }) };
  }
  const { ids } = table;
  const nameOf = (row: number): string => ids?.[row] || table.rowName(row);
  return { id: index => nameOf(lists[index][0]), ...(ids === undefined && { idIsPlace: true }) };
}

function pick({ table, lists }: Part, indices: Uint32Array): Part {
  return { table, lists: Array.from(indices, i => lists[i]) };
}

function longest({ table, lists }: Part): number {
  return lists.reduce((most, list) => Math.max(most, stepsOf(table, list)), 0);
}

/** Steps of a sequence: the symbols of its text, or its rows. */
function stepsOf({ texts }: CsvTable, list: RowList): number {
  return texts === undefined ? list.length : texts.starts[list[0] + 1] - texts.starts[list[0]];
}

function pack(part: Part, config: CsvConfig, mapping: ClassMapping | undefined, steps: number): Packed {
  const { table, lists } = part;
  const perStep = config.sequence?.per_step ?? false;
  if (perStep && lists.length * steps > MAX_ELEMENTS) {
    throw damagedError({
      code: 'data/too-large',
      message: `one ${table.perFile ? 'file' : 'group'} has ${steps} rows; padding every sequence to that length takes too much memory`,
      file: table.sources[0].name,
    });
  }
  const inputSize = config.features.length;
  const lengths = Int32Array.from(lists, list => stepsOf(table, list));
  const features = new Float32Array(lengths.reduce((sum, length) => sum + length, 0) * inputSize);
  const starts = new Uint32Array(lists.length);
  let at = 0;
  const add = (from: number, steps: number): void => {
    features.set(table.features.subarray(from * inputSize, (from + steps) * inputSize), at * inputSize);
    at += steps;
  };
  lists.forEach((list, i) => {
    starts[i] = at;
    if (table.texts) add(table.texts.starts[list[0]], lengths[i]);
    else for (const row of list) add(row, 1);
  });
  return {
    features,
    inputSize,
    starts,
    lengths,
    targets: sequenceTargets(table, lists, mapping, perStep ? steps : undefined),
  };
}

export function labelTexts(table: CsvTable): LabelTexts {
  const { sources, labels, targets } = table;
  return { file: sources[0].name, labels, placeOf: code => table.place(targets.indexOf(code), 'target') };
}

/**
 * Returns the targets of the sequences `lists`: classes with a `mapping`, else values; one per step
 * with `steps` (T), else one per sequence.
 * @throws UserError (exit 5) if the rows of a sequence differ in a target that is not per step,
 *   with the first such row of each sequence
 */
export function sequenceTargets(
  table: CsvTable,
  lists: readonly RowList[],
  mapping: ClassMapping | undefined,
  steps: number | undefined,
): Targets {
  const classOfCode = mapping && classesByCode(labelTexts(table), mapping);
  if (steps === undefined)
    checkConstant(table, lists, at => (classOfCode ? classOfCode[table.targets[at]] : table.targets[at]));
  if (mapping === undefined && steps !== undefined) {
    const size = table.targetNames.length;
    const values = new Float32Array(lists.length * steps * size).fill(Number.NaN);
    lists.forEach((list, i) => {
      list.forEach((row, step) => {
        for (let k = 0; k < size; k++) values[(i * steps + step) * size + k] = table.targets[row * size + k];
      });
    });
    return { kind: 'value', size, values, perStep: true };
  }
  if (mapping === undefined) {
    const size = table.targetNames.length;
    const values = new Float32Array(lists.length * size);
    lists.forEach(([row], i) => {
      for (let k = 0; k < size; k++) values[i * size + k] = table.targets[row * size + k];
    });
    return { kind: 'value', size, values };
  }
  const numClasses = mapping.labels.length;
  const classOf = (row: number): number => classOfCode?.[table.targets[row]] ?? IGNORED;
  if (steps === undefined) {
    return {
      kind: 'class',
      numClasses,
      values: Int32Array.from(lists, list => classOf(list[0])),
      perStep: false,
    };
  }
  const values = new Int32Array(lists.length * steps).fill(IGNORED);
  lists.forEach((list, i) => {
    list.forEach((row, step) => {
      values[i * steps + step] = classOf(row);
    });
  });
  return { kind: 'class', numClasses, values, perStep: true };
}

/** @param targetOf number or class of a cell of the targets */
function checkConstant(table: CsvTable, lists: readonly RowList[], targetOf: (at: number) => number): void {
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
  { targetNames: { length: size } }: CsvTable,
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
  table: CsvTable,
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
