/**
 * Interface of every dataset kind to the rest of the program: splits of sequences that are read one
 * at a time, straight into a batch. Nothing here depends on how the data are stored; images stay
 * bytes until they are read.
 */

import type { LabelFacts, PlacedLabel } from './labels.js';
import type { Values } from './values.js';

/** Class label of a sequence or step that is excluded from the loss and from metrics. */
export const IGNORED = -100;

/** Reverses a scaling: original = stored * scale + offset, with one scale and offset per number. */
export interface Scaling {
  readonly offset: readonly number[];
  readonly scale: readonly number[];
}

/** Scaling of a dataset, fitted on the training split; null for symbols or classes. */
export interface DataScaling {
  readonly method: 'standard' | 'min_max';
  /** One offset and scale per feature. */
  readonly features: Scaling | null;
  /** One offset and scale per target value. */
  readonly targets: Scaling | null;
}

/**
 * Scaling of the columns of each series, and the pooled one for series that training did not have.
 */
export interface SeriesScaling {
  readonly pooled: Scaling;
  readonly series: readonly (Scaling & { readonly name: string })[];
}

/**
 * `last_value`: the last value that a window reads; `season`: the mean of the values that it reads
 * at the same position of a season.
 */
export type RelativeTo = 'last_value' | 'season';

/** Steps that are missing in series. */
export interface TimeGaps {
  /** Number of gaps. */
  readonly count: number;
  /** Number of steps that are missing in all gaps. */
  readonly missing: number;
  readonly largest: SeriesGap;
}

export interface SeriesGap {
  /** Empty if the table is one series. */
  readonly series: string;
  readonly missing: number;
  /** Times of the steps before and after the gap, as in the file. */
  readonly after: string;
  readonly before: string;
  /** Usual time between steps of the series, such as `1 hour`; a number if times are numbers. */
  readonly step: string;
}

/** Facts about the series of a forecast, in the units of the data. */
export interface SeriesFacts {
  /** Statistics of the scaled columns over the rows of the training split: the target first. */
  readonly columns: readonly Column[];
  readonly method: DataScaling['method'] | 'none';
  /** Set if values of the target are scaled as differences from a level. */
  readonly relativeTo?: RelativeTo;
  /** Values of each of those columns that training window `index` reads. */
  window(index: number): readonly (readonly number[])[];
  /** Number of training steps of the series that has most. */
  readonly longest: number;
  /** Steps that are missing; absent if there are none, or no times. */
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
}

/** Targets of all sequences of a split. */
export type Targets =
  | {
      readonly kind: 'class';
      readonly numClasses: number;
      /**
       * One class per sequence `[N]`, or one per step `[N, T]` (row-major) if `perStep`;
       * {@link IGNORED} if there is none. Only classes per step may be on disk.
       */
      readonly values: Values<Int32Array>;
      readonly perStep: boolean;
    }
  | {
      readonly kind: 'value';
      /** C, target values per sequence, or per step if `perStep`. */
      readonly size: number;
      /**
       * `[N, C]`, or `[N, T, C]` if `perStep`, row-major. A step with NaN is excluded from the loss
       * and from metrics.
       */
      readonly values: Float32Array;
      readonly perStep?: boolean;
      /**
       * Converts `values` back to the units of the data; absent if they are not scaled. A function
       * returns the scaling of prediction `at`, which counts over all sequences and, if `perStep`,
       * their steps.
       */
      readonly scaling?: Scaling | ((at: number) => Scaling);
      /** Values of prediction `at` as in the data; present if `values` are scaled. */
      readonly given?: (at: number) => ArrayLike<number>;
    };

/** Forecasts without a model: the last value, or the last value of the same season. */
export type NaiveForecast = 'last_value' | 'seasonal_naive';

/** Type of a step: numbers, or one of several symbols. */
export type SequenceInput =
  | {
      readonly kind: 'number';
      /** F, features of a step. */
      readonly size: number;
    }
  | {
      readonly kind: 'symbol';
      /** Symbols are 0 to `count` - 1. */
      readonly count: number;
    };

/** Number of values that `Split.read` writes per step. */
export function inputWidth(input: SequenceInput): number {
  return input.kind === 'number' ? input.size : 1;
}

/** The splits of a dataset: for training, model selection and the final scores. */
export type SplitName = 'train' | 'validation' | 'test';

