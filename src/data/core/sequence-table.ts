/**
 * Datasets of files that are read whole: a table of all sequences for each split's files, classes
 * that all tables share, and splits that select sequences of a table.
 */

import { damagedError } from '../../util/errors.js';
import { MAX_ELEMENTS } from '../reading/files.js';
import {
  type DataFile,
  type Dataset,
  type DatasetContext,
  type SequenceFacts,
  type Split,
  splitFiles,
} from './dataset.js';
import { range } from './drawing.js';
import type { TestPartConfig, TrainingPartConfig } from './held-out.js';
import { type ClassMapping, classesByCode, classMapping, type LabelCodes, symbolMapping } from './labels.js';
import { Problems } from './problems.js';
import type { TextLevel } from './record.js';
import { type Divisible, NOT_ONE_CLASS, testSelection } from './selection.js';
import {
  factsOf,
  mapSplits,
  type Packed,
  type Place,
  packedSplit,
  type SequenceStore,
  startsOf,
  storedSplit,
} from './store.js';
import { IGNORED, type Targets } from './targets.js';

export interface SequenceTablesConfig extends TestPartConfig, TrainingPartConfig {
  readonly path: string;
  readonly labels_as_text?: boolean;
  readonly validation_path?: string;
  readonly target_kind: Targets['kind'];
  readonly input_kind?: 'number' | 'symbol' | 'text';
  readonly level?: TextLevel;
}

/** The sequences of one split's files, in the order of the files. */
export interface SequenceTable extends SequenceFacts {
  readonly sources: readonly DataFile[];
  /** `[rows, F]`, or the code of each step's symbol `[rows]`; empty if sequences stay on disk. */
  readonly features: Float32Array;
  /** Byte range of each sequence; present if they stay on disk. */
  readonly records?: readonly Place[] | undefined;
  readonly lengths: ArrayLike<number>;
  /** Number of sequences without a target, which are left out. */
  readonly unlabelled: number;
  /** Id or place of the first of them. */
  readonly firstUnlabelled: string | undefined;
  /** Number of sequences without a step, which are left out. */
  readonly empty: number;
  /**
   * Label codes, one per sequence or per row, or `[N, C]` or `[rows, C]` values; NaN for a step
   * without one; or the symbol codes of all targets, one after another. Excludes labels per step of
   * sequences that stay on disk.
   */
  readonly targets: Float32Array | Float64Array;
  /** Number of symbols of each target; present if targets are sequences. */
  readonly targetLengths?: ArrayLike<number> | undefined;
  readonly labels: LabelCodes;
  readonly augment?: Packed['augment'];
  /** @throws UserError (exit 5) if a sequence of `indices` has no single target */
  check?(indices: Uint32Array, mapping: ClassMapping | undefined): void;
}

export interface SequenceTables {
  read(path: string): Promise<SequenceTable>;
  readonly inputSize: number;
  readonly targetSize: number;
  readonly symbols: readonly string[];
  readonly perStep: boolean;
  /** What a sequence is, for messages, such as `one group has 5 rows`. */
  longest(steps: number): string;
  /** Decodes a record that was validated before; present if sequences may stay on disk. */
  decoder?(mapping: ClassMapping | undefined): SequenceStore['decode'];
}

/**
 * Opens a dataset of tables. Class labels of all files become classes, see {@link classMapping}.
 */
