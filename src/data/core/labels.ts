/** Facts about the labels of a dataset, to be checked against the config. */
import type { Diagnostic } from '../../util/errors.js';
import type { Values } from './values.js';

/** A label or symbol and its position. */
export interface PlacedLabel {
  /** Its name in messages, such as `label 17` or `y_test[3]`. */
  readonly name: string;
  /** As written in the file. */
  readonly value: string;
  /** A note about the position, for example that the offset refers to the decompressed file. */
  readonly note?: string;
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

/** Labels of one file, and the position of each flat index. */
export interface FileLabels {
  /** Label that the config ignores; it is not reported as a gap. */
  readonly ignored?: number | undefined;
  /** Classes, starting at 0; negative values are ignored. */
  readonly values: Values<Int32Array>;
  at(index: number): PlacedLabel;
}

/** Number of missing classes to list. */
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
