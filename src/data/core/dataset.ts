/**
 * Interface of every dataset kind to the rest of the program: splits of sequences that are read one
 * at a time, straight into a batch. Nothing here depends on how the data are stored; images stay
 * bytes until they are read.
 */

import type { Diagnostic } from '../../util/errors.js';
import type { Shape } from '../../util/schema.js';
import type { InputSource } from '../reading/byte-sources.js';
import type { ColumnSettings, StepColumns } from './columns.js';
import type { GroupColumns } from './held-out.js';
import type { ConfigDiagnostic } from './problems.js';
import type {
  DataRecord,
  DataScaling,
  ForecastWindow,
  Preparation,
  Scaling,
  SequenceInput,
  SeriesScaling,
  TextLevel,
  Transform,
  Vocabulary,
} from './record.js';
import { type LabelFacts, lengthOfTarget, longestTarget, type PlacedLabel, type Targets } from './targets.js';

/**
 * `last_value`: the last value that a window reads; `season`: the mean of the values that it reads
 * at the same position of a season.
 */
export type RelativeTo = 'last_value' | 'season';

export interface TimeGaps {
  readonly count: number;
  readonly missing: number;
  readonly largest: {
    /** Empty if the table is one series. */
    readonly series: string;
    readonly missing: number;
    /** Times of the steps before and after the gap, as in the file. */
    readonly after: string;
    readonly before: string;
    /** Usual time between steps of the series, such as `1 hour`; a number if times are numbers. */
    readonly step: string;
    /** The `resample.every` of such steps; absent if no steps at regular times are like them. */
    readonly every?: string | number;
  };
}

/** Number of missing values of a column in each split. */
export interface MissingCounts {
  readonly name: string;
  readonly counts: Readonly<Partial<Record<SplitName, number>>>;
  /** Rows of each split; absent: its steps. */
  readonly rows?: Readonly<Partial<Record<SplitName, number>>>;
}

export interface SeriesFacts {
  /** Statistics of the scaled columns over the rows of the training split: the targets first. */
  readonly columns: readonly Column[];
  /** Number of targets. */
  readonly targets: number;
  readonly method: DataScaling['method'] | 'none';
  readonly relativeTo?: RelativeTo;
  readonly transform?: Transform;
  /** Number of missing cells of each column in the rows of each split; absent without `missing`. */
  readonly missing?: readonly MissingCounts[];
  /** Cells of each column of the data that training window `index` reads. */
  window(index: number): readonly (readonly number[])[];
  readonly longest: number;
  readonly gaps?: TimeGaps;
}

/** Statistics of a feature or target value over the training split, in the units of the data. */
export interface Column {
  readonly name: string;
  readonly mean: number;
  /** Population standard deviation: root of the mean squared distance from the mean. */
  readonly deviation: number;
  readonly min: number;
  readonly max: number;
  /** Number of missing values, which the others leave out; absent if there are none. */
  readonly missing?: number;
  /** Values that look like markers of missing ones; absent if there are none. */
  readonly markers?: readonly number[];
}

/** The number of symbols of each target; undefined unless targets are sequences. */
export function targetLengthsOf({ targets, count }: Split): Int32Array | undefined {
  if (longestTarget(targets) === undefined) return undefined;
  return Int32Array.from({ length: count }, (_, index) => lengthOfTarget(targets, index));
}

/**
 * `last_value`: the last known value; `drift`: a line through it and the first value of the series
 * (Hyndman and Athanasopoulos, 2021, 5.2); `seasonal_naive`: the value one season before;
 * `season_mean`: the mean of the last season.
 */
export const NAIVE_FORECASTS = ['last_value', 'drift', 'seasonal_naive', 'season_mean'] as const;

export type NaiveForecast = (typeof NAIVE_FORECASTS)[number];

/** Number of values that `Split.read` writes per step. */
export function inputWidth(input: SequenceInput): number {
  return input.kind === 'number' ? input.size : 1;
}

/** Number of features of a step that are numbers, not symbols; they precede the others. */
export function numberCount(input: SequenceInput): number {
  return input.kind === 'number' ? input.size - (input.embedded?.length ?? 0) : 0;
}

/** True if a model embeds the symbol of each step, or a column of its values. */
export function embedsSteps(input: SequenceInput): boolean {
  return input.kind === 'symbol' || (input.embedded ?? []).some(column => !column.static);
}

/** Number of values per step in the data, before their preparation. */
export function dataWidth({ input, preparation }: Pick<DataRecord, 'input' | 'preparation'>): number {
  return preparation?.columns.length ?? inputWidth(input);
}