/** Unit of a text's symbols. A byte is represented by the character with its code. */
export type TextLevel = 'character' | 'byte' | 'word';

export interface Vocabulary {
  /** How text is split into symbols; null if the data list their symbols. */
  readonly level: TextLevel | null;
  /** Text of each symbol, by its number; the first represents all unknown symbols. */
  readonly symbols: readonly string[];
  /**
   * True if some symbols of the training split are unknown, so that a model learns to read them;
   * absent: false.
   */
  readonly has_unknown?: boolean;
}

/** Texts of symbols that a reader stored as codes. */
export interface SymbolTexts {
  readonly level: TextLevel | null;
  /** Distinct texts of all splits, by code. */
  readonly texts: readonly string[];
}

/**
 * Sequences of one split, all padded to the same number of steps. They are in memory, or on disk:
 * then `read` and `targets` read on access, and `load` reads ahead of time.
 */
export interface Split {
  /** N. */
  readonly count: number;
  readonly targets: Targets;
  /** `[N]`, each in 1..T; absent if every sequence has T steps. */
  readonly lengths?: Int32Array;
  /**
   * Writes the features of sequence `index` (0..N-1): feature f (0..F-1) of step s goes to
   * `out[offset + s * stepStride + f]`. A symbol is written as its number, padding as zeros.
   */
  read(index: number, out: Float32Array, offset: number, stepStride: number): void;
  /**
   * Loads the sequences `indices`, in that order, as a split in memory without ids, images or
   * naive forecasts. Absent if all sequences are in memory.
   * @throws UserError (exit 2) if they can no longer be read
   * @throws UserError (exit 5) if the file has changed
   */
  load?(indices: Uint32Array): Promise<Split>;
  /** Name of sequence `index` in the data, or its position there; absent if there is neither. */
  id?(index: number): string;
  /** Set if `id` is a position such as `x[3]`, which is unrelated to ids of other splits. */
  readonly idIsPlace?: true;
  /**
   * Steps of sequence `index` that are not padding, if training reads all T steps of a sequence and
   * padding only lacks targets. Absent: its length.
   */
  realSteps?(index: number): number;
  /**
   * Denominator of MASE for sequence `index`, in the units of the data: the mean error of the naive
   * forecast in training. Undefined if unknown or 0.
   */
  errorScale?(index: number): number | undefined;
  /**
   * Naive forecasts `[C]` for prediction `at`, which counts like `targets.scaling`; undefined if
   * the series does not go back far enough. Present for forecasts only.
   */
  readonly naive?: Readonly<Partial<Record<NaiveForecast, (at: number) => Float32Array | undefined>>>;
  /**
   * Original image of sequence `index`: grey values, row by row. Present if `Dataset.image` is.
   */
  image?(index: number): Uint8Array;
}

/** A source of data. */
export interface DataFile {
  readonly name: string;
  /** SHA-256 of the file's bytes, or of the generated values. */
  readonly sha256: string;
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
  // as in older versions: the files with the test split come last
  const order = files.test ? (['train', 'validation', 'test'] as const) : (['validation', 'train'] as const);
  return order.flatMap(split => (files[split] ?? []).map(({ name, sha256 }) => ({ name, sha256, split })));
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
  /** Data sources for the manifest, as {@link splitFiles} returns them. */
  readonly digests: readonly SplitFile[];
  /** Label of each class, if the data name their classes (for the manifest and for predictions). */
  readonly classLabels?: readonly string[];
  /** Class labels that the data write in several ways, such as `1`, `1.0` and `01`. */
  readonly spellings?: readonly { readonly label: string; readonly as: readonly string[] }[];
  /** Name of each target value, if the data name them. */
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
  /** Texts of the symbols, if the data give symbols as text. */
  readonly vocabulary?: Vocabulary;
  /** Fraction of each split's symbols that are not in `vocabulary`. */
  readonly unknownShares?: Readonly<Partial<Record<SplitName, number>>>;
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
  /** Absent if features and targets are not scaled. */
  readonly scaling?: DataScaling;
  /** Scaling of each series, if each is scaled by itself. */
  readonly seriesScaling?: SeriesScaling;
  /** Present for forecasts only. */
  readonly seriesFacts?: SeriesFacts;
  /** Height and width in pixels, if the sequences are images (for reports). */
  readonly image?: { readonly height: number; readonly width: number };
}
