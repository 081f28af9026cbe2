/** Dataset kind `jsonl`: one sequence per line, as numbers, symbols or text. */

import { createHash } from '../../host/index.js';
import type { Diagnostic } from '../../util/errors.js';
import type { FeatureColumn, StepColumns } from '../core/columns.js';
import {
  type DataFile,
  type Dataset,
  type DatasetContext,
  type DatasetReaders,
  dataWidth,
  type NewSequencesOptions,
  type ReadSequence,
  type SequenceReader,
  staticWidth,
  type TargetsToRead,
} from '../core/dataset.js';
import { codedBy, columnOf, knownCategories, numbersOf, settingsOf } from '../core/feature-columns.js';
import { staticsOf } from '../core/features.js';
import { splitColumns } from '../core/held-out.js';
import {
  type ClassMapping,
  classReader,
  LabelCodes,
  type TargetWarning,
  targetSymbolReader,
} from '../core/labels.js';
import { configError, Problems } from '../core/problems.js';
import type { DataRecord } from '../core/record.js';
import { openTables, type SequenceTable } from '../core/sequence-table.js';
import { FloatList, type Place, type SequenceStore, TextCodes } from '../core/store.js';
import { IGNORED } from '../core/targets.js';
import { symbolReader } from '../core/vocabulary.js';
import { placeNames, readInTurn } from '../reading/byte-sources.js';
import { RECORDS_NAME } from '../reading/facts.js';
import { inputFiles, MAX_TEXT_BYTES, staysOnDisk } from '../reading/files.js';
import { RangedFile, readPieces } from '../reading/ranged-file.js';
import type { JsonlConfig } from './facts.js';
import {
  addSteps,
  attemptField,
  attemptStatics,
  hasNoTarget,
  isEmpty,
  type JsonRecord,
  jsonLines,
  labelOf,
  type RecordLine,
  staticReader,
  targetNumbers,
  targetSymbols,
  targetsIn,
  textOf,
} from './records.js';

export const jsonl: DatasetReaders<JsonlConfig> = { open, newSequences, stepColumns };

/** Opens the dataset. The null of a step is ignored. */
async function open(config: JsonlConfig, context: DatasetContext): Promise<Dataset> {
  const { path, validation_path, test_path } = config;
  const files = await Promise.all(
    [path, validation_path ?? [], test_path ?? []].map(paths => inputFiles(paths, RECORDS_NAME)),
  );
  const isOnDisk = await staysOnDisk(files.flat(), config, MAX_TEXT_BYTES);
  return openRecords(config, context, (of, common) => readJsonlTable(of, config, common, isOnDisk));
}

/** Opens records that are generated. @param recordsOf those of `path` and `test_path` */
export function openGenerated(
  config: JsonlConfig,
  context: DatasetContext,
  recordsOf: (name: string) => Iterable<JsonRecord>,
): Promise<Dataset> {
  return openRecords(config, context, async (file, common) => {
    const reader = new TableReader([file], config, common);
    const hash = createHash('sha256');
    let number = 0;
    for (const record of recordsOf(file)) {
      const source = `${JSON.stringify(record)}\n`;
      const line = { file, line: ++number, column: 1, length: source.length, source };
      reader.add({ record, number, from: 0, to: 0, place: () => line }, undefined);
      hash.update(source);
    }
    return reader.table([{ name: file, sha256: hash.digest('hex') }]);
  });
}

async function openRecords(
  config: JsonlConfig,
  context: DatasetContext,
  read: (path: string, common: Common) => Promise<SequenceTable>,
): Promise<Dataset> {
  const statics = staticsOf(config.static_features, config.missing);
  const categories = statics.map(() => new TextCodes());
  const columns = statics.map(columnOf);
  const numbers = numbersOf(columns);
  const common: Common = {
    symbols: new TextCodes(),
    columns,
    staticOf: staticReader(columns, { category: codedBy(categories) }),
  };
  const dataset = await openTables(config, context, {
    read: of => read(of, common),
    get inputSize() {
      return (common.features ?? 1) + numbers.length;
    },
    get targetSize() {
      return common.targets ?? 1;
    },
    symbols: common.symbols.texts,
    perStep: config.per_step ?? false,
    longest: steps => `one sequence has ${steps} steps`,
    idIsPlace: config.id === undefined,
    decoder: mapping => recordDecoder(config, common, mapping),
  });
  const { features = 1 } = common;
  return {
    ...dataset,
    ...(numbers.length > 0 && {
      input: { kind: 'number', size: features + numbers.length, static: numbers.length },
    }),
    columnSettings: i =>
      i < features ? { missing: config.missing } : settingsOf(statics, numbers[i - features], categories),
    columnNames: {
      features: i => nameOfColumn(config, i, features),
      targets: i => (common.targets === 1 ? config.target : `${config.target}[${i}]`),
    },
  };
}

