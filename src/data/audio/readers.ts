/** Dataset kind `audio`: recordings in WAV files, each a sequence of frames. */

import { availableParallelism, fs, relative, sep } from '../../host/index.js';
import type { Diagnostic } from '../../util/errors.js';
import { badNumber, cellNumber } from '../core/cells.js';
import type { NamedColumn } from '../core/columns.js';
import {
  type DataFile,
  type Dataset,
  type DatasetContext,
  type DatasetReaders,
  isRejected,
  type NewSequencesOptions,
  type Purpose,
  type ReadSequence,
  type SequenceReader,
} from '../core/dataset.js';
import { splitColumns } from '../core/held-out.js';
import {
  knownTargets,
  LabelCodes,
  type TargetCodes,
  type TargetWarning,
  targetArray,
  UnknownClass,
} from '../core/labels.js';
import { configError, Problems } from '../core/problems.js';
import type { DataRecord } from '../core/record.js';
import { openTables, type SequenceTable } from '../core/sequence-table.js';
import { FloatList, type SequenceStore } from '../core/store.js';
import { symbolsOf } from '../core/vocabulary.js';
import { isWav, MAGIC_BYTES, unconverted, WavFile } from '../formats/wav.js';
import { allBytes, beginning, type InputSource, inTurn, oneChunk } from '../reading/byte-sources.js';
import { AUDIO_NAME, LIST_NAME } from '../reading/facts.js';
import {
  folderOf,
  inputFiles,
  MAX_BYTES,
  MAX_TEXT_BYTES,
  readContent,
  type SourceFile,
  sha256,
  shortNames,
  staysOnDisk,
} from '../reading/files.js';
import { memoryBytes } from '../reading/ranged-file.js';
import { augmentation, changesSamples, checkAugment, sampleCache } from './augment.js';
import { type AudioConfig, depthOf } from './facts.js';
import { FeatureCache } from './feature-cache.js';
import { FeatureForm } from './features.js';
import { checkGroup, type NewRecording, scaledInputs, scaledSplits } from './group-scaling.js';
import {
  extractionOf,
  methodOf,
  PER_RECORDING,
  recordedForm,
  recordingReader,
  sampleReader,
} from './program-readers.js';
import { type Extraction, framesOf, KeptSamples, type Recording, samplesOf } from './recording.js';
import {
  contentOf,
  fileRecordings,
  NamePattern,
  type RecordingTable,
  readable,
  tabledRecordings,
} from './recording-list.js';
import { FeatureThreads } from './threads.js';

export const audio: DatasetReaders<AudioConfig> = { open, newSequences, sampleReader, recordingReader };

/** Shared by all recordings: the rate, with the file that decided it, and the features. */
interface Common {
  rate?: number;
  from?: string;
  form?: FeatureForm;
  /** Number of recordings by their own rate. */
  readonly counts: Map<number, number>;
  readonly threads: number;
}

async function open(config: AudioConfig, context: DatasetContext): Promise<Dataset> {
  checkColumns(config);
  if (config.augment) checkAugment(config.augment, config.features);
  const { threads = availableParallelism() } = context;
  const common: Common = { counts: new Map(), threads, ...(config.rate && { rate: config.rate }) };
  const whole = await openTables(config, context, {
    read: path => readRecordings(path, config, common, path === config.path),
    get inputSize() {
      return common.form?.size ?? 1;
    },
    targetSize: 1,
    symbols: [],
    perStep: false,
    longest: steps => `one recording has ${steps} frames`,
    decoder: () => decodeFrames,
  });
  const column = groupColumn(config)?.name;
  const method = methodOf(config);
  const dataset = column && method ? scaledSplits(whole, column, method) : whole;
  return {
    ...dataset,
    ...(common.form && {
      columnNames: columnNamesOf(common.form, config),
      recordings: {
        sampleRate: common.form.rate,
        stepSeconds: common.form.hop / common.form.rate,
        counts: common.counts,
      },
    }),
  };
}

function columnNamesOf(form: FeatureForm, { target }: AudioConfig): Dataset['columnNames'] {
  const { names } = form;
  return { features: i => names[i], targets: () => target };
}

/** Reads features from the file of a {@link FeatureCache}. */
const decodeFrames: SequenceStore['decode'] = (_, [bytes], features) => {
  new Uint8Array(features.buffer, features.byteOffset, features.byteLength).set(bytes);
};

/** The columns that training reads, besides those that find the recordings. */
function columnsOf(config: AudioConfig): NamedColumn[] {
  return [targetColumn(config), groupColumn(config) ?? [], splitColumns(config)].flat();
}

