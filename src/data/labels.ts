/** What the labels of a dataset's files say of its classes; whether that is meant is judged against the config. */
import type { Diagnostic } from '../errors.js';

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
 * Of a dataset with class labels. Training labels are all of the training file, whatever part of it `limit` leaves out or
 * is held out as the test split: neither changes the model.
 */
export interface LabelFacts {
  /** Classes that the training labels need: the largest of them and one. */
  readonly trainClasses: number;
  /** How many classes below the largest no training label has, the first of them, and what the largest is; if any. */
  readonly gap?: { readonly count: number; readonly first: readonly number[]; readonly largest: PlacedLabel };
  /** The largest label of both splits. */
  readonly largest?: PlacedLabel;
  /** The first test label that is no class of the training labels. */
  readonly foreign?: PlacedLabel;
}

/** The labels of one file, and how to place the one at a flat index. */
export interface FileLabels {
  /** Classes from 0; negative ones are ignored. */
  readonly values: Int32Array;
  at(index: number): PlacedLabel;
}

/** Gaps are told by their first few classes. */
const MOST_NAMED = 5;

/** @param test absent where the test split is held out of the training file */
export function labelFacts(train: FileLabels, test: FileLabels | undefined): LabelFacts {
  const top = indexOfLargest(train.values);
  const trainClasses = Math.max(0, train.values[top] + 1);
  const absent = absentClasses(train.values, trainClasses);
  const foreign = test?.values.findIndex(label => label >= trainClasses) ?? -1;
  const larger = test !== undefined && foreign >= 0 ? test.at(indexOfLargest(test.values)) : train.at(top);
  return {
    trainClasses,
    largest: larger,
    ...(absent.length > 0 && {
      gap: { count: absent.length, first: absent.slice(0, MOST_NAMED), largest: train.at(top) },
    }),
    ...(test !== undefined && foreign >= 0 && { foreign: test.at(foreign) }),
  };
}

function indexOfLargest(values: Int32Array): number {
  return values.reduce((best, value, index) => (value > values[best] ? index : best), 0);
}

function absentClasses(values: Int32Array, numClasses: number): number[] {
  const seen = new Uint8Array(numClasses);
  for (const value of values) if (value >= 0) seen[value] = 1;
  return Array.from(seen.keys()).filter(label => seen[label] === 0);
}