/** How many of them are static, those after the others. */
export function staticWidth({ input, preparation }: Pick<DataRecord, 'input' | 'preparation'>): number {
  if (preparation) return preparation.columns.filter(column => column.static).length;
  return (input.kind === 'number' && input.static) || 0;
}

export const SPLITS = ['train', 'validation', 'test'] as const;

export type SplitName = (typeof SPLITS)[number];

export interface SymbolTexts {
  readonly level: TextLevel | null;
  readonly texts: readonly string[];
}

/** What is known of each of some sequences besides their numbers. */
export interface SequenceFacts {
  /** Name of sequence `index` in the data, or its position there; absent if there is neither. */
  id?(index: number): string;
  /** Set if `id` is a position such as `x[3]`, which is unrelated to ids of other splits. */
  readonly idIsPlace?: true;
  /** The symbols of sequence `index` as in the data (of a text, known ones); absent for numbers. */
  symbols?(index: number): readonly string[];
  /**
   * Value of sequence `index` in a column that `test` or `validation` names; undefined if the files
   * of the split do not have it. Present if the kind has columns.
   */
  valueIn?(column: string, index: number): string | undefined;
  /** Time of the first step of sequence `index`. Present if the times of sequences are known. */
  startOf?(index: number): number;
  /**
   * Denominators of MASE for sequence `index`, one for each target, in the units of the data: the
   * mean error of the naive forecast in training. Undefined if one is unknown or 0.
   */
  errorScale?(index: number): readonly number[] | undefined;
  /** Original image of sequence `index`: grey values, row by row. Present if `Dataset.image` is. */
  image?(index: number): Uint8Array;
  /** The recording of sequence `index`. Present if `Dataset.recordings` is. */
  recording?(index: number): RecordingPart;
}

/**
 * Sequences of one split, all padded to the same number of steps. They are in memory, or on disk:
 * then `read` and `targets` read on access, and `load` reads ahead of time.
 */
export interface Split extends SequenceFacts {
  readonly count: number;
  readonly targets: Targets;
  /** `[N]`, each in 1..T; absent if every sequence has T steps. */
  readonly lengths?: Int32Array;
  /**
   * Writes the features of sequence `index` (0..N-1): feature f (0..F-1) of step s goes to
   * `out[offset + s * stepStride + f]`. A symbol is written as its number, padding as zeros.
   * @param draw key of random numbers (`uniform`), in training: features then change at random if
   *   the config asks for it. Absent: they are those of the data
   */
  read(index: number, out: Float32Array, offset: number, stepStride: number, draw?: number): void;
  /**
   * Like `read`, with the number of each text in place of its symbol: rare texts are one symbol,
   * but not equal. Present if a vocabulary was fitted.
   */
  readTexts?: Split['read'];
  /**
   * Loads the sequences `indices`, in that order, as a split in memory without ids, images or naive
   * forecasts. Absent if all sequences are in memory.
   */
  load?(indices: Uint32Array): Promise<Split>;
  /**
   * Steps of sequence `index` that are not padding, if training reads all T steps of a sequence and
   * padding only lacks targets. Absent: its length.
   */
  realSteps?(index: number): number;
  /**
   * `[steps, targets]`, the targets that a forecast reads as in the data; NaN if one is missing.
   * Present for forecasts only.
   */
  history?(index: number): Float64Array;
  /** The steps that a forecast predicts. Present for forecasts only. */
  forecast?(index: number): ForecastWindow;
  /** The cells that a forecast reads, below the names of their columns; absent if unknown. */
  table?(index: number): readonly (readonly string[])[];
  /**
   * Naive forecasts `[C]` for prediction `at`, which counts like `targets.scaling`; undefined if
   * the series does not go back far enough. Present for forecasts only.
   */
  readonly naive?: Readonly<Partial<Record<NaiveForecast, (at: number) => Float32Array | undefined>>>;
}

export interface DataFile {
  readonly name: string;
  /** SHA-256 of the file's bytes, or of the generated values. */
  readonly sha256: string;
  /** What a run records instead of each of many files. */
  readonly folder?: string | undefined;
}

/** A source and the split that it was given for; the test split may be a part of `train`. */
export interface SplitFile extends DataFile {
  readonly split: SplitName;
}