/** The column of `normalize_per`; undefined without one. */
function groupColumn({ normalize_per: name }: AudioConfig): NamedColumn | undefined {
  return name === undefined || name === PER_RECORDING
    ? undefined
    : { name, keyPath: ['dataset', 'normalize_per'] };
}

function targetColumn({ target }: AudioConfig): NamedColumn {
  return { name: target, keyPath: ['dataset', 'target'] };
}

function patternOf({ pattern }: AudioConfig): NamePattern | undefined {
  return pattern === undefined ? undefined : new NamePattern(pattern);
}

/** Refuses columns that the pattern does not have. */
function checkColumns(config: AudioConfig): void {
  const pattern = patternOf(config);
  if (config.path_column !== undefined || pattern === undefined) return;
  const { fields } = pattern;
  const missing = columnsOf(config).filter(({ name }) => !fields.includes(name));
  if (missing.length === 0) return;
  throw configError(
    ...missing.map(({ name, keyPath = [] }) => ({
      code: 'data/audio-field',
      keyPath,
      message: `the pattern has no field ${JSON.stringify(name)}`,
      expected: `one of ${fields.join(', ')}`,
      alternatives: fields,
    })),
  );
}

/** The table of recordings that the config describes; undefined without one. */
function tableOf(
  config: AudioConfig,
  purpose: Purpose,
  columns: readonly NamedColumn[],
): RecordingTable | undefined {
  const column = (key: 'path_column' | 'start' | 'end') => {
    const name = config[key];
    return name === undefined ? undefined : { name, keyPath: ['dataset', key] };
  };
  const path = column('path_column');
  if (path === undefined) return undefined;
  const pattern = patternOf(config);
  const others = columns.filter(({ name }) => !pattern?.fields.includes(name));
  const { delimiter, decimal } = config;
  const parts = { start: column('start'), end: column('end') };
  return { path, ...parts, others, purpose, pattern, delimiter, decimal, trainedOn: config.path };
}

/** Reads the recordings of `path`. */
async function readRecordings(
  path: string,
  config: AudioConfig,
  common: Common,
  isTraining: boolean,
): Promise<SequenceTable> {
  const problems = new Problems(true);
  const sources: DataFile[] = [];
  const table = tableOf(config, 'train', columnsOf(config));
  const files = table
    ? await inputFiles(path, LIST_NAME)
    : unconverted(await inputFiles(path, AUDIO_NAME, depthOf(config)));
  // a missing file has no wrong name
  if (files[0] === path && !fs.existsSync(path)) await readContent(path);
  const recordings = table ? [] : fileRecordings(files, patternOf(config), problems);
  for (const file of table ? files : []) {
    const { bytes, sha256 } = await readContent(file, MAX_TEXT_BYTES);
    sources.push({ name: file, sha256 });
    if (table === undefined) continue;
    if (isWav(bytes))
      throw configError({
        code: 'data/audio-table',
        keyPath: ['dataset', 'path'],
        message: `${file} is a recording, but with \`path_column\`, \`path\` is a table`,
        expected: `a CSV, Parquet or JSON Lines file with the paths of recordings in ${JSON.stringify(table.path.name)}`,
      });
    for (const listed of await tabledRecordings(oneChunk(file, bytes), table)) {
      problems.add(...listed.problems);
      recordings.push(listed.recording);
    }
  }
  problems.throwIfAny();
  const [features, targets, labels] = [new FloatList(), new FloatList(), new LabelCodes()];
  const [lengths, targetLengths]: number[][] = [[], []];
  const changes = isTraining ? config.augment : undefined;
  let samples: KeptSamples | undefined;
  const labelled = recordings.filter(one => one.valueOf(config.target) !== '');
  const group = groupColumn(config);
  if (group) for (const recording of labelled) checkGroup(recording, group.name, problems);
  const read = new Set<string>();
  const folder = folderOf(path);
  const isOnDisk = await staysOnDisk([...new Set(labelled.map(({ file }) => file))], config, MAX_BYTES);
  const threads = new FeatureThreads(common.threads);
  /** Of recordings whose features are computed, in order. */
  const started: (() => Promise<void>)[] = [];
  let cache: FeatureCache | undefined;
  let latest: SourceFile | undefined;
  let augment: SequenceTable['augment'];
  let records: SequenceTable['records'];
  try {
    for (const recording of labelled) {
      // parts of a recording usually follow one another
      if (latest?.name !== recording.file) latest = await contentOf(recording, problems);
      const own = targetOf(recording, config, labels, { problems }) ?? [];
      if (config.target_kind === 'sequence') targetLengths.push(own.length);
      for (const number of own) targets.push(number);
      if (latest === undefined) continue;
      const { name, bytes, sha256 } = latest;
      if (!read.has(name)) sources.push({ name, sha256, folder });
      read.add(name);
      problems.attempt(() => {
        const wav = new WavFile(memoryBytes(name, bytes));
        const form = formFor(wav, recording, config, common);
        if (!(form instanceof FeatureForm)) return problems.add(form);
        const extraction = extractionOf(config, form);
        const read = () => samplesOf(wav, recording, extraction);
        const key = keyOf(recording, sha256);
        if (changes && changesSamples(changes)) {
          samples ??= new KeptSamples(isOnDisk ? sampleCache(path, extraction) : undefined);
          samples.keep(key, read(), form.rate);
        }
        cache ??= new FeatureCache(folder, cacheSettings(path, config, extraction), isOnDisk);
        const kept = cache;
        const computing = kept.has(key) ? undefined : threads.start(read(), extraction);
        started.push(async () => {
          const computed = await computing;
          const values = kept.next(key, () => computed ?? framesOf(read(), extraction));
          lengths.push(values.length / form.size);
          if (!isOnDisk) features.append(values);
        });
      });
      while (started.length > threads.ahead) await started.shift()?.();
    }
    for (const finish of started) await finish();
    const { form } = common;
    if (changes && form) {
      const material = { samples, problems, sources, memory: config.memory };
      augment = await augmentation(changes, extractionOf(config, form), material);
    }
    problems.throwIfAny();
    samples?.end();
    records = cache?.end();
  } finally {
    cache?.close();
    samples?.close();
    await threads.end();
  }
  return {
    sources,
    features: features.toArray(),
    records,
    lengths,
    unlabelled: recordings.length - labelled.length,
    firstUnlabelled: recordings.find(one => one.valueOf(config.target) === '')?.id,
    empty: 0,
    targets: targets.toArray(),
    targetLengths,
    labels,
    id: index => labelled[index].id,
    valueIn: (column, index) => labelled[index].valueOf(column),
    recording(index) {
      const { file, start, end } = labelled[index];
      const name = relative(folder, file).split(sep).join('/');
      return { file, name, start, end, channel: config.channel };
    },
    augment,
  };
}

