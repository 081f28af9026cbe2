/** What is predicted: the targets of a split, and what is known of their labels. */
import type { Diagnostic } from '../../util/errors.js';
import type { NumberArray } from '../formats/number-arrays.js';
import type { Scaling } from './record.js';

/** Class label of a sequence or step that is excluded from the loss and from metrics. */
export const IGNORED = -100;

export type Targets =
  | {
      readonly kind: 'class';
      readonly numClasses: number;
      /**
       * One class per sequence `[N]`, or one per step `[N, T]` (row-major) if `perStep`; {@link
       * IGNORED} if there is none. Only classes per step may be on disk.
       */
      readonly values: ClassValues;
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
      readonly given?: (at: number) => ArrayLike<number>;
    }
  | {
      /** Symbols, with a length of their own for each sequence. */
      readonly kind: 'sequence';
      /** C, the symbols of all targets, as classes. */
      readonly numClasses: number;
      /** S, length of the longest target of all splits, at least 1. */
      readonly size: number;
      /** `[N, S]`, row-major; {@link IGNORED} after the end of a target, which may be empty. */
      readonly values: Int32Array;
      readonly perStep?: false;
    };

export type SequenceTargets = Extract<Targets, { readonly kind: 'sequence' }>;

export function symbolsOfTarget({ values, size }: SequenceTargets, index: number): Int32Array {
  return withoutPadding(values.subarray(index * size, (index + 1) * size));
}

/** A view of `symbols` before the first {@link IGNORED}. */
export function withoutPadding<A extends NumberArray>(symbols: A): A {
  const end = symbols.indexOf(IGNORED);
  return (end < 0 ? symbols : symbols.subarray(0, end)) as A;
}

/** Classes in memory or on disk; implemented by `Int32Array`. */
export interface ClassValues {
  readonly length: number;
  /** The classes from `from` to `to` (exclusive); valid until the next call. */
  subarray(from: number, to: number): Int32Array;
  [Symbol.iterator](): Iterator<number>;
}

/** A label or symbol and its position. */
export interface PlacedLabel {
  /** Its name in messages, such as `label 17` or `y_test[3]`. */
  readonly name: string;
  /** As written in the file. */
  readonly value: string;
  readonly place: Pick<Diagnostic, 'file' | 'line' | 'column' | 'length' | 'source' | 'offset'>;
}

/**
 * Facts about class labels. Training labels are those of the whole training file, including
 * sequences that `limit` excludes or that are held out for testing, so that neither changes the
 * model.
 */
export interface LabelFacts {
  /** Number of classes that the training labels need: largest label + 1. */
  readonly trainClasses: number;
  /**
   * Classes below the largest without a training label, if any: their number, the first of them,
   * and the largest label.
   */
  readonly gap?: { readonly count: number; readonly first: readonly number[]; readonly largest: PlacedLabel };
  /** The largest label of all splits. */
  readonly largest?: PlacedLabel;
  /** The first validation or test label that does not occur in the training classes. */
  readonly foreign?: PlacedLabel;
}