function nameOfColumn({ input, static_features }: JsonlConfig, index: number, features: number): string {
  if (index < features) return features === 1 ? input : `${input}[${index}]`;
  return numbersOf(staticsOf(static_features, undefined).map(columnOf))[index - features].name;
}

function stepColumns(config: JsonlConfig, data: DataRecord): StepColumns | undefined {
  const { static_features, missing } = config;
  if (static_features === undefined) return undefined;
  const features = dataWidth(data) - staticWidth(data);
  const ofSteps = Array.from({ length: features }, (_, i) => ({ name: nameOfColumn(config, i, features) }));
  return { columns: [...ofSteps, ...staticsOf(static_features, missing).map(columnOf)] };
}

/** Reads `input` and `static_features` of each record, and for an evaluation `target`. */
function newSequences(
  config: JsonlConfig,
  data: DataRecord,
  { targets }: NewSequencesOptions = {},
): SequenceReader {
  const codeOf = symbolReader(data.vocabulary, targets !== undefined);
  const [width, features] = [dataWidth(data), dataWidth(data) - staticWidth(data)];
  const shape = data.input.kind === 'number' ? { features } : {};
  const columns = staticsOf(config.static_features, config.missing).map(columnOf);
  const targetsOf = targets && targetReader(config, data.class_names ?? [], targets);
  return {
    hasIds: true,
    hasTimes: false,
    columnNames: Array.from({ length: width }, (_, i) => nameOfColumn(config, i, features)),
    async *read(sources) {
      const done: ReadSequence[] = [];
      const nameOf = placeNames(sources.map(({ name }) => name));
      const staticOf = staticReader(columns, { category: knownCategories(columns, data) });
      const read = (line: RecordLine): ReadSequence => {
        const problems = new Problems();
        const warnings: Diagnostic[] = [];
        const warnAt = (field: string) => (warning: Diagnostic | TargetWarning) =>
          void warnings.push({ ...warning, ...line.place(field) });
        const statics = attemptStatics(line, columns, problems, (value, i) =>
          staticOf(value, i, warnAt(columns[i].name)),
        );
        const out = new FloatList(64);
        const place = line.place();
        const hasId = config.id !== undefined && Object.hasOwn(line.record, config.id);
        const given = hasId ? attemptField(line, config.id, problems, textOf) : '';
        // an empty one names nothing
        const id = given === '' ? nameOf(place) : given;
        const named = id !== undefined && { id };
        const symbols: string[] = [];
        const keptCode = (text: string): number => {
          symbols.push(text);
          return codeOf(text);
        };
        const length = attemptField(line, config.input, problems, value =>
          addSteps(value, config, { shape, statics, codeOf: keptCode, out }),
        );
        const target = (value: unknown) => targetsOf?.(value, length ?? 0, warnAt(config.target));
        const own = targetsOf && attemptField(line, config.target, problems, target, !config.per_step);
        if (problems.all.length > 0) return { problems: problems.all, ...named };
        const labelled = own && { targets: own };
        const spelled = data.vocabulary && { symbols };
        const doubtful = warnings.length > 0 && { warnings };
        const values = out.toArray();
        return { length: length ?? 0, values, ...labelled, ...named, ...spelled, ...doubtful, place };
      };
      const piecesOf = (file: string) =>
        jsonLines(
          file,
          line => {
            const hasNoSteps = targets && isEmpty(line.record[config.input], config);
            done.push(hasNoSteps ? { length: 0, values: new Float32Array() } : read(line));
          },
          problem => done.push({ problems: [problem] }),
        );
      yield* readInTurn(sources, piecesOf, done);
    },
  };
}

/** Returns the reader of a record's target for a trained model. */
function targetReader(
  config: JsonlConfig,
  classNames: readonly string[],
  { size, ignoredLabel }: TargetsToRead,
): (
  value: unknown,
  length: number,
  warn: (warning: TargetWarning) => void,
) => Int32Array | Float32Array | undefined {
  const { target_kind } = config;
  if (target_kind === 'sequence') {
    const codeOf = targetSymbolReader(classNames);
    return (value, _, warn) =>
      value === null ? undefined : Int32Array.from(targetSymbols(value, config), text => codeOf(text, warn));
  }
  const isClass = target_kind === 'class';
  const classOf = classReader(classNames, config, ignoredLabel);
  const one = (target: unknown): readonly number[] => {
    if (target === null) return isClass ? [IGNORED] : Array(size).fill(Number.NaN);
    return isClass ? [classOf(labelOf(target))] : targetNumbers(target, size);
  };
  return (value, length) => {
    const all = targetsIn(value, length, config).flatMap(one);
    return isClass ? Int32Array.from(all) : Float32Array.from(all);
  };
}

