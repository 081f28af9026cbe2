/**
 * What the rest of the program sees of a dataset, whatever its kind: two splits of sequences that
 * are read one at a time, straight into a batch. Nothing here knows how the data are stored; images
 * stay bytes until they are read.
 */

import type { LabelFacts, PlacedLabel } from './labels.js';
import type { Values } from './values.js';

/** Class label of a sequence or step that neither trains nor counts. */
export const IGNORED = -100;

/** Undoes the scaling of numbers: original = stored * scale + offset, one of each per number. */
export interface Scaling {
  readonly offset: readonly number[];
  readonly scale: readonly number[];
}

/**
 * How the numbers of a dataset were scaled, by the training split; null where they are symbols or
 * classes.
 */
export interface DataScaling {
  readonly method: 'standard' | 'min_max';
  /** One of each per feature. */
  readonly features: Scaling | null;
  /** One of each per target value. */
  readonly targets: Scaling | null;
}

/** Of the columns of each series, and of those that training did not have. */
export interface SeriesScaling {
  readonly pooled: Scaling;
  readonly series: readonly (Scaling & { readonly name: string })[];
}

/** A feature or target value over the training split, in the units of the data. */
export interface Column {
  readonly name: string;
  readonly mean: number;
  /** Of the population: the root of the mean squared distance from the mean. */
  readonly deviation: number;
  readonly min: number;
  readonly max: number;
}

/** What a sequence is labelled with. */
export type Targets =
  | {
      readonly kind: 'class';
      readonly numClasses: number;
      /**
       * One class per sequence `[N]`, or one per step `[N, T]` (row-major) when `perStep`; {@link
       * IGNORED} = ignored. Only classes per step may be on the disk.
       */
      readonly values: Values<Int32Array>;
      readonly perStep: boolean;
    }
  | {
      readonly kind: 'value';
      /** C, the number of target values of a sequence, or of a step when `perStep`. */
      readonly size: number;
      /**
       * `[N, C]`, or `[N, T, C]` when `perStep`, row-major. A step with NaN neither trains nor
       * counts.
       */
      readonly values: Float32Array;
      readonly perStep?: boolean;
      /**
       * Leads from `values` back to the data's units, perhaps for each prediction another way,
       * counted over all sequences and, when `perStep`, their steps; absent if the values are not
       * scaled.
       */
      readonly scaling?: Scaling | ((at: number) => Scaling);
    };

/** Forecasts that need no model: the last value, and the last value of the same season. */
export type NaiveForecast = 'last_value' | 'seasonal_naive';

/** What a step of a sequence is: numbers, or one of several symbols. */
export type SequenceInput =
  | {
      readonly kind: 'number';
      /** F, features of a step. */
      readonly size: number;
    }
  | {
      readonly kind: 'symbol';
      /** Symbols are 0 to this, exclusive. */
      readonly count: number;
    };

/** Numbers that `Split.read` writes for each step. */
export function inputWidth(input: SequenceInput): number {
  return input.kind === 'number' ? input.size : 1;
}

/** The splits of a dataset, in the order of a run: trained on, selected by, reported. */
export type SplitName = 'train' | 'validation' | 'test';

/** What one symbol of a text is. A byte is written as the character with its number. */
export type TextLevel = 'character' | 'byte' | 'word';

export interface Vocabulary {
  /** How text is cut; null if the data list their symbols. */
  readonly level: TextLevel | null;
  /** The text of each symbol, by its number; the first stands for all that are unknown. */
  readonly symbols: readonly string[];
}

/** Symbols by the codes that a reader gave their texts. */
export interface SymbolTexts {
  readonly level: TextLevel | null;
  /** Distinct texts of all splits, by code. */
  readonly texts: readonly string[];
}

/**
 * Sequences of one split, all padded to the same number of steps. They are in memory, or on the
 * disk: then `read` and `targets` read them from there, and `load` does so ahead of time.
 */
