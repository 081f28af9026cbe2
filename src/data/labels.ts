/**
 * What the labels of a dataset's files say of its classes; whether that is meant is judged against
 * the config.
 */
import type { Diagnostic } from '../util/errors.js';
import type { Values } from './values.js';

/** A label or symbol, and where it stands. */
export interface PlacedLabel {
  /** How the file names it, such as `label 17` or `y_test[3]`. */
  readonly name: string;
  /** As it is written. */
  readonly value: string;
  /** Said of the place, such as that its offset is none of the file on the disk. */
  readonly note?: string;
  readonly place: Pick<Diagnostic, 'file' | 'line' | 'column' | 'length' | 'source' | 'offset'>;
}

/**
 * Of a dataset with class labels. Training labels are all of the training file, whatever part of it
 * `limit` leaves out or is held out as the test split: neither changes the model.
 */
export interface LabelFacts {
  /** Classes that the training labels need: the largest of them and one. */
  readonly trainClasses: number;
  /**
   * How many classes below the largest no training label has, the first of them, and what the
   * largest is; if any.
   */
  readonly gap?: { readonly count: number; readonly first: readonly number[]; readonly largest: PlacedLabel };
  /** The largest label of all splits. */
  readonly largest?: PlacedLabel;
  /** The first validation or test label that is no class of the training labels. */
  readonly foreign?: PlacedLabel;
}

/** The labels of one file, and how to place the one at a flat index. */
export interface FileLabels {
  /** The label that the config ignores: no class needs to have it. */
  readonly ignored?: number | undefined;
  /** Classes from 0; negative ones are ignored. */
  readonly values: Values<Int32Array>;
  at(index: number): PlacedLabel;
}

/** Gaps are told by their first few classes. */
const MAX_NAMED = 5;

/** @param others labels of the splits that have files of their own, in the order of the splits */
export function labelFacts(train: FileLabels, ...others: readonly FileLabels[]): LabelFacts {
  const largest = largestOf(train);
  const trainClasses = Math.max(0, largest.value + 1);
  const absent = absentClasses(train.values, trainClasses).filter(label => label !== train.ignored);
  const foreign = others.map(file => firstForeign(file, trainClasses)).find(label => label !== undefined);
  const largestOfAll = others.map(largestOf).reduce((a, b) => (b.value > a.value ? b : a), largest);
  return {
    trainClasses,
    largest: largestOfAll.place(),
    ...(absent.length > 0 && {
      gap: { count: absent.length, first: absent.slice(0, MAX_NAMED), largest: largest.place() },
    }),
    ...(foreign !== undefined && { foreign }),
  };
}

function firstForeign({ values, at }: FileLabels, classes: number): PlacedLabel | undefined {
  let index = 0;
  for (const label of values) {
    if (label >= classes) return at(index);
    index++;
  }
  return undefined;
}

function largestOf({ values, at }: FileLabels): { readonly value: number; place(): PlacedLabel } {
  let [value, index, i] = [Number.NEGATIVE_INFINITY, 0, 0];
  for (const label of values) {
    if (label > value) [value, index] = [label, i];
    i++;
  }
  return { value, place: () => at(index) };
}

function absentClasses(values: Values<Int32Array>, numClasses: number): number[] {
  const seen = new Uint8Array(numClasses);
  for (const value of values) if (value >= 0) seen[value] = 1;
  return Array.from(seen.keys()).filter(label => seen[label] === 0);
}