/** @param files of each split; without `test`, the test split is a part of `train` */
export function splitFiles(files: {
  readonly train: readonly DataFile[];
  readonly validation?: readonly DataFile[] | undefined;
  readonly test?: readonly DataFile[] | undefined;
}): SplitFile[] {
  return SPLITS.flatMap(split =>
    (files[split] ?? []).map(({ name, sha256, folder }) => ({
      ...{ name, sha256, split },
      ...(folder !== undefined && { folder }),
    })),
  );
}

/** A recording, or a part of one. */
export interface RecordingPart {
  readonly file: string;
  /** The file, from the folder of `path`. */
  readonly name: string;
  /** In seconds; absent: the whole recording. */
  readonly start?: number | undefined;
  readonly end?: number | undefined;
  readonly channel: number | 'mix' | undefined;
}

export interface RecordingFacts {
  /** Samples per second that features are computed from. */
  readonly sampleRate: number;
  /** Seconds from one step to the next. */
  readonly stepSeconds: number;
  /** Number of recordings by their own rate. */
  readonly counts: ReadonlyMap<number, number>;
}

export interface Dataset {
  readonly input: SequenceInput;
  /** T, steps of the longest sequence. */
  readonly sequenceLength: number;
  /** First step that has a target in any sequence, for targets per step; absent: 0. */
  readonly firstPrediction?: number;
  readonly train: Split;
  /** Sequences held out from training for model selection; absent if the config asks for none. */
  readonly validation?: Split;
  readonly test: Split;
  /** Columns by which `test` and `validation` group sequences. */
  readonly groupedBy?: readonly GroupColumns[];
  /** Data sources for the manifest, as {@link splitFiles} returns them. */
  readonly digests: readonly SplitFile[];
  /** Number of sequences without a target, which are in no split; absent: none. */
  readonly unlabelled?: number;
  /** Id or place of the first of them; absent for windows. */
  readonly firstUnlabelled?: string | undefined;
  /** Number of sequences with too few steps for the loss, which are in no split; absent: none. */
  readonly impossible?: number;
  /** Id of the first of them. */
  readonly firstImpossible?: string | undefined;
  /** Number of sequences without a step, which are in no split; absent: none. */
  readonly empty?: number;
  readonly classLabels?: readonly string[];
  /** Class labels that the data write in several ways, such as `1`, `1.0` and `01`. */
  readonly spellings?: readonly { readonly label: string; readonly as: readonly string[] }[];
  readonly targetNames?: readonly string[];
  /**
   * Facts about the labels, to check against the config; present if the number of classes comes
   * from labels.
   */
  readonly labels?: LabelFacts;
  /**
   * The largest symbol of all splits, to check against the config; present if steps are symbols.
   */
  readonly largestSymbol?: PlacedLabel;
  readonly vocabulary?: Vocabulary;
  /** Fraction of each split's symbols that are not in `vocabulary`. */
  readonly unknownFractions?: Readonly<Partial<Record<SplitName, number>>>;
  /**
   * Texts of the symbols while these are still codes; absent once they are numbers of `vocabulary`.
   */
  readonly symbolTexts?: SymbolTexts;
  /** Name of feature or target value `index`; absent if names are not needed. */
  readonly columnNames?: Readonly<Record<'features' | 'targets', (index: number) => string>>;
  /**
   * Statistics of numeric columns before scaling. Set only for dataset kinds that leave scaling to
   * `normalize`, unless it is `none`.
   */
  readonly columns?: Readonly<Record<'features' | 'targets', readonly Column[]>>;
  /** What the config says about column `index` of the data, until the dataset is prepared. */
  readonly columnSettings?: (index: number) => ColumnSettings;
  /** How columns became features; absent if they are the features. */
  readonly preparation?: Preparation;
  /** The columns of the data, neither prepared nor scaled; absent until the dataset is prepared. */
  readonly unprepared?: {
    readonly splits: Readonly<Partial<Record<SplitName, Split>>>;
    nameOf(column: number): string;
  };
  readonly scaling?: DataScaling;
  readonly seriesScaling?: SeriesScaling;
  readonly seriesFacts?: SeriesFacts;
  readonly image?: { readonly height: number; readonly width: number };
  readonly recordings?: RecordingFacts;
}

/** What data are read for. */
export type Purpose = 'train' | 'predict';

