/** Dataset kind `audio`: recordings in WAV files, each a sequence of frames. */
import type { Diagnostic } from '../util/errors.js';
import * as key from '../util/schema.js';
import { FeatureForm, FeatureStream, featureSettings } from './audio/features.js';
import { RateConverter } from './audio/rate.js';
import { fileRecordings, NAME_PATTERN, NamePattern, type Recording } from './audio/recordings.js';
import type {
  DataFile,
  Dataset,
  DatasetContext,
  DatasetKind,
  NewSequencesOptions,
  ReadSequence,
  SequenceReader,
  TargetsToRead,
} from './core/dataset.js';
import { classReader, LabelCodes, targetSymbolReader, UnknownClass } from './core/labels.js';
import { configError, Problems } from './core/problems.js';
import type { DataRecord } from './core/record.js';
import { splitColumns } from './core/selection.js';
import { openTables, type SequenceTable } from './core/sequence-table.js';
import * as keys from './core/settings.js';
import { FloatList } from './core/store.js';
import { badNumber, cellNumber } from './csv-columns.js';
import { WavFile } from './formats/wav.js';
import { allBytes, inTurn } from './reading/byte-sources.js';
import { inputFiles, MAX_ELEMENTS, readContent, shortNames } from './reading/files.js';
import { memoryBytes } from './reading/ranged-file.js';
import { symbolsOf } from './vocabulary.js';

const settings = key.section(
  {
    kind: keys.kind('audio', 'Recordings.'),
    path: keys.givenFiles('The recordings', 'recordings/*.wav', 'recordings'),
    ...keys.otherFiles('Recordings', 'split', split => `recordings/${split}`),
    test_fraction: keys.testFraction,
    test: keys.heldOut.test,
    pattern: key.text({
      description:
        "How the files are named, without their ending: fields in braces with text between them, which no field contains. Fields are columns, for `target`, `validation` and `test`. With `/`, the names of folders belong to the pattern, as in '{word}/{speaker}_{take}'.",
      pattern: NAME_PATTERN,
      form: 'fields in braces with text between them, such as {label}_{speaker}_{take}',
      examples: ['{label}_{speaker}_{take}'],
      aliases: ['filename', 'name_pattern', 'regex'],
      required: true,
    }),
    target: keys.column({
      description: 'Field of the pattern to predict.',
      examples: ['label'],
      aliases: ['output', 'label', 'labels'],
      required: true,
    }),
    target_kind: keys.targetKind('Whether the target is a class or a number.'),
    target_level: keys.targetLevel(''),
    labels_as_text: keys.labelsAsText,
    features: featureSettings,
    rate: key.integer({
      description:
        'Samples per second; recordings with another rate are converted (`torchaudio.functional.resample`). Without this key, all recordings must have the same rate.',
      min: 100,
      max: 2 ** 20,
      examples: [16000],
      aliases: ['sample_rate', 'sampling_rate', 'sr'],
      resume: { never: 'its weights were trained on recordings with this rate' },
    }),
    channel: key.either([key.word(['mix'], {}), key.integer({ min: 0, max: 65535 })], {
      description: 'Channel to read: its number, from 0, or `mix` for the mean of all channels.',
      default: 'mix',
      examples: ['mix', 0],
      aliases: ['channels', 'mono'],
      resume: { never: 'its weights were trained on this channel' },
    }),
    normalize: keys.normalize,
    validation: keys.heldOut.validation,
    obtain: keys.obtain,
    limit: keys.limit,
  },
  {
    description:
      'Recordings in WAV files: PCM of 8, 16, 24 or 32 bits, floating point, A-law and mu-law, at any rate. The features of a frame are a step of the sequence.',
    rules: key.when(
      { required: ['target_kind'], properties: { target_kind: { const: 'sequence' } } },
      { required: ['target_level'], properties: { labels_as_text: false } },
      { properties: { target_level: false } },
    ),
  },
);

export type AudioConfig = keys.WithDefaults<key.TypeOf<typeof settings>, 'channel'>;