/** The features that all recordings have, or the problem of one with another rate. */
function formFor(
  { rate }: WavFile,
  { file, place }: Recording,
  config: AudioConfig,
  common: Common,
): FeatureForm | Diagnostic {
  common.from ??= file;
  common.rate ??= rate;
  common.form ??= new FeatureForm(config.features, common.rate);
  common.counts.set(rate, (common.counts.get(rate) ?? 0) + 1);
  if (rate === common.rate || config.rate !== undefined) return common.form;
  return {
    code: 'data/sample-rate',
    message: `the recording has ${rate} samples per second, but ${common.from} has ${common.rate}`,
    ...place,
    expected: `recordings with the same rate, or \`dataset.rate: ${Math.min(rate, common.rate)}\` to convert them`,
  };
}

/** What of the config features depend on, and the table that lists the recordings. */
function cacheSettings(path: string, { features }: AudioConfig, { form, channel, scaling }: Extraction) {
  return { version: 1, path: relative(folderOf(path), path), features, rate: form.rate, channel, scaling };
}

function keyOf({ start, end }: Recording, digest: string): string {
  return start === undefined && end === undefined ? digest : sha256(Buffer.from(`${digest} ${start} ${end}`));
}

/** Reads recordings, or tables of them, and for an evaluation their targets. */
function newSequences(
  config: AudioConfig,
  data: DataRecord,
  { targets, collects = false }: NewSequencesOptions = {},
): SequenceReader {
  const form = recordedForm(config, data);
  const extraction = extractionOf(config, form);
  const group = groupColumn(config);
  const table = tableOf(config, 'predict', [targets ? targetColumn(config) : [], group ?? []].flat());
  const pattern = targets || group ? patternOf(config) : undefined;
  const codes = targets && knownTargets(data.class_names ?? [], config, targets.ignoredLabel);
  // once is enough
  let isConverting = false;
  const read = (recording: Recording, bytes: Buffer | undefined, problems: Problems): ReadSequence => {
    const { id, file, place } = recording;
    const warnings: Diagnostic[] = [];
    const values = problems.attempt(() => {
      if (bytes === undefined) return undefined;
      const wav = new WavFile(memoryBytes(file, bytes));
      if (wav.rate !== form.rate && !isConverting) warnings.push(otherRate(file, wav.rate, form.rate));
      isConverting ||= wav.rate !== form.rate;
      return framesOf(samplesOf(wav, recording, extraction), extraction);
    });
    const warn = (warning: Diagnostic) => void warnings.push(warning);
    const own = codes && targetOf(recording, config, codes, { problems, warn });
    if (group && problems.all.length === 0) checkGroup(recording, group.name, problems);
    if (values === undefined || problems.all.length > 0) return { problems: problems.all, id };
    return {
      ...{ length: values.length / form.size, values, id, place },
      ...(own && { targets: targetArray(config.target_kind, own) }),
      ...(warnings.length > 0 && { warnings }),
    };
  };
  async function* recordingsOf(sources: readonly InputSource[]): AsyncGenerator<NewRecording> {
    const names = shortNames(unconverted(sources.map(({ name }) => name)));
    for await (const given of inTurn(sources.filter(({ name }) => names.has(name)))) {
      const { name } = given;
      const problems = new Problems();
      const begun = await readable(() => beginning(given, MAGIC_BYTES), problems);
      if (table === undefined || begun === undefined || isWav(begun.start) || AUDIO_NAME.test(name)) {
        const [named] = fileRecordings([name], pattern, problems);
        const whole = { file: name, place: { file: name }, valueOf: () => undefined };
        const recording = { ...(named ?? whole), id: names.get(name) ?? name };
        const bytes = begun && (await readable(() => allBytes(begun.source), problems));
        yield { recording, sequence: read(recording, bytes, problems) };
        continue;
      }
      problems.throwIfAny();
      for (const { recording, problems: known } of await tabledRecordings(begun.source, table)) {
        const own = new Problems();
        own.add(...known);
        const content = known.length === 0 ? await contentOf(recording, own) : undefined;
        yield { recording, sequence: read(recording, content?.bytes, own) };
      }
    }
  }
  return {
    hasIds: true,
    hasTimes: false,
    columnNames: form.names,
    async *read(sources) {
      const recordings = collects ? withAllProblems(recordingsOf(sources)) : recordingsOf(sources);
      const method = methodOf(config);
      if (group && method) yield await scaledInputs(recordings, group.name, form.size, method);
      else for await (const { sequence } of recordings) yield [sequence];
    },
  };
}

