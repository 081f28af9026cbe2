/** Dataset kind `jsonl`: one sequence per line, as numbers, symbols or text. */
import { damagedError } from '../../util/errors.js';
import { FloatList, TextCodes } from '../columns.js';
import { type Dataset, IGNORED, type Split, type Targets, type TextLevel } from '../dataset.js';
import {
  JsonlPieces,
  JsonlScan,
  type JsonRecord,
  type LinePlace,
  type RecordLine,
} from '../formats/jsonl.js';
import type { DatasetContext, DatasetKind } from '../kind.js';
import {
  type ClassMapping,
  classesByCode,
  classMapping,
  ignoredLabels,
  type LabelTexts,
  labelTextFacts,
} from '../label-texts.js';
import type { DataRecord, ReadSequence, SequenceReader } from '../new-sequences.js';
import { packedSplit } from '../packed.js';
import { configError, Problems } from '../problems.js';
import { readContent, type SourceFile } from '../reading/files.js';
import { inputFiles } from '../reading/input-files.js';
import { MAX_ELEMENTS, MAX_TEXT_BYTES } from '../reading/limits.js';
import { type MemoryConfig, staysOnDisk } from '../reading/memory.js';
import { RangedFile } from '../reading/ranged-file.js';
import type { NormalizeConfig } from '../scaling.js';
import { range, testSelection } from '../selection.js';
import { type Place, type SequenceStore, storedSplit } from '../stored-split.js';
import type { TrainingPartConfig } from '../training-part.js';
import { symbolNumbers, symbolsOf, UNKNOWN, type VocabularyConfig } from './vocabulary.js';

export interface JsonlConfig extends TrainingPartConfig, NormalizeConfig, VocabularyConfig, MemoryConfig {
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
  testDigests: 1,
  newSequences,
};

/** The records of one split's files, concatenated. */
interface Table {
  readonly sources: readonly Pick<SourceFile, 'name' | 'sha256'>[];
  /** `[rows, F]`, or each step's symbol code `[rows]`; empty if the records stay on disk. */
  readonly features: Float32Array;
  /** Byte range of each sequence's record; present if the records stay on disk. */
  readonly records?: readonly Place[] | undefined;
  readonly starts: readonly number[];
  readonly lengths: readonly number[];
  /**
   * Label codes, one per sequence or per step, or `[N, C]` values. Excludes labels per step of
   * records that stay on disk.
   */
  readonly targets: Float32Array;
  readonly labels: LabelTexts;
  readonly ids: readonly string[];
}

/** Shared by the records of all files. */
interface Common {
  /** F and C, set by the first record. */
  features?: number;
  targets?: number;
  readonly symbols: TextCodes;
}

/**
 * Opens the dataset. Class labels of all files become classes in sorted order (by value if all are
 * numbers, else by UTF-16 code units); -100 and null are ignored.
 * @throws UserError (exit 2) if a file is missing, the first record lacks a field or the test split
 *   is not defined
 * @throws UserError (exit 5) if a record is invalid, with its line
 */
