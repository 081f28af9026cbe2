/** Dataset kind `jsonl`: one sequence per line, as numbers, symbols or text. */

import { createHash } from '../../host/index.js';
import type { Diagnostic } from '../../util/errors.js';
import type { StepColumns } from '../core/columns.js';
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
} from '../core/dataset.js';
import { codedBy, columnOf, knownCategories, numbersOf, settingsOf } from '../core/feature-columns.js';
import { staticsOf } from '../core/features.js';
import { splitColumns } from '../core/held-out.js';
import { type ClassMapping, knownTargets, LabelCodes, targetArray } from '../core/labels.js';
import { configError, Problems } from '../core/problems.js';
import type { DataRecord } from '../core/record.js';
import { openTables, type SequenceTable } from '../core/sequence-table.js';
import { FloatList, type Place, type SequenceStore, TextCodes } from '../core/store.js';
import { IGNORED } from '../core/targets.js';
import { symbolReader } from '../core/vocabulary.js';
import { placeNames, readInTurn, TrainingFile } from '../reading/byte-sources.js';
import { RECORDS_NAME } from '../reading/facts.js';
import { inputFiles, MAX_TEXT_BYTES, staysOnDisk } from '../reading/files.js';
import type { RangedFile } from '../reading/ranged-file.js';
import type { JsonlConfig } from './facts.js';
import {
  addSteps,
  attemptField,
  hasNoTarget,
  isEmpty,
  type JsonRecord,
  jsonLines,
  labelOf,
  type RecordForm,
  type RecordLine,
  RecordReader,
  staticReader,
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
  return openRecords(config, context, (of, form) => readJsonlTable(of, config, form, isOnDisk));
}