/** The recordings up to the first with problems, which gets those of all after it. */
async function* withAllProblems(recordings: AsyncIterable<NewRecording>): AsyncGenerator<NewRecording> {
  const problems = new Problems();
  let first: NewRecording | undefined;
  for await (const one of recordings) {
    if (isRejected(one.sequence)) {
      problems.add(...one.sequence.problems);
      first ??= one;
    } else if (first === undefined) yield one;
    if (problems.full) break;
  }
  if (first) yield { ...first, sequence: { ...first.sequence, problems: problems.all } };
}

function otherRate(file: string, rate: number, trained: number): Diagnostic {
  const message = `the recording has ${rate} samples per second; it is converted to the ${trained} of the training data`;
  return { code: 'data/sample-rate', message, file };
}

/**
 * Returns the numbers of a recording's target, NaN for a class or value that is missing; undefined
 * if it is invalid, or if it is a sequence and there is none.
 * @param warn receives what makes an evaluation doubtful
 */
function targetOf(
  recording: Recording,
  { target, target_kind, target_level = 'character' }: AudioConfig,
  codes: TargetCodes,
  { problems, warn }: { readonly problems: Problems; readonly warn?: (warning: Diagnostic) => void },
): readonly number[] | undefined {
  const { place } = recording;
  const text = recording.valueOf(target) ?? '';
  if (text === '') return target_kind === 'sequence' ? undefined : [Number.NaN];
  if (target_kind === 'sequence') {
    const warnHere = (warning: TargetWarning) => warn?.({ ...warning, ...place });
    return Array.from(symbolsOf(text, target_level), symbol => codes.symbolOf(symbol, warnHere));
  }
  if (target_kind === 'value') {
    const value = cellNumber(text);
    if (value === undefined) problems.add(badNumber(text, place));
    return [value ?? Number.NaN];
  }
  try {
    return [codes.classOf(text, () => place)];
  } catch (error) {
    if (!(error instanceof UnknownClass)) throw error;
    problems.add({ ...error.problem, ...place });
    return undefined;
  }
}
