/** Dataset kind `jsonl`: one sequence per line, as numbers, symbols or text. */
import { damagedError } from '../util/errors.js';
import { FloatList, TextCodes } from './core/columns.js';
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
  labelsOf,
} from './core/label-texts.js';
import type { DatasetContext, DatasetKind } from './core/pipeline.js';
import type { ConfigDiagnostic } from './core/problems.js';
import type { NormalizeConfig } from './core/scaling.js';
import { range, testSelection } from './core/selection.js';
import { packedSplit, type SequenceStore, storedSplit } from './core/store.js';
import type { TrainingPartConfig } from './core/training-part.js';
import type { JsonRecord } from './formats/json-lines.js';
import { addSteps, textOf } from './jsonl-fields.js';
import { jsonlSequences } from './jsonl-sequences.js';
import { type Common, type JsonlTable, readJsonlTable } from './jsonl-table.js';
import { inputFiles } from './reading/input-files.js';
import { MAX_ELEMENTS, MAX_TEXT_BYTES } from './reading/limits.js';
import { type MemoryConfig, staysOnDisk } from './reading/memory.js';
import type { VocabularyConfig } from './vocabulary.js';

export interface JsonlConfig
  extends TrainingPartConfig,
    NormalizeConfig,
    VocabularyConfig,
    LabelsConfig,
    MemoryConfig {
  readonly kind: 'jsonl';
  readonly path: string;
  readonly validation_path?: string;
  /**
   * File of the test split. Without it, `test_fraction` of the sequences are drawn with the
   * experiment's seed.
   */
  readonly test_path?: string;
  readonly test_fraction?: number;
  /** Field with the sequence. */
  readonly input: string;
  /**
   * A step is a number or a list of F numbers, a symbol, or a symbol that `level` cuts from a text.
   */
  readonly input_kind: 'number' | 'symbol' | 'text';
  /** Required for text. */
  readonly level?: TextLevel;
  readonly target: string;
  readonly target_kind: 'class' | 'value';
  /** True if the target is a list with one target per step. Default: one target per sequence. */
  readonly per_step?: boolean;
  /** Field with the name of a sequence. */
  readonly id?: string;
}

export const jsonl: DatasetKind<JsonlConfig> = {
  open,
  facts: ({ input_kind, target_kind, per_step = false }) => ({
    inputKind: input_kind === 'number' ? 'number' : 'symbol',
    targetKind: target_kind,
    perStep: per_step,
  }),
  newSequences: jsonlSequences,
  leaks,
  normalize: 'columns',
  validationKeys: ['validation_path'],
  hasTestFile: true,
  hasSeed: false,
  symbols: null,
  dividesItself: false,
  expandsPaths: true,
};

/**
 * Opens the dataset. Class labels of all files become classes, see {@link classMapping}; the null
 * of a step is ignored.
 * @throws UserError (exit 2) if a file is missing, the first record lacks a field or the test split
 *   is not defined
 * @throws UserError (exit 5) if a record is invalid, with its line
 */
async function open(config: JsonlConfig, { seed, ignoredLabel }: DatasetContext): Promise<Dataset> {
  const common: Common = { symbols: new TextCodes() };
  const { path, validation_path, test_path } = config;
  const files = await Promise.all([path, validation_path ?? [], test_path ?? []].map(inputFiles));
  const isOnDisk = await staysOnDisk(files.flat(), config, MAX_TEXT_BYTES);
  const read = async (of: string): Promise<JsonlTable> => readJsonlTable(of, config, common, isOnDisk);
  const train = await read(config.path);
  const validation = config.validation_path === undefined ? undefined : await read(config.validation_path);
  const given = config.test_path === undefined ? undefined : await read(config.test_path);
  const tables = [train, validation, given].filter(table => table !== undefined);
  const selection = testSelection(config, train.lengths.length, seed);
  const labels = tables.map(table => table.labels);
  const mapping = config.target_kind === 'class' ? classMapping(labels, config, ignoredLabel) : undefined;
  // pads to the longest sequence in use; `limit` may exclude longer ones
  const limit = config.validation === undefined ? config.limit : undefined;
  const trained = (selection?.train ?? range(train.lengths.length)).subarray(0, limit);
  const tested = selection?.test ?? range(given?.lengths.length ?? 0);
  const used: readonly (readonly [JsonlTable | undefined, Uint32Array])[] = [
    [train, trained],
    [validation, range(validation?.lengths.length ?? 0)],
    [given ?? train, tested],
  ];
  const steps = used.reduce(
    (most, [table, indices]) => indices.reduce((a, i) => Math.max(a, table?.lengths[i] ?? 0), most),
    1,
  );
  const split = (table: JsonlTable, indices = range(table.lengths.length)): Split =>
    splitOf(table, indices, { config, mapping, steps, common });
  const { texts } = common.symbols;
  return {
    input:
      config.input_kind === 'number'
        ? { kind: 'number', size: common.features ?? 1 }
        : { kind: 'symbol', count: texts.length },
    ...(config.input_kind !== 'number' && { symbolTexts: { level: config.level ?? null, texts } }),
    sequenceLength: steps,
    train: split(train, trained),
    ...(validation && { validation: split(validation) }),
    test: split(given ?? train, tested),
    digests: splitFiles({ train: train.sources, validation: validation?.sources, test: given?.sources }),
    columnNames: {
      features: i => (common.features === 1 ? config.input : `${config.input}[${i}]`),
      targets: i => (common.targets === 1 ? config.target : `${config.target}[${i}]`),
    },
    ...(mapping && labelsOf(mapping)),
  };
}