/** A sequence in the units of the data, not scaled. */
export interface NewSequence {
  /** Steps, 1 or more. */
  readonly length: number;
  /**
   * The columns of the data, `[length, columns]`, row-major: finite, or NaN if a value is missing;
   * or one symbol for each step. Static columns are last, and equal in all steps.
   */
  readonly values: Float32Array;
  /**
   * Classes or target values, one target for the sequence or for each step, laid out like {@link
   * Targets}; present if the reader reads targets.
   */
  readonly targets?: Int32Array | Float32Array;
  /** As {@link Split.history}. */
  readonly history?: Float64Array;
  /** As {@link Split.forecast}. */
  readonly window?: ForecastWindow;
  /** True if intervals adapt to its targets and nothing else is asked of it. */
  readonly isPast?: true;
  /** As {@link Split.errorScale}. */
  readonly errorScale?: readonly number[] | undefined;
  /** As {@link Split.naive}, for prediction `at` of the sequence. */
  naive?(name: NaiveForecast, at: number): Float32Array | undefined;
  /** Its name in the input; absent if there is none. */
  readonly id?: string;
  /** The symbol of each step as written in the input; absent: those of the vocabulary. */
  readonly symbols?: readonly string[];
  /**
   * Time of each step as written in the input, to the last step with a time; of a forecast, the
   * times of the horizon. Absent if steps have no time.
   */
  readonly times?: readonly string[];
  /**
   * Returns the scaling that converts predictions at a step to the units of the data; present if
   * each sequence has its own. `step` is 0 if there is one prediction per sequence.
   */
  readonly targetScaling?: (step: number) => Scaling;
  /** Its start, for problems of the whole sequence. */
  readonly place?: Partial<Diagnostic>;
  /** What makes its prediction doubtful; absent if nothing does. */
  readonly warnings?: readonly Diagnostic[];
  /** Position in the input if others before it are left out; absent: after the one before. */
  readonly position?: number;
  /** True if it is the first of a batch, for rows that continue from batch to batch. */
  readonly startsBatch?: boolean;
}

/** A sequence that cannot be read; later ones can. */
export interface RejectedSequence {
  /** At least one problem, with its position. */
  readonly problems: readonly Diagnostic[];
  readonly id?: string;
}

export type ReadSequence = NewSequence | RejectedSequence;

export function isRejected(sequence: ReadSequence): sequence is RejectedSequence {
  return 'problems' in sequence;
}

/** How an input is read, if its format alone does not say so. */
export interface NewSequencesOptions {
  /** Rows of a batch if each continues the row of the previous batch. Default: 1. */
  readonly rows?: number;
  /** How many windows with targets to read before each window to forecast. Default: 0. */
  readonly past?: number;
  /** True if each line of a text is a sequence of its own. */
  readonly lines?: boolean;
  /**
   * Set to read targets as well, for an evaluation. Symbols that the model does not know are then
   * {@link UNKNOWN}, as they are in the splits of a dataset.
   */
  readonly targets?: TargetsToRead;
  /** True to read the problems of further files with the first one, if one ends the predictions. */
  readonly collects?: boolean;
}

/** The targets of a trained model. */
export interface TargetsToRead extends Pick<DatasetContext, 'ignoredLabel'> {
  readonly kind: Targets['kind'];
  readonly perStep: boolean;
  /** Number of classes, or numbers of a target. */
  readonly size: number;
}

/** Reads sequences in the format of a run's data. */
export interface SequenceReader {
  /** True if all sequences are parts of one stream, so that a model may carry its states. */
  readonly continues?: boolean;
  /** True if sequences may have an `id`. */
  readonly hasIds: boolean;
  /** True if steps may have a time. */
  readonly hasTimes: boolean;
  /** Name of each column of the sequences; absent if they have none. */
  readonly columnNames?: readonly string[];
  /**
   * Yields the sequences of an input in order, one or more sources, which are read like the files
   * of a split. Each list contains those that one chunk completes, and may be empty.
   */
  read(sources: readonly InputSource[]): AsyncIterable<readonly ReadSequence[]>;
}

/** Computes the steps of recordings from their samples, as these come. */
export interface SampleReader {
  /** Seconds from the start of a recording to the end of its step `index`. */
  endOf(index: number): number;
  /**
   * Starts a recording.
   * @param emit receives the columns of each step, which are its own from then on
   * @param rate samples per second; absent: as in training
   */
  listen(emit: (row: Float32Array) => void, rate?: number): SampleStream;
}

export interface SampleStream {
  push(samples: Float64Array): void;
  /** Call after the last samples. */
  end(): void;
}

export interface RecordingReader {
  /** Reads a whole recording. @param rate samples per second; absent: as in training */
  read(samples: Float64Array, rate?: number): Pick<NewSequence, 'length' | 'values'>;
}