export async function openTables(
  config: SequenceTablesConfig,
  { seed, ignoredLabel }: DatasetContext,
  tables: SequenceTables,
): Promise<Dataset> {
  const read = async (path: string | undefined) => (path === undefined ? undefined : tables.read(path));
  const train = await tables.read(config.path);
  const [validation, given] = [await read(config.validation_path), await read(config.test_path)];
  const all = [train, validation ?? [], given ?? []].flat();
  for (const table of all) refuseWithoutSequences(table);
  const labels = all.map(table => table.labels);
  const mapping = mappingOf(config, labels, ignoredLabel);
  const divisible = divisibleOf(train, config.target_kind, tables.perStep, mapping);
  const selection = testSelection(config, divisible, seed, config.path);
  // pads to the longest sequence in use; `limit` may exclude longer ones
  const limit = config.validation === undefined ? config.limit : undefined;
  const part = (table: SequenceTable, indices = range(table.lengths.length)) => ({ table, indices });
  const parts = {
    train: part(train, selection?.rest.subarray(0, limit) ?? range(train.lengths.length).subarray(0, limit)),
    validation: validation && part(validation),
    test: selection ? part(train, selection.held) : part(given ?? train),
  };
  const used = [parts.train, parts.validation ?? [], parts.test].flat();
  const longest = (lengthsOf: (table: SequenceTable) => ArrayLike<number>) =>
    used.reduce(
      (most, { table, indices }) => indices.reduce((a, index) => Math.max(a, lengthsOf(table)[index]), most),
      1,
    );
  const steps = longest(({ lengths }) => lengths);
  const longestTarget =
    config.target_kind === 'sequence' ? longest(({ targetLengths = [] }) => targetLengths) : undefined;
  const form = { tables, mapping, steps, longestTarget };
  const problems = new Problems();
  const splits = mapSplits(parts, ({ table, indices }) =>
    problems.attempt(() => splitOf(table, indices, form)),
  );
  problems.throwIfAny();
  const { inputSize, symbols } = tables;
  const isNumber = (config.input_kind ?? 'number') === 'number';
  return {
    input: isNumber ? { kind: 'number', size: inputSize } : { kind: 'symbol', count: symbols.length },
    ...(!isNumber && { symbolTexts: { level: config.level ?? null, texts: symbols } }),
    sequenceLength: steps,
    train: splits.train as Split,
    ...(splits.validation && { validation: splits.validation }),
    test: splits.test as Split,
    digests: splitFiles({
      ...dividedFiles(train, selection),
      validation: validation?.sources,
      ...(given && { test: given.sources }),
    }),
    unlabelled: all.reduce((sum, table) => sum + table.unlabelled, 0),
    firstUnlabelled: all.find(table => table.unlabelled > 0)?.firstUnlabelled,
    empty: all.reduce((sum, table) => sum + table.empty, 0),
    ...mapping?.facts,
  };
}

/** The sources of a table; those of recordings that are all held out are of the test split. */
function dividedFiles(
  { sources, recording }: SequenceTable,
  selection: { readonly rest: Uint32Array; readonly held: Uint32Array } | undefined,
): { readonly train: readonly DataFile[]; readonly test?: readonly DataFile[] } {
  if (!recording || !selection) return { train: sources };
  const filesOf = (indices: Uint32Array) => new Set(Array.from(indices, index => recording(index).file));
  const [rest, held] = [filesOf(selection.rest), filesOf(selection.held)];
  const isHeld = ({ name }: DataFile): boolean => held.has(name) && !rest.has(name);
  const test = sources.filter(isHeld).map(one => ({ ...one, folder: `${one.folder} (held out)` }));
  return { train: sources.filter(one => !isHeld(one)), test };
}

function refuseWithoutSequences({ lengths, unlabelled, sources }: SequenceTable): void {
  if (lengths.length > 0) return;
  const message = `no sequence has a ${unlabelled > 0 ? 'target' : 'step'}`;
  throw damagedError('data/no-targets', message, { file: sources[0].name });
}

function mappingOf(
  config: SequenceTablesConfig,
  labels: readonly LabelCodes[],
  ignoredLabel: number | undefined,
): ClassMapping | undefined {
  if (config.target_kind === 'sequence') return symbolMapping(labels, config.path);
  return config.target_kind === 'class' ? classMapping(labels, config, ignoredLabel) : undefined;
}

function divisibleOf(
  { lengths, labels, targets, valueIn, startOf }: SequenceTable,
  kind: Targets['kind'],
  perStep: boolean,
  mapping: ClassMapping | undefined,
): Divisible {
  const classes = mapping && kind === 'class' && !perStep ? classesByCode(labels, mapping) : undefined;
  return {
    count: lengths.length,
    classes: classes && Int32Array.from(targets, code => classes[code]),
    targets: NOT_ONE_CLASS[kind],
    ...{ valueIn, startOf },
  };
}

