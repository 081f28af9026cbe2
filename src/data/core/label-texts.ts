/** Class labels given as text, numbered over all files of a dataset. */
import { damagedError } from '../../util/errors.js';
import { MAX_CLASSES } from '../reading/limits.js';
import { type Dataset, IGNORED } from './dataset.js';
import type { LabelFacts, PlacedLabel } from './labels.js';

/**
 * Decimal numbers with an optional exponent; excludes other formats that JavaScript accepts (hex,
 * empty, Infinity).
 */
export const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

const BOOLEAN = /^(?:true|false)$/i;

/** Config keys of the dataset kinds whose class labels are texts. */
export interface LabelsConfig {
  /** True to compare labels as texts, so that `1`, `01` and `1.0` are three classes. */
  readonly labels_as_text?: boolean;
}

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
 * @throws UserError (exit 5) if no label is left or there are too many
 */
export function classMapping(
  tables: readonly LabelTexts[],
  { labels_as_text: asText = false }: LabelsConfig,
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

/** What a dataset says of its classes. */
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