export interface SeriesReader {
  /** The columns that a step may have; the first `values` of them are not its time or series. */
  readonly columns: readonly string[];
  readonly values: number;
  readonly time?: string | undefined;
  readonly series: readonly string[];
  /** Returns the last window of some rows, whose cells are by column; `name` is for messages. */
  read(rows: readonly Readonly<Record<string, string>>[], name: string): readonly ReadSequence[];
}

export interface DatasetContext {
  /** Of random draws: the experiment's seed, unless the config has one for its data. */
  readonly seed: number;
  /** That compute at a time. Default: as many as the machine can run. */
  readonly threads?: number | undefined;
  /** True if value targets are labels of 0 and 1, which are never scaled. */
  readonly hasLabelTargets?: boolean;
  /** Class label to ignore besides {@link IGNORED}. */
  readonly ignoredLabel?: number | undefined;
  /** Rows of a batch, if each continues the row of the previous batch. Default: 1. */
  readonly streams?: number;
  /** Of a trained run, used instead of fitting others. */
  readonly preparation?: Preparation | undefined;
  readonly scaling?: DataScaling | undefined;
  readonly vocabulary?: Vocabulary | undefined;
  /** Vocabulary of a trained run, to which new symbols of the training split are added. */
  readonly extendedVocabulary?: Vocabulary | undefined;
  /** True for a target that is left out of the splits, and so counted. */
  readonly leavesOut?: ((symbols: Int32Array, steps: number) => boolean) | undefined;
}

/** Known facts about data; absent if not known yet. */
export interface DatasetFacts {
  readonly inputKind?: SequenceInput['kind'];
  readonly targetKind?: Targets['kind'];
  /** How the text of a target is split into symbols; absent if they are listed, or for others. */
  readonly targetLevel?: TextLevel | undefined;
  /** True if there is one target per step. */
  readonly perStep?: boolean;
  /** Number of classes: largest label + 1. */
  readonly numClasses?: number;
  /** N of the training split. */
  readonly trainCount?: number;
  /** Steps that each sequence forecasts; absent unless sequences are windows of series. */
  readonly horizon?: number;
}

/**
 * What is known of a kind of data without reading any. A kind that lacks one of these facts does
 * not compile.
 */
export interface DatasetKind<Config, Settings extends Shape = Shape> {
  /** Its keys in a config. */
  readonly settings: Settings;
  /** Facts known from the config alone; about all training sequences, as in `open`. */
  facts(config: Config): DatasetFacts;
  /** Columns that are both an input and a target, and the like. */
  leaks(config: Config): readonly ConfigDiagnostic[];
  /** How a config asks for symbols, and for numbers instead; null if it cannot choose. */
  readonly symbols: { readonly how: string; readonly orNumbers: string } | null;
  /**
   * True if `open` holds out validation sequences, applies `limit` and scales by `normalize`
   * itself, since the data must be divided before they become sequences.
   */
  readonly dividesItself: boolean;
  /** True for series, whose windows follow each other in time. */
  readonly isSeries?: true;
  /** True if the data are generated from a seed, not read. */
  readonly isGenerated?: true;
  /**
   * If each path may be a folder or a pattern, which `inputFiles` expands: the usual names of the
   * files of a folder. Otherwise null.
   */
  readonly fileNames: RegExp | null;
  /** How deep the files of a folder may be. Default: 1. */
  readonly depthOf?: (config: Config) => number;
}

/** Reads data of a kind. */
export interface DatasetReaders<Config> {
  /**
   * Opens the dataset that `config` describes, with all its training sequences: the caller applies
   * `validation` and `limit`. Relative paths are resolved against the working directory.
   */
  open(config: Config, context: DatasetContext): Promise<Dataset>;
  /**
   * Returns a reader of sequences to predict. It needs the run's config and data record only; the
   * files of its dataset need not exist.
   */
  newSequences(config: Config, data: DataRecord, options?: NewSequencesOptions): SequenceReader;
  /** Columns of the steps that a program passes; absent if these are plain numbers or symbols. */
  stepColumns?(config: Config, data: DataRecord): StepColumns | undefined;
  /** Return how samples become steps, and recordings sequences; present if these are recordings. */
  sampleReader?(config: Config, data: DataRecord): SampleReader;
  recordingReader?(config: Config, data: DataRecord): RecordingReader;
  /** Returns what reads series to forecast; present if sequences are windows of series. */
  seriesReader?(config: Config, data: DataRecord): SeriesReader;
}