export interface Split {
  /** N. */
  readonly count: number;
  readonly targets: Targets;
  /** `[N]`, each in 1..T; absent where every sequence has all T steps. */
  readonly lengths?: Int32Array;
  /**
   * Writes the features of sequence `index` (0..N-1): those of step `s` go to `out[offset + s *
   * stepStride + f]`, f in 0..F-1. A symbol is written as a number. Steps past the sequence's
   * length are written as zeros.
   */
  read(index: number, out: Float32Array, offset: number, stepStride: number): void;
  /**
   * The sequences `indices` in that order as a split in memory, which has no names, pictures or
   * forecasts of its own. Absent if all are in memory.
   * @throws UserError (exit 2) or 5 if they cannot be read any more, or have changed
   */
  load?(indices: Uint32Array): Promise<Split>;
  /**
   * What the data call sequence `index`, or where it stands in them; absent if they say neither.
   */
  id?(index: number): string;
  /**
   * Set if `id` is a place such as `x[3]`, which says nothing about the sequences of other splits.
   */
  readonly idIsPlace?: true;
  /**
   * What an error of sequence `index` is divided by in MASE, in the units of the data: the error
   * that the naive forecast has in training. Undefined if that is not known or 0.
   */
  errorScale?(index: number): number | undefined;
  /**
   * Naive forecasts `[C]` of prediction `at`, which counts over all sequences and their steps as
   * `targets` does; undefined if the series does not go back far enough. Present of forecasts.
   */
  readonly naive?: Readonly<Partial<Record<NaiveForecast, (at: number) => Float32Array | undefined>>>;
  /**
   * The grey values of sequence `index` as it was before it became one, row by row; present where
   * `Dataset.picture` is.
   */
  picture?(index: number): Uint8Array;
}

export interface Dataset {
  readonly input: SequenceInput;
  /** T, steps per sequence (the longest one's). */
  readonly sequenceLength: number;
  /** The first step that has a target in any sequence, of targets per step; absent: 0. */
  readonly firstAnswer?: number;
  readonly train: Split;
  /**
   * Sequences that are set aside from training to select by; absent if the config sets none aside.
   */
  readonly validation?: Split;
  readonly test: Split;
  /** What was read, for the manifest: SHA-256 of each file's bytes, or of the generated values. */
  readonly digests: readonly { readonly name: string; readonly sha256: string }[];
  /**
   * The label of each class, where the data name their classes (for the manifest and for
   * predictions).
   */
  readonly classLabels?: readonly string[];
  /** The name of each target value, if the data name them. */
  readonly targetNames?: readonly string[];
  /** Where classes were counted from labels: what those say, to be judged against the config. */
  readonly labels?: LabelFacts;
  /**
   * The largest symbol of both splits, where steps are symbols; to be judged against the config.
   */
  readonly largestSymbol?: PlacedLabel;
  /** What symbols stand for, if the data give them as text. */
  readonly vocabulary?: Vocabulary;
  /** Of each split, the share of symbols that `vocabulary` does not know. */
  readonly unknownShares?: Readonly<Partial<Record<SplitName, number>>>;
  /**
   * Absent once symbols have the numbers of `vocabulary`: until then they are codes of these texts.
   */
  readonly symbolTexts?: SymbolTexts;
  /**
   * What the data call feature or target value `index`; absent if nobody needs to tell them apart.
   */
  readonly columnNames?: Readonly<Record<'features' | 'targets', (index: number) => string>>;
  /**
   * Columns that are numbers, before any scaling; absent if the kind scales them, or if none is
   * wanted.
   */
  readonly columns?: Readonly<Record<'features' | 'targets', readonly Column[]>>;
  /** Absent if features and targets are as in the data. */
  readonly scaling?: DataScaling;
  /** How the columns of each series are scaled, if each is by itself. */
  readonly seriesScaling?: SeriesScaling;
  /** Height and width of a picture, where the sequences are pictures (for reports). */
  readonly picture?: { readonly height: number; readonly width: number };
}
