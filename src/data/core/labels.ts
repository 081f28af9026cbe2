/**
 * Class labels: facts about them, to be checked against the config, and the numbers of labels that
 * are texts, over all files of a dataset.
 */
import { type Diagnostic, damagedError } from '../../util/errors.js';
import { MAX_CLASSES } from '../reading/limits.js';
import { type Dataset, IGNORED } from './dataset.js';
import type { Values } from './values.js';

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

/**
 * Decimal numbers with an optional exponent; excludes other formats that JavaScript accepts (hex,
 * empty, Infinity).
 */
export const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

const BOOLEAN = /^(?:true|false)$/i;

/** The labels of one file. */
export interface LabelTexts {
  readonly file: string;
  /** Distinct labels as written, in the order of their first appearance. */
  readonly labels: readonly string[];
  /** Position of the first occurrence of a label. @param code its index in `labels` */
  placeOf(code: number): PlacedLabel['place'];
}

export interface ClassMapping {
  /** Label of each class. */
  readonly labels: readonly string[];
  /** Class of each label as written, {@link IGNORED} for ignored labels. */
  readonly classes: ReadonlyMap<string, number>;
  /** Classes whose label is written in several ways. */
  readonly spellings: NonNullable<Dataset['spellings']>;
  readonly facts: LabelFacts;
}

/**
 * Assigns classes to all labels except ignored ones, in sorted order. If all labels are numbers,
 * they are compared and sorted by value, and if all are `true` or `false`, without regard to case;
 * other labels are compared as texts and sorted by UTF-16 code units.
 * @param tables the labels of the training file first
 * @param ignoredLabel label to ignore besides {@link IGNORED}
 */
export function classMapping(
  tables: readonly LabelTexts[],
  { labels_as_text: asText = false }: { readonly labels_as_text?: boolean },
  ignoredLabel: number = IGNORED,
): ClassMapping {
  const written = [...new Set(tables.flatMap(table => table.labels))];
  const ignored = new Set([IGNORED, ignoredLabel].map(String));
  const isIgnored = (text: string): boolean =>
    ignored.has(text) || (!asText && NUMBER.test(text) && ignored.has(decimalOf(text)));
  const kept = written.filter(text => !isIgnored(text));
  const areNumbers = !asText && kept.every(text => NUMBER.test(text));
  const nameOf = asText ? (text: string) => text : nameFor(kept, areNumbers);
  const as = new Map<string, string[]>();
  for (const text of kept) as.set(nameOf(text), [...(as.get(nameOf(text)) ?? []), text]);
  const labels = [...as.keys()].sort();
  if (areNumbers) labels.sort((a, b) => Number(a) - Number(b));
  if (labels.length === 0 || labels.length > MAX_CLASSES) {
    throw damagedError({
      code: 'data/label-range',
      message:
        labels.length === 0 ? 'the target column contains only ignored labels' : 'there are too many classes',
      file: tables[0].file,
      expected: `1 to ${MAX_CLASSES} different labels`,
      got: String(labels.length),
      suggestion: labels.length === 0 ? undefined : 'dataset.target_kind: value',
    });
  }
  const numbers = new Map(labels.map((label, i) => [label, i]));
  const classOf = (text: string): number =>
    isIgnored(text) ? IGNORED : (numbers.get(nameOf(text)) ?? IGNORED);
  const classes = new Map(written.map(text => [text, classOf(text)]));
  return {
    labels,
    classes,
    spellings: [...as].flatMap(([label, texts]) => (texts.length > 1 ? [{ label, as: texts }] : [])),
    facts: labelTextFacts(tables, classes),
  };
}

/** What a dataset says about its classes. */
export function labelsOf({
  labels,
  facts,
  spellings,
}: ClassMapping): Pick<Dataset, 'classLabels' | 'labels' | 'spellings'> {
  return { classLabels: labels, labels: facts, ...(spellings.length > 0 && { spellings }) };
}

/** Returns the function from a label to the name of its class. */
function nameFor(labels: readonly string[], areNumbers: boolean): (text: string) => string {
  if (areNumbers) return decimalOf;
  if (labels.every(text => BOOLEAN.test(text))) return text => text.toLowerCase();
  return text => text;
}

/**
 * The usual spelling of a decimal number: `1` for `+01.0` and `1e0`. Exact: numbers with more
 * digits than float64 has stay apart.
 */
function decimalOf(text: string): string {
  const [, sign, whole, fraction = '', exponent = '0'] =
    /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  /** Position of the decimal point after the first of the significant digits. */
  const point = digits.length - fraction.length + Number(exponent);
  const minus = sign === '-' ? '-' : '';
  if (point > MAX_PLAIN || point <= -MAX_ZEROS)
    return `${minus}${significant[0]}${significant.length > 1 ? `.${significant.slice(1)}` : ''}e${point > 0 ? '+' : ''}${point - 1}`;
  if (point <= 0) return `${minus}0.${'0'.repeat(-point)}${significant}`;
  if (point >= significant.length) return `${minus}${significant.padEnd(point, '0')}`;
  return `${minus}${significant.slice(0, point)}.${significant.slice(point)}`;
}

/** Digits before the point and zeros after it, without an exponent, as in JavaScript. */
const MAX_PLAIN = 21;
const MAX_ZEROS = 6;

/** Class of each label code of a file; {@link IGNORED} for ignored labels. */
export function classesByCode({ labels }: LabelTexts, { classes }: ClassMapping): Int32Array {
  return Int32Array.from(labels, label => classes.get(label) ?? IGNORED);
}

/**
 * Text labels have no gaps; the only possible problem is a label that is missing in the training
 * file.
 */
function labelTextFacts(
  [train, ...others]: readonly LabelTexts[],
  classes: ReadonlyMap<string, number>,
): LabelFacts {
  const known = new Set([IGNORED, ...train.labels.map(label => classes.get(label))]);
  const foreign = others.flatMap(({ labels, placeOf }): PlacedLabel[] => {
    const code = labels.findIndex(label => !known.has(classes.get(label)));
    return code < 0 ? [] : [{ name: 'the label', value: JSON.stringify(labels[code]), place: placeOf(code) }];
  });
  return { trainClasses: known.size - 1, ...(foreign.length > 0 && { foreign: foreign[0] }) };
}