/** A target must not be an input. */
function leaks({ input, target }: JsonlConfig): ConfigDiagnostic[] {
  if (input !== target) return [];
  const message = `the target field "${target}" is also the input`;
  return [{ code: 'config/target-leak', message, keyPath: ['dataset', 'input'] }];
}

function splitOf(
  table: JsonlTable,
  indices: Uint32Array,
  {
    config,
    mapping,
    steps,
    common,
  }: {
    readonly config: JsonlConfig;
    readonly mapping: ClassMapping | undefined;
    readonly steps: number;
    readonly common: Common;
  },
): Split {
  const { features, sources } = table;
  const starts = Uint32Array.from(indices, i => table.starts[i]);
  const lengths = Int32Array.from(indices, i => table.lengths[i]);
  const isStored = table.records !== undefined && mapping !== undefined && config.per_step;
  if (config.per_step && !isStored && indices.length * steps > MAX_ELEMENTS) {
    throw damagedError({
      code: 'data/too-large',
      message: `one sequence has ${steps} steps; padding every sequence to that length takes too much memory`,
      file: sources[0].name,
    });
  }
  const id: Pick<Split, 'id' | 'idIsPlace'> = {
    id: index => table.idOf(indices[index]),
    ...(config.id === undefined && { idIsPlace: true }),
  };
  const targets = () =>
    targetsOf(table, indices, mapping, {
      steps: config.per_step ? steps : undefined,
      size: common.targets ?? 1,
    });
  const { records } = table;
  const inputSize = common.features ?? 1;
  if (records) {
    const store: SequenceStore = {
      count: indices.length,
      steps,
      inputSize,
      lengths: lengths.some(length => length < steps) ? lengths : undefined,
      places: index => [records[indices[index]]],
      decode: recordDecoder(config, common, mapping),
    };
    return { ...storedSplit(store, isStored ? { numClasses: mapping.labels.length } : targets()), ...id };
  }
  const packed = { features, inputSize, starts, lengths, targets: targets() };
  return { ...packedSplit(packed, steps), ...id };
}

/** Decodes a record read from disk, which was validated before. */
function recordDecoder(
  config: JsonlConfig,
  { symbols, ...shape }: Common,
  mapping: ClassMapping | undefined,
): SequenceStore['decode'] {
  const out = new FloatList();
  const codeOf = (text: string): number => symbols.code(text);
  return (_, [line], features, classes) => {
    const record: JsonRecord = JSON.parse(line.toString('utf8'));
    out.truncate(0);
    addSteps(record[config.input], config, { shape, codeOf, out });
    out.copyTo(features);
    if (!classes) return;
    (record[config.target] as readonly unknown[]).forEach((label, step) => {
      classes[step] = label === null ? IGNORED : (mapping?.classes.get(textOf(label)) ?? IGNORED);
    });
  };
}

/**
 * @param steps T if each step has a target, else undefined
 * @param size C of value targets
 */
function targetsOf(
  table: JsonlTable,
  indices: Uint32Array,
  mapping: ClassMapping | undefined,
  { steps, size }: { readonly steps: number | undefined; readonly size: number },
): Targets {
  if (mapping === undefined && steps !== undefined) {
    const width = steps * size;
    const values = new Float32Array(indices.length * width).fill(Number.NaN);
    indices.forEach((from, to) => {
      const start = table.starts[from] * size;
      values.set(table.targets.subarray(start, start + table.lengths[from] * size), to * width);
    });
    return { kind: 'value', size, values, perStep: true };
  }
  if (mapping === undefined) {
    const values = new Float32Array(indices.length * size);
    indices.forEach((from, to) => {
      values.set(table.targets.subarray(from * size, (from + 1) * size), to * size);
    });
    return { kind: 'value', size, values };
  }
  const classes = classesByCode(table.labels, mapping);
  const classOf = (at: number): number => classes[table.targets[at]] ?? IGNORED;
  const numClasses = mapping.labels.length;
  if (steps === undefined)
    return { kind: 'class', numClasses, values: Int32Array.from(indices, classOf), perStep: false };
  const values = new Int32Array(indices.length * steps).fill(IGNORED);
  indices.forEach((from, to) => {
    for (let step = 0; step < table.lengths[from]; step++)
      values[to * steps + step] = classOf(table.starts[from] + step);
  });
  return { kind: 'class', numClasses, values, perStep: true };
}