interface SplitForm {
  readonly tables: SequenceTables;
  readonly mapping: ClassMapping | undefined;
  readonly steps: number;
  /** Symbols of the longest target; undefined unless targets are sequences. */
  readonly longestTarget: number | undefined;
}

function splitOf(table: SequenceTable, indices: Uint32Array, form: SplitForm): Split {
  const { tables, mapping, steps, longestTarget } = form;
  const { inputSize, perStep } = tables;
  const { features, records } = table;
  const lengths = Int32Array.from(indices, index => table.lengths[index]);
  const isStored = records !== undefined && mapping !== undefined && perStep;
  const width = perStep && !isStored ? steps : (longestTarget ?? 1);
  if (indices.length * width > MAX_ELEMENTS) {
    const longest = longestTarget ? `one target has ${longestTarget} symbols` : tables.longest(steps);
    throw damagedError(
      'data/too-large',
      `${longest}; padding every sequence to that length takes too much memory`,
      { file: table.sources[0].name },
    );
  }
  table.check?.(indices, mapping);
  const facts = factsOf(table, indices);
  const augment: Packed['augment'] =
    table.augment && ((given, index, draw) => table.augment?.(given, indices[index], draw) ?? given);
  if (records && tables.decoder) {
    const store: SequenceStore = {
      count: indices.length,
      steps,
      inputSize,
      lengths: lengths.some(length => length < steps) ? lengths : undefined,
      places: index => [records[indices[index]]],
      decode: tables.decoder(mapping),
      augment,
    };
    const targets = isStored ? { numClasses: mapping.labels.length } : targetsOf(table, indices, form);
    return { ...storedSplit(store, targets), ...facts };
  }
  const all = startsOf(table.lengths);
  const starts = Uint32Array.from(indices, index => all[index]);
  const targets = targetsOf(table, indices, form);
  return { ...packedSplit({ features, inputSize, starts, lengths, targets, augment }, steps), ...facts };
}

/** Pads targets per step: with {@link IGNORED}, or NaN for values. */
function targetsOf(
  table: SequenceTable,
  indices: Uint32Array,
  { tables: { perStep, targetSize }, mapping, steps, longestTarget }: SplitForm,
): Targets {
  if (mapping && longestTarget) return sequenceTargets(table, indices, mapping, longestTarget);
  const width = perStep ? steps : 1;
  const starts = startsOf(table.lengths);
  /** Calls `visit` with the position of a sequence's targets, in rows, and of those to write. */
  const each = (visit: (from: number, to: number, count: number) => void): void =>
    indices.forEach((index, to) => {
      if (perStep) visit(starts[index], to * steps, table.lengths[index]);
      else visit(index, to, 1);
    });
  if (mapping === undefined) {
    const size = targetSize;
    const values = new Float32Array(indices.length * width * size).fill(Number.NaN);
    each((from, to, count) => {
      for (let i = 0; i < count * size; i++) values[to * size + i] = table.targets[from * size + i];
    });
    return { kind: 'value', size, values, ...(perStep && { perStep }) };
  }
  const classes = classesByCode(table.labels, mapping);
  const values = new Int32Array(indices.length * width).fill(IGNORED);
  each((from, to, count) => {
    for (let i = 0; i < count; i++) values[to + i] = classes[table.targets[from + i]] ?? IGNORED;
  });
  return { kind: 'class', numClasses: mapping.labels.length, values, perStep };
}

function sequenceTargets(
  { targets, targetLengths = [], labels }: SequenceTable,
  indices: Uint32Array,
  mapping: ClassMapping,
  size: number,
): Targets {
  const classes = classesByCode(labels, mapping);
  const starts = startsOf(targetLengths);
  const values = new Int32Array(indices.length * size).fill(IGNORED);
  indices.forEach((index, at) => {
    for (let i = 0; i < targetLengths[index]; i++)
      values[at * size + i] = classes[targets[starts[index] + i]];
  });
  return { kind: 'sequence', numClasses: mapping.labels.length, size, values };
}
