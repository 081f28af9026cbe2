/** Class labels given as text, numbered over all files of a dataset. */
import { damagedError } from '../../util/errors.js';
import { MAX_CLASSES } from '../reading/limits.js';
import { IGNORED } from './dataset.js';
import type { LabelFacts, PlacedLabel } from './labels.js';

/**
 * Decimal numbers with an optional exponent; excludes other formats that JavaScript accepts (hex,
 * empty, Infinity).
 */
export const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** The labels of one file. */
export interface LabelTexts {
  readonly file: string;
  /** Distinct labels, in the order of their first appearance. */
  readonly labels: readonly string[];
  /** Position of the first occurrence of a label. @param code its index in `labels` */
  placeOf(code: number): PlacedLabel['place'];
}

export interface ClassMapping {
  /** Label text of each class. */
  readonly labels: readonly string[];
  /** Class of a label text. */
  readonly classes: ReadonlyMap<string, number>;
}

/** Labels to ignore. @param given the one set in the config */
export function ignoredLabels(given: number | undefined): ReadonlySet<string> {
  return new Set([IGNORED, given ?? IGNORED].map(String));
}

/**
 * Assigns classes to all labels except the `ignored` ones, in sorted order: by value if all are
 * numbers, else by UTF-16 code units.
 * @throws UserError (exit 5) if no label is left or there are too many
 */
export function classMapping(tables: readonly LabelTexts[], ignored: ReadonlySet<string>): ClassMapping {
  const all = new Set(tables.flatMap(table => table.labels));
  const labels = [...all].filter(label => !ignored.has(label)).sort();
  if (labels.every(label => NUMBER.test(label))) labels.sort((a, b) => Number(a) - Number(b));
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
  return { labels, classes: new Map(labels.map((label, i) => [label, i])) };
}

/** Class of each label code of a file; {@link IGNORED} for ignored labels. */
export function classesByCode({ labels }: LabelTexts, { classes }: ClassMapping): Int32Array {
  return Int32Array.from(labels, label => classes.get(label) ?? IGNORED);
}

/**
 * Text labels have no gaps; the only possible problem is a label that is missing in the training
 * file.
 */
export function labelTextFacts(
  [train, ...others]: readonly LabelTexts[],
  ignored: ReadonlySet<string>,
): LabelFacts {
  const known = new Set([...train.labels, ...ignored]);
  const trainClasses = train.labels.filter(label => !ignored.has(label)).length;
  const foreign = others.map(table => foreignLabel(table, known)).find(label => label !== undefined);
  return { trainClasses, ...(foreign && { foreign }) };
}

function foreignLabel({ labels, placeOf }: LabelTexts, known: ReadonlySet<string>): PlacedLabel | undefined {
  const code = labels.findIndex(label => !known.has(label));
  if (code < 0) return undefined;
  return { name: 'the label', value: JSON.stringify(labels[code]), place: placeOf(code) };
}