/** Decodes a record read from disk, which was validated before. */
function recordDecoder(
  config: JsonlConfig,
  { symbols, columns, staticOf, ...shape }: Common,
  mapping: ClassMapping | undefined,
): SequenceStore['decode'] {
  const out = new FloatList();
  const steps = { shape, codeOf: (text: string) => symbols.code(text), out };
  return (_, [line], features, classes) => {
    const record: JsonRecord = JSON.parse(line.toString('utf8'));
    out.truncate(0);
    const statics = columns.flatMap(({ name }, i) => staticOf(record[name], i));
    addSteps(record[config.input], config, { ...steps, statics });
    out.copyTo(features);
    if (!classes) return;
    (record[config.target] as readonly unknown[]).forEach((label, step) => {
      classes[step] = label === null ? IGNORED : (mapping?.classes.get(labelOf(label)) ?? IGNORED);
    });
  };
}

/** Shared by the records of all files. */
interface Common {
  /** F and C, set by the first record. */
  features?: number;
  targets?: number;
  readonly symbols: TextCodes;
  /** The fields with one value per record, and the reader of their values. */
  readonly columns: readonly FeatureColumn[];
  readonly staticOf: ReturnType<typeof staticReader>;
}

async function readJsonlTable(
  path: string,
  config: JsonlConfig,
  common: Common,
  isOnDisk: boolean,
): Promise<SequenceTable> {
  const files = await inputFiles(path, RECORDS_NAME);
  const reader = new TableReader(files, config, common);
  const { problems } = reader;
  const sources: DataFile[] = [];
  for (const file of files) {
    const before = reader.count;
    const ranged = isOnDisk ? await RangedFile.open(file) : undefined;
    const lines = jsonLines(
      file,
      line => reader.add(line, ranged),
      problem => problems.add(problem),
    );
    sources.push(await readPieces(file, ranged, lines));
    if (reader.count === before && problems.all.length === 0)
      problems.add({ code: 'data/jsonl-empty', message: 'the file has no records', file });
  }
  return reader.table(sources);
}

class TableReader {
  readonly problems = new Problems(true);
  readonly lengths: number[] = [];
  /** Numbers of records without a target, and without a step, which are left out. */
  unlabelled = 0;
  empty = 0;
  private firstUnlabelled: string | undefined;
  private readonly features = new FloatList();
  private readonly targets = new FloatList();
  /** Fields that no record has had yet, and that not all need to have. */
  private lacking: ReturnType<typeof fieldsLacking> = [];
  /** Number of symbols of each target that is a sequence. */
  private readonly targetLengths: number[] = [];
  private readonly ids: string[] = [];
  /** Fields that divide the data, and their values in each record. */
  private readonly splits: readonly string[];
  private readonly splitValues: string[] = [];
  /** Targets that are null before the first number, whose size is not known yet. */
  private pendingNulls = 0;
  private readonly labels = new LabelCodes();
  /** Of records that stay on disk. */
  private readonly records: Place[] = [];
  private readonly nameOf: ReturnType<typeof placeNames>;

  constructor(
    files: readonly string[],
    private readonly config: JsonlConfig,
    private readonly common: Common,
  ) {
    this.nameOf = placeNames(files);
    this.splits = splitColumns(config).map(({ name }) => name);
  }

  get count(): number {
    return this.lengths.length + this.unlabelled + this.empty;
  }