export const audio: DatasetKind<AudioConfig, typeof settings> = {
  settings,
  open,
  facts: ({ target_kind }) => ({
    inputKind: 'number',
    targetKind: target_kind,
    ...(target_kind !== 'sequence' && { perStep: false }),
  }),
  newSequences,
  leaks: () => [],
  symbols: null,
  dividesItself: false,
  expandsPaths: true,
};

/** Shared by all recordings: the rate, with the file that decided it, and the features. */
interface Common {
  rate?: number;
  from?: string;
  form?: FeatureForm;
}

async function open(config: AudioConfig, context: DatasetContext): Promise<Dataset> {
  checkColumns(config);
  const common: Common = config.rate === undefined ? {} : { rate: config.rate };
  const dataset = await openTables(config, context, {
    read: path => readRecordings(path, config, common),
    get inputSize() {
      return common.form?.size ?? 1;
    },
    targetSize: 1,
    symbols: [],
    perStep: false,
    longest: steps => `one recording has ${steps} frames`,
    idIsPlace: false,
  });
  return {
    ...dataset,
    columnNames: { features: i => `feature ${i}`, targets: () => config.target },
    ...(common.rate !== undefined && { sampleRate: common.rate }),
  };
}

/** Refuses columns that the pattern does not have. */
function checkColumns(config: AudioConfig): void {
  const { fields } = new NamePattern(config.pattern);
  const named = [{ name: config.target, keyPath: ['dataset', 'target'] }, ...splitColumns(config)];
  const missing = named.filter(({ name }) => !fields.includes(name));
  if (missing.length === 0) return;
  throw configError(
    ...missing.map(({ name, keyPath }) => ({
      code: 'data/audio-field',
      keyPath,
      message: `the pattern has no field ${JSON.stringify(name)}`,
      expected: `one of ${fields.join(', ')}`,
      alternatives: fields,
    })),
  );
}