/** Opens records that are generated. @param recordsOf those of `path` and `test_path` */
export function openGenerated(
  config: JsonlConfig,
  context: DatasetContext,
  recordsOf: (name: string) => Iterable<JsonRecord>,
): Promise<Dataset> {
  return openRecords(config, context, async (file, form) => {
    const reader = new RecordTable([file], config, form);
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
  read: (path: string, form: RecordForm) => Promise<SequenceTable>,
): Promise<Dataset> {
  const statics = staticsOf(config.static_features, config.missing);
  const categories = statics.map(() => new TextCodes());
  const columns = statics.map(columnOf);
  const numbers = numbersOf(columns);
  const symbols = new TextCodes();
  const form: RecordForm = {
    ...{ shape: {}, columns },
    staticOf: staticReader(columns, { category: codedBy(categories) }),
    codeOf: text => symbols.code(text),
  };
  const { shape } = form;
  const dataset = await openTables(config, context, {
    read: of => read(of, form),
    get inputSize() {
      return (shape.features ?? 1) + numbers.length;
    },
    get targetSize() {
      return shape.targets ?? 1;
    },
    symbols: symbols.texts,
    perStep: config.per_step ?? false,
    longest: steps => `one sequence has ${steps} steps`,
    decoder: mapping => recordDecoder(config, form, mapping),
  });
  const { features = 1 } = shape;
  return {
    ...dataset,
    ...(numbers.length > 0 && {
      input: { kind: 'number', size: features + numbers.length, static: numbers.length },
    }),
    columnSettings: i =>
      i < features ? { missing: config.missing } : settingsOf(statics, numbers[i - features], categories),
    columnNames: {
      features: i => nameOfColumn(config, i, features),
      targets: i => (shape.targets === 1 ? config.target : `${config.target}[${i}]`),
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
  const shape = {
    ...(data.input.kind === 'number' && { features }),
    ...(config.target_kind === 'value' && targets && { targets: targets.size }),
  };
  const columns = staticsOf(config.static_features, config.missing).map(columnOf);
  const codes = targets && knownTargets(data.class_names ?? [], config, targets.ignoredLabel);
  return {
    hasIds: true,
    hasTimes: false,
    columnNames: Array.from({ length: width }, (_, i) => nameOfColumn(config, i, features)),
    async *read(sources) {
      const done: ReadSequence[] = [];
      const nameOf = placeNames(sources.map(({ name }) => name));
      const staticOf = staticReader(columns, { category: knownCategories(columns, data) });
      /** Of the latest record, as written. */
      let symbols: string[] = [];
      const reader = new RecordReader(config, {
        ...{ shape, columns, staticOf },
        codeOf(text) {
          symbols.push(text);
          return codeOf(text);
        },
      });
      const read = (line: RecordLine): ReadSequence => {
        const problems = new Problems();
        const warnings: Diagnostic[] = [];
        const sink = { problems, warn: (warning: Diagnostic) => void warnings.push(warning) };
        symbols = [];
        const out = new FloatList(64);
        const statics = reader.statics(line, sink);
        const place = line.place();
        const hasId = config.id !== undefined && Object.hasOwn(line.record, config.id);
        const given = hasId ? attemptField(line, config.id, problems, textOf) : '';
        // an empty one names nothing
        const id = given === '' ? nameOf(place) : given;
        const named = id !== undefined && { id };
        const length = reader.steps(line, statics, out, sink);
        const own = codes && reader.target(line, length, codes, sink);
        if (problems.all.length > 0) return { problems: problems.all, ...named };
        return {
          ...{ length, values: out.toArray(), place },
          ...named,
          ...(own && { targets: targetArray(config.target_kind, own) }),
          ...(data.vocabulary && { symbols }),
          ...(warnings.length > 0 && { warnings }),
        };
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

/** Decodes a record read from disk, which was validated before. */
function recordDecoder(
  config: JsonlConfig,
  form: RecordForm,
  mapping: ClassMapping | undefined,
): SequenceStore['decode'] {
  const { columns, staticOf } = form;
  const out = new FloatList();
  return (_, [line], features, classes) => {
    const record: JsonRecord = JSON.parse(line.toString('utf8'));
    out.truncate(0);
    const statics = columns.flatMap(({ name }, i) => staticOf(record[name], i));
    addSteps(record[config.input], config, { ...form, statics, out });
    out.copyTo(features);
    if (!classes) return;
    (record[config.target] as readonly unknown[]).forEach((label, step) => {
      classes[step] = label === null ? IGNORED : (mapping?.classes.get(labelOf(label)) ?? IGNORED);
    });
  };
}

async function readJsonlTable(
  path: string,
  config: JsonlConfig,
  form: RecordForm,
  isOnDisk: boolean,
): Promise<SequenceTable> {
  const files = await inputFiles(path, RECORDS_NAME);
  const reader = new RecordTable(files, config, form);
  const { problems } = reader;
  const sources = files.map(file => new TrainingFile(file, isOnDisk));
  for (const source of sources) {
    const before = reader.count;
    const linesOf = (file: string) =>
      jsonLines(
        file,
        line => reader.add(line, source.ranged),
        problem => problems.add(problem),
      );
    for await (const _ of readInTurn([source], linesOf));
    if (reader.count === before && problems.all.length === 0)
      problems.add({ code: 'data/jsonl-empty', message: 'the file has no records', file: source.name });
  }
  return reader.table(sources);
}

/** Collects the sequences of records to train on. */
class RecordTable {
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
  private readonly labels = new LabelCodes();
  /** Of records that stay on disk. */
  private readonly records: Place[] = [];
  private readonly nameOf: ReturnType<typeof placeNames>;
  private readonly reader: RecordReader;

  constructor(
    files: readonly string[],
    private readonly config: JsonlConfig,
    form: RecordForm,
  ) {
    this.reader = new RecordReader(config, form);
    this.nameOf = placeNames(files);
    this.splits = splitColumns(config).map(({ name }) => name);
  }

  get count(): number {
    return this.lengths.length + this.unlabelled + this.empty;
  }

  /** @param file the file that the record stays in, if it stays on disk */
  add(line: RecordLine, file: RangedFile | undefined): void {
    const { config, reader, features: out, targets, problems } = this;
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
    const rows = out.size;
    const length = reader.steps(line, reader.statics(line, this), out, this);
    if (hasNoTarget(line.record[config.target], config)) {
      out.truncate(rows);
      this.unlabelled++;
      this.firstUnlabelled ??= this.nameOf(at);
      return;
    }
    this.lengths.push(length);
    const own = reader.target(line, length, this.labels, this) ?? [];
    if (config.target_kind === 'sequence') this.targetLengths.push(own.length);
    if (file) {
      this.records.push({ file, from: line.from, to: line.to });
      out.truncate(0);
    }
    // classes per step stay with their record
    if (!(file && config.per_step && config.target_kind === 'class'))
      for (const number of own) targets.push(number);
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
      id: index => this.ids[index],
      ...(this.config.id === undefined && { idIsPlace: true }),
      valueIn: (field, index) => splitValues[index * splits.length + splits.indexOf(field)],
    };
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