  /** @param file the file that the record stays in, if it stays on disk */
  add(line: RecordLine, file: RangedFile | undefined): void {
    const { config, common, problems, features: out } = this;
    const at = line.place();
    if (this.count === 0) {
      this.lacking = fieldsLacking(line.record, at.file, config);
      refuseLacking(this.lacking.filter(({ isLate }) => !isLate));
    } else if (this.lacking.length > 0)
      this.lacking = this.lacking.filter(({ name }) => !Object.hasOwn(line.record, name));
    if (isEmpty(line.record[config.input], config)) {
      this.empty++;
      return;
    }
    const codeOf = (text: string): number => common.symbols.code(text);
    const statics = attemptStatics(line, common.columns, problems, common.staticOf);
    const steps = { shape: common, statics, codeOf, out };
    const [rows, before] = [out.size, this.targets.size];
    const length = attemptField(line, config.input, problems, value => addSteps(value, config, steps)) ?? 0;
    if (hasNoTarget(line.record[config.target], config)) {
      out.truncate(rows);
      this.unlabelled++;
      this.firstUnlabelled ??= this.nameOf(at);
      return;
    }
    this.lengths.push(length);
    attemptField(line, config.target, problems, value => this.target(value, length, line));
    if (file) {
      this.records.push({ file, from: line.from, to: line.to });
      out.truncate(0);
      if (config.per_step && config.target_kind === 'class') this.targets.truncate(before);
    }
    const id = config.id === undefined ? this.nameOf(at) : attemptField(line, config.id, problems, textOf);
    this.ids.push(id ?? '');
    for (const name of this.splits)
      this.splitValues.push(attemptField(line, name, problems, value => textOf(value)) ?? '');
  }

  table(sources: readonly DataFile[]): SequenceTable {
    const { features, targets, lengths, labels, records, splits, splitValues, problems } = this;
    refuseLacking(this.lacking);
    problems.throwIfAny();
    return {
      sources,
      targetLengths: this.targetLengths,
      unlabelled: this.unlabelled,
      firstUnlabelled: this.firstUnlabelled,
      empty: this.empty,
      features: features.toArray(),
      records: records.length > 0 ? records : undefined,
      lengths,
      targets: targets.toArray(),
      labels,
      idOf: index => this.ids[index],
      valueIn: (field, index) => splitValues[index * splits.length + splits.indexOf(field)],
      startOf: undefined,
    };
  }

  private target(value: unknown, length: number, line: RecordLine): void {
    if (this.config.target_kind === 'sequence') {
      const symbols = targetSymbols(value, this.config);
      this.targetLengths.push(symbols.length);
      for (const symbol of symbols) this.targets.push(this.labels.code(symbol));
      return;
    }
    for (const target of targetsIn(value, length, this.config)) {
      if (this.config.target_kind === 'value') this.numbers(target);
      else this.label(target, line);
    }
  }

  /** Appends the numbers of a target; NaN for a step without one. */
  private numbers(value: unknown): void {
    const { common, targets } = this;
    if (value === null && this.config.per_step) {
      if (common.targets === undefined) this.pendingNulls++;
      for (let i = 0; i < (common.targets ?? 0); i++) targets.push(Number.NaN);
      return;
    }
    const numbers = targetNumbers(value, common.targets);
    common.targets ??= numbers.length;
    for (let i = 0; i < this.pendingNulls * common.targets; i++) targets.push(Number.NaN);
    this.pendingNulls = 0;
    for (const number of numbers) targets.push(number);
  }

  private label(value: unknown, line: RecordLine): void {
    if (value === null && this.config.per_step) {
      this.targets.push(Number.NaN);
      return;
    }
    this.targets.push(this.labels.placed(labelOf(value), () => line.place(this.config.target)));
  }
}

/** Maximum number of fields that a message lists. */
const MAX_NAMED = 30;

/** The fields that the first record lacks; others may have those that are `late`. */
function fieldsLacking(record: JsonRecord, file: string, config: JsonlConfig) {
  const names = Object.keys(record);
  const { input, target, id, static_features, missing: ofAll } = config;
  const given = Object.entries({ input, target, id }).flatMap(([key, name]) =>
    name === undefined ? [] : [{ name, keyPath: ['dataset', key] }],
  );
  const statics = staticsOf(static_features, ofAll).map(({ column, namedAt }) => ({
    name: column,
    keyPath: namedAt,
  }));
  const missing = [...given, ...statics, ...splitColumns(config)].filter(
    ({ name }) => !Object.hasOwn(record, name),
  );
  return missing.map(({ name, keyPath }) => ({
    name,
    isLate: ['target', 'static_features'].includes(String(keyPath[1])),
    problem: {
      code: 'data/jsonl-missing-field',
      keyPath,
      message: `the first record of ${file} has no field ${JSON.stringify(name)}`,
      expected: `one of ${names.slice(0, MAX_NAMED).join(', ')}${names.length > MAX_NAMED ? ', …' : ''}`,
      alternatives: names,
    },
  }));
}

/** @throws UserError (exit 2) if there are any */
function refuseLacking(fields: ReturnType<typeof fieldsLacking>): void {
  if (fields.length > 0) throw configError(...fields.map(({ problem }) => problem));
}