/** Reads the recordings that `path` matches. */
async function readRecordings(path: string, config: AudioConfig, common: Common): Promise<SequenceTable> {
  const files = await inputFiles(path);
  const problems = new Problems(true);
  const recordings = fileRecordings(files, new NamePattern(config.pattern), problems);
  problems.throwIfAny();
  const sources: DataFile[] = [];
  const [features, targets, labels] = [new FloatList(), new FloatList(), new LabelCodes()];
  const [lengths, targetLengths]: number[][] = [[], []];
  const addTarget = (recording: Recording): void => {
    const text = recording.valueOf(config.target) ?? '';
    if (config.target_kind === 'class') {
      targets.push(labels.placed(text, () => recording.place));
    } else if (config.target_kind === 'value') {
      const value = cellNumber(text);
      if (value === undefined) problems.add(badNumber(text, recording.place));
      targets.push(value ?? Number.NaN);
    } else {
      const symbols = [...symbolsOf(text, config.target_level ?? 'character')];
      targetLengths.push(symbols.length);
      for (const symbol of symbols) targets.push(labels.code(symbol));
    }
  };
  for (const recording of recordings) {
    const { bytes, sha256 } = await readContent(recording.file);
    sources.push({ name: recording.file, sha256 });
    problems.attempt(() => {
      const wav = new WavFile(memoryBytes(recording.file, bytes));
      const form = formFor(wav, recording, config, common);
      if (form instanceof FeatureForm) lengths.push(addFrames(wav, form, config, features));
      else problems.add(form);
    });
    addTarget(recording);
  }
  problems.throwIfAny();
  return {
    sources,
    features: features.toArray(),
    lengths,
    unlabelled: 0,
    empty: 0,
    targets: targets.toArray(),
    targetLengths,
    labels,
    idOf: index => recordings[index].id,
    valueIn: (column, index) => recordings[index].valueOf(column),
    startOf: undefined,
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
  if (rate === common.rate || config.rate !== undefined) return common.form;
  return {
    code: 'data/sample-rate',
    message: `the recording has ${rate} samples per second, but ${common.from} has ${common.rate}`,
    ...place,
    expected: `recordings with the same rate, or \`dataset.rate: ${Math.min(rate, common.rate)}\` to convert them`,
  };
}

/** Appends the features of a recording, and returns the number of its frames. */
function addFrames(wav: WavFile, form: FeatureForm, { channel }: AudioConfig, out: FloatList): number {
  const count = wav.length * (form.rate / wav.rate);
  if (form.stepsOf(count) * form.size > MAX_ELEMENTS) throw wav.damage('the recording is too long');
  if (typeof channel === 'number' && channel >= wav.channels)
    throw wav.damage(`the recording has no channel ${channel}`, { got: `${wav.channels} channels` });
  let frames = 0;
  const stream = new FeatureStream(form, row => {
    out.append(row);
    frames++;
  });
  const converter = wav.rate === form.rate ? undefined : new RateConverter(wav.rate, form.rate);
  for (const samples of wav.samples({ channel: channel === 'mix' ? undefined : channel }))
    stream.push(converter?.push(samples) ?? samples);
  if (converter) stream.push(converter.end());
  stream.end();
  return frames;
}

/** Reads recordings, and for an evaluation their targets. */
function newSequences(
  config: AudioConfig,
  data: DataRecord,
  { targets }: NewSequencesOptions = {},
): SequenceReader {
  const form = new FeatureForm(config.features, data.sample_rate ?? config.rate ?? 0);
  const pattern = new NamePattern(config.pattern);
  const targetOf = targets && targetReader(config, data.class_names ?? [], targets);
  return {
    hasIds: true,
    hasTimes: false,
    async *read(sources) {
      const names = shortNames(sources.map(({ name }) => name));
      let isConverting = false;
      for await (const source of inTurn(sources)) {
        const { name } = source;
        const named = { id: names.get(name) ?? name };
        const bytes = await allBytes(source);
        const problems = new Problems();
        const warnings: Diagnostic[] = [];
        const out = new FloatList();
        const length = problems.attempt(() => {
          const wav = new WavFile(memoryBytes(name, bytes));
          // once is enough
          if (wav.rate !== form.rate && !isConverting) warnings.push(otherRate(name, wav.rate, form.rate));
          isConverting ||= wav.rate !== form.rate;
          return addFrames(wav, form, config, out);
        });
        const [labelled] = targetOf ? fileRecordings([name], pattern, problems) : [];
        const own = labelled && targetOf?.(labelled, problems, warning => warnings.push(warning));
        if (length === undefined || problems.all.length > 0) {
          yield [{ problems: problems.all, ...named }];
          continue;
        }
        const read: ReadSequence = {
          length,
          values: out.toArray(),
          ...named,
          ...(own && { targets: own }),
          ...(warnings.length > 0 && { warnings }),
          place: { file: name },
        };
        yield [read];
      }
    },
  };
}

function otherRate(file: string, rate: number, trained: number): Diagnostic {
  const message = `the recording has ${rate} samples per second; it is converted to the ${trained} of the training data`;
  return { code: 'data/sample-rate', message, file };
}

/** Returns the reader of a recording's target for a trained model. */
function targetReader(
  config: AudioConfig,
  classNames: readonly string[],
  { ignoredLabel }: TargetsToRead,
): (
  recording: Recording,
  problems: Problems,
  warn: (warning: Diagnostic) => void,
) => Int32Array | Float32Array | undefined {
  const classOf = classReader(classNames, config, ignoredLabel);
  const symbolOf = targetSymbolReader(classNames);
  return (recording, problems, warn) => {
    const text = recording.valueOf(config.target) ?? '';
    const { place } = recording;
    if (config.target_kind === 'sequence') {
      const code = (symbol: string) => symbolOf(symbol, warning => warn({ ...warning, ...place }));
      return Int32Array.from(symbolsOf(text, config.target_level ?? 'character'), code);
    }
    if (config.target_kind === 'value') {
      const value = cellNumber(text);
      if (value === undefined) problems.add(badNumber(text, place));
      return Float32Array.of(value ?? Number.NaN);
    }
    try {
      return Int32Array.of(classOf(text));
    } catch (error) {
      if (!(error instanceof UnknownClass)) throw error;
      problems.add({ ...error.problem, ...place });
      return undefined;
    }
  };
}