async function open(config: JsonlConfig, { seed, ignoredLabel }: DatasetContext): Promise<Dataset> {
  const common: Common = { symbols: new TextCodes() };
  const { path, validation_path, test_path } = config;
  const files = await Promise.all([path, validation_path ?? [], test_path ?? []].map(inputFiles));
  const isOnDisk = await staysOnDisk(files.flat(), config, MAX_TEXT_BYTES);
  const read = async (of: string): Promise<Table> => readTable(of, config, common, isOnDisk);
  const train = await read(config.path);
  const validation = config.validation_path === undefined ? undefined : await read(config.validation_path);
  const given = config.test_path === undefined ? undefined : await read(config.test_path);
  const tables = [train, validation, given].filter(table => table !== undefined);
  const selection = testSelection(config, train.lengths.length, seed);
  const ignored = ignoredLabels(ignoredLabel);
  const labels = tables.map(table => table.labels);
  const mapping = config.target_kind === 'class' ? classMapping(labels, ignored) : undefined;
  // pads to the longest sequence in use; `limit` may exclude longer ones
  const limit = config.validation === undefined ? config.limit : undefined;
  const trained = (selection?.train ?? range(train.lengths.length)).subarray(0, limit);
  const tested = selection?.test ?? range(given?.lengths.length ?? 0);
  const used: readonly (readonly [Table | undefined, Uint32Array])[] = [
    [train, trained],
    [validation, range(validation?.lengths.length ?? 0)],
    [given ?? train, tested],
  ];
  const steps = used.reduce(
    (most, [table, indices]) => indices.reduce((a, i) => Math.max(a, table?.lengths[i] ?? 0), most),
    1,
  );
  const split = (table: Table, indices = range(table.lengths.length)): Split =>
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
    // the test data come last
    digests: (given ? tables : tables.toReversed()).flatMap(({ sources }) => sources),
    columnNames: {
      features: i => (common.features === 1 ? config.input : `${config.input}[${i}]`),
      targets: i => (common.targets === 1 ? config.target : `${config.target}[${i}]`),
    },
    classLabels: mapping?.labels,
    labels: mapping && labelTextFacts(labels, ignored),
  };
}

