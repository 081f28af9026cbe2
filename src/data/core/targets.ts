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

export type TargetKind = Targets['kind'];
export type TargetsOfKind<K extends TargetKind> = Extract<Targets, { readonly kind: K }>;
export type ClassTargets = TargetsOfKind<'class'>;
export type ValueTargets = TargetsOfKind<'value'>;
export type SequenceTargets = TargetsOfKind<'sequence'>;

/** `targets` as those of a task. @throws if the config was not checked against the data */
export function targetsOfKind<K extends TargetKind>(kind: K, targets: Targets): TargetsOfKind<K> {
  if (!isOfKind(kind, targets)) throw new Error(`targets are of kind ${targets.kind}, not ${kind}`);
  return targets;
}

function isOfKind<K extends TargetKind>(kind: K, targets: Targets): targets is TargetsOfKind<K> {
  return targets.kind === kind;
}

/** How many numbers each target has: 1 for a class. */
export function numbersOfTarget(targets: Targets): number {
  return targets.kind === 'class' ? 1 : targets.size;
}

/** Classes, or symbols, of all targets; 0 for values. */
export function classesOf(targets: Targets): number {
  return targets.kind === 'value' ? 0 : targets.numClasses;
}

/** Equal for targets that one model can predict. */
export function formOf(targets: Targets): string {
  const { kind, perStep = false } = targets;
  return [kind, perStep, kind === 'value' && targets.size].join();
}

/** True for one target per step; undefined for sequences, which have steps of their own. */
export function targetsPerStep(targets: Targets): boolean | undefined {
  return targets.kind === 'sequence' ? undefined : (targets.perStep ?? false);
}

/** Symbols of the longest target of all splits; undefined unless targets are sequences. */
export function longestTarget(targets: Targets): number | undefined {
  return targets.kind === 'sequence' ? targets.size : undefined;
}

/** True for the first number of a target that is excluded from the loss and from metrics. */
export function isIgnoredNumber({ kind }: Pick<Targets, 'kind'>, value: number): boolean {
  return kind === 'value' ? Number.isNaN(value) : value === IGNORED;
}

/** True if no target counts: the loss and metrics of such a split are undefined. */
export function areAllIgnored(targets: Targets): boolean {
  if (targets.kind === 'sequence') return false;
  for (const value of targets.values) if (!isIgnoredNumber(targets, value)) return false;
  return true;
}

/** True if target `at` of a sequence or step is excluded from the loss and from metrics. */
export function isIgnored(targets: Targets, at: number): boolean {
  // a target without symbols counts
  if (targets.kind === 'sequence') return false;
  const first = at * numbersOfTarget(targets);
  return isIgnoredNumber(targets, targets.values.subarray(first, first + 1)[0]);
}

export function symbolsOfTarget({ values, size }: SequenceTargets, index: number): Int32Array {
  return withoutPadding(values.subarray(index * size, (index + 1) * size));
}

/** Symbols of the target of a sequence; 0 unless targets are sequences. */
export function lengthOfTarget(targets: Targets, index: number): number {
  return targets.kind === 'sequence' ? symbolsOfTarget(targets, index).length : 0;
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