function splitOf(
  table: Table,
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
  const { features, ids, sources } = table;
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
  const id = config.id !== undefined && { id: (index: number) => ids[indices[index]] };
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
  table: Table,
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

/** Reads all files that `path` matches. */
async function readTable(
  path: string,
  config: JsonlConfig,
  common: Common,
  isOnDisk: boolean,
): Promise<Table> {
  const problems = new Problems();
  const files = await inputFiles(path);
  const reader = new TableReader(files[0], config, common, problems, isOnDisk);
  const sources: Pick<SourceFile, 'name' | 'sha256'>[] = [];
  for (const file of files) {
    const ranged = isOnDisk ? await RangedFile.open(file) : undefined;
    const scan = new JsonlScan(file, (record, line) => reader.record(record, line, ranged), problems);
    const source = ranged ? undefined : await readContent(file, MAX_TEXT_BYTES);
    if (source) scan.push(source.bytes);
    const sha256 = source?.sha256 ?? (await ranged?.scan(piece => scan.push(piece))) ?? '';
    scan.end();
    sources.push({ name: file, sha256 });
  }
  return { ...reader.table(), sources };
}

/** Reads sequences to predict: the field `input` of each line. */
function newSequences(config: JsonlConfig, { input, vocabulary }: DataRecord): SequenceReader {
  const numbers = vocabulary && symbolNumbers(vocabulary);
  const codeOf = (text: string): number => numbers?.get(text) ?? UNKNOWN;
  const shape = input.kind === 'number' ? { features: input.size } : {};
  return {
    hasIds: config.id !== undefined,
    hasTimes: false,
    async *read({ name, chunks }) {
      let done: ReadSequence[] = [];
      const pieces = new JsonlPieces(name, {
        record: (record, line) => done.push(readSequence(record, line)),
        broken: problem => done.push({ problems: [problem] }),
      });
      for await (const chunk of chunks) {
        pieces.push(chunk);
        yield done;
        done = [];
      }
      pieces.end();
      yield done;
    },
  };

  function readSequence(record: JsonRecord, line: RecordLine): ReadSequence {
    const problems = new Problems();
    const attempt = <T>(field: string, read: (value: unknown) => T): T | undefined =>
      attemptField(record, field, { read, problems, line });
    const values = new FloatList(64);
    const id =
      config.id === undefined || !Object.hasOwn(record, config.id) ? undefined : attempt(config.id, textOf);
    const length = attempt(config.input, value => addSteps(value, config, { shape, codeOf, out: values }));
    const named = id !== undefined && { id };
    return length === undefined || problems.all.length > 0
      ? { problems: problems.all, ...named }
      : { length, values: values.toArray(), ...named, place: line.place() };
  }
}

/** An invalid value and what was expected instead. */
class Unfit extends Error {
  constructor(
    readonly expected: string,
    readonly value: unknown,
    readonly code = 'data/jsonl-value',
  ) {
    super(expected);
  }
}

/**
 * Reads a field of a record; an invalid or missing value is added to `problems` at its position.
 */
function attemptField<T>(
  record: JsonRecord,
  name: string,
  {
    read,
    problems,
    line,
  }: { readonly read: (value: unknown) => T; readonly problems: Problems; readonly line: RecordLine },
): T | undefined {
  try {
    if (Object.hasOwn(record, name)) return read(record[name]);
    throw new Unfit('this field in every record', undefined, 'data/jsonl-missing-field');
  } catch (error) {
    if (!(error instanceof Unfit)) throw error;
    const { code, expected, value } = error;
    const has = value === undefined ? 'the record has no' : 'the record has a wrong';
    problems.add({
      code,
      message: `${has} field ${JSON.stringify(name)}`,
      ...line.place(name),
      expected,
      ...(value !== undefined && { got: words(value) }),
    });
    return undefined;
  }
}

interface Steps {
  /** F, set by the first step if not known yet. */
  readonly shape: { features?: number };
  /** The code of a symbol's text. */
  codeOf(text: string): number;
  readonly out: FloatList;
}

/** Appends the steps of a sequence to `steps.out` and returns their count. */
function addSteps(value: unknown, config: JsonlConfig, steps: Steps): number {
  const count = config.input_kind === 'number' ? addNumbers(value, steps) : addSymbols(value, config, steps);
  if (count === 0) throw new Unfit('at least one step', value);
  return count;
}

function addNumbers(value: unknown, { shape, out }: Steps): number {
  if (!Array.isArray(value)) throw new Unfit('a list with the numbers of each step', value);
  for (const step of value) {
    const numbers = Array.isArray(step) ? step : [step];
    shape.features ??= numbers.length;
    if (numbers.length !== shape.features || numbers.length === 0)
      throw new Unfit(`${Math.max(1, shape.features)} numbers a step`, step);
    for (const number of numbers) out.push(finite(number));
  }
  return value.length;
}

function addSymbols(
  value: unknown,
  { input_kind, level = 'character' }: JsonlConfig,
  { codeOf, out }: Steps,
): number {
  if (input_kind === 'text') {
    if (typeof value !== 'string') throw new Unfit('a string', value);
    let count = 0;
    for (const symbol of symbolsOf(value, level)) {
      out.push(codeOf(symbol));
      count++;
    }
    return count;
  }
  if (!Array.isArray(value)) throw new Unfit('a list with the symbol of each step', value);
  for (const symbol of value) out.push(codeOf(textOf(symbol)));
  return value.length;
}

/** Code of a null label. */
const NO_LABEL = -1;

class TableReader {
  private readonly features = new FloatList();
  private readonly targets = new FloatList();
  private readonly starts: number[] = [];
  private readonly lengths: number[] = [];
  private readonly ids: string[] = [];
  private readonly labels = new TextCodes();
  /** Position of the first occurrence of each label, by code. */
  private readonly labelPlaces: LinePlace[] = [];
  private rows = 0;
  private readonly records: Place[] | undefined;

  constructor(
    private readonly file: string,
    private readonly config: JsonlConfig,
    private readonly common: Common,
    private readonly problems: Problems,
    isOnDisk: boolean,
  ) {
    this.records = isOnDisk ? [] : undefined;
  }

  /** @param file the file that the record stays in, if it stays on disk */
  record(record: JsonRecord, line: RecordLine, file: RangedFile | undefined): void {
    if (this.starts.length === 0) this.checkFields(record);
    const { config, common, problems, features: out } = this;
    const attempt = <T>(name: string, read: (value: unknown) => T): T | undefined =>
      attemptField(record, name, { read, problems, line });
    const codeOf = (text: string): number => common.symbols.code(text);
    const length =
      attempt(config.input, value => addSteps(value, config, { shape: common, codeOf, out })) ?? 0;
    this.starts.push(this.rows);
    this.lengths.push(length);
    this.rows += length;
    const before = this.targets.size;
    attempt(config.target, value => this.target(value, length, line));
    if (file && this.records) {
      this.records.push({ file, from: line.from, to: line.to });
      out.truncate(0);
      if (config.per_step && config.target_kind === 'class') this.targets.truncate(before);
    }
    if (config.id !== undefined) attempt(config.id, value => this.ids.push(textOf(value)));
  }

  table(): Omit<Table, 'sources'> {
    const { file, features, targets, starts, lengths, ids, labels, labelPlaces } = this;
    return {
      features: features.toArray(),
      records: this.records,
      starts,
      lengths,
      targets: targets.toArray(),
      labels: { file, labels: labels.texts, placeOf: code => labelPlaces[code] },
      ids,
    };
  }

  /** Reports fields that the first record lacks as an error of the config. */
  private checkFields(record: JsonRecord): void {
    const { input, target, id } = this.config;
    const names = Object.keys(record);
    const missing = Object.entries({ input, target, id }).filter(
      ([, name]) => name !== undefined && !Object.hasOwn(record, name),
    );
    if (missing.length === 0) return;
    throw configError(
      ...missing.map(([key, name]) => ({
        code: 'data/jsonl-missing-field',
        keyPath: ['dataset', key],
        message: `the first record of ${this.file} has no field ${JSON.stringify(name)}`,
        expected: `one of ${names.slice(0, MAX_NAMED).join(', ')}${names.length > MAX_NAMED ? ', …' : ''}`,
        alternatives: names,
      })),
    );
  }

  private target(value: unknown, length: number, line: RecordLine): void {
    const { target_kind, per_step, input } = this.config;
    const one = (target: unknown): void =>
      target_kind === 'value' ? this.numbers(target) : this.label(target, line);
    if (!per_step) {
      one(value);
      return;
    }
    if (!Array.isArray(value)) throw new Unfit('a list with the target of each step', value);
    // an invalid sequence has been reported already
    if (value.length !== length && length > 0) {
      const expected = `${length} targets, one for each step of ${JSON.stringify(input)}`;
      throw new Unfit(expected, `${value.length} targets`);
    }
    for (const target of value) one(target);
  }

  /** Appends the numbers of a target; NaN for a step without one. */
  private numbers(value: unknown): void {
    const { common, targets } = this;
    if (value === null && this.config.per_step) {
      if (common.targets === undefined) throw new Unfit('a first step with a target', value);
      for (let i = 0; i < common.targets; i++) targets.push(Number.NaN);
      return;
    }
    const numbers = Array.isArray(value) ? value : [value];
    common.targets ??= numbers.length;
    if (numbers.length !== common.targets || numbers.length === 0)
      throw new Unfit(`${Math.max(1, common.targets)} numbers, as in the first record`, value);
    for (const number of numbers) targets.push(finite(number));
  }

  private label(value: unknown, line: RecordLine): void {
    if (value === null) {
      this.targets.push(NO_LABEL);
      return;
    }
    const code = this.labels.code(textOf(value));
    if (code === this.labelPlaces.length) this.labelPlaces.push(line.place(this.config.target));
    this.targets.push(code);
  }
}

/** Maximum number of fields that a message lists and of characters that it shows of a value. */
const MAX_NAMED = 30;
const MAX_SHOWN = 60;

/** The beginning of a text, or of a value as JSON. */
function words(value: unknown): string {
  // JSON has no infinity, which `1e999` is read as
  if (typeof value === 'number') return String(value);
  let text: string;
  try {
    text = typeof value === 'string' ? value : JSON.stringify(value);
  } catch (error) {
    // `JSON.parse` reads deeper nesting than `JSON.stringify` writes
    if (!(error instanceof RangeError)) throw error;
    return 'a value that is nested too deeply';
  }
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function finite(value: unknown): number {
  const number = typeof value === 'number' ? Math.fround(value) : Number.NaN;
  if (Number.isFinite(number)) return number;
  // quotes tell a text from the number that it spells
  const got = typeof value === 'string' ? JSON.stringify(value) : value;
  throw new Unfit('finite numbers', got, 'data/not-finite');
}

/** The text of a symbol, class label or name. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new Unfit('strings, numbers or booleans', value);
}
