/**
 * Class labels: facts about them, to be checked against the config, and the numbers of labels that
 * are texts, over all files of a dataset.
 */

import { type Diagnostic, damagedError } from '../../util/errors.js';
import { NUMBER } from '../formats/numbers.js';
import { MAX_CLASSES } from '../reading/files.js';
import type { Dataset } from './dataset.js';
import { TextCodes } from './store.js';
import { IGNORED, type LabelFacts, type PlacedLabel, type Targets } from './targets.js';

/** Labels of one file that are classes, starting at 0. */
export interface FileLabels {
  /** Label that the config ignores; it is not reported as a gap. */
  readonly ignored: number;
  /** Position of the first label of each class. */
  readonly firsts: ReadonlyMap<number, number>;
  at(position: number): PlacedLabel;
}

/** Number of classes of a model to list. */
const MAX_LISTED = 30;

/** Number of missing classes to list. */
const MAX_NAMED = 5;

/** @param others labels of the splits that have files of their own, in the order of the splits */
export function labelFacts(train: FileLabels, ...others: readonly FileLabels[]): LabelFacts {
  const { value, place: largest } = largestOf(train);
  const trainClasses = value + 1;
  const classes = Array.from({ length: trainClasses }, (_, label) => label);
  const absent = classes.filter(label => !train.firsts.has(label) && label !== train.ignored);
  const foreign = others.flatMap(file => {
    const positions = [...file.firsts].flatMap(([label, at]) => (label < trainClasses ? [] : [at]));
    return positions.length > 0 ? [file.at(Math.min(...positions))] : [];
  });
  return {
    trainClasses,
    largest: others.map(largestOf).reduce((a, b) => (b.value > a.value ? b : a), { value, place: largest })
      .place,
    ...(absent.length > 0 && { gap: { count: absent.length, first: absent.slice(0, MAX_NAMED), largest } }),
    ...(foreign.length > 0 && { foreign: foreign[0] }),
  };
}

function largestOf(file: FileLabels): { readonly value: number; readonly place: PlacedLabel } {
  const value = [...file.firsts.keys()].reduce((a, b) => Math.max(a, b));
  return { value, place: file.at(file.firsts.get(value) as number) };
}

const BOOLEAN = /^(?:true|false)$/i;

/** Numbers the texts of targets: in training with codes in the order of their appearance. */
export interface TargetCodes {
  /**
   * The number of a class label.
   * @throws UnknownClass if a model does not know it
   */
  classOf(label: string, place: () => PlacedLabel['place']): number;
  /** The number of a symbol of a sequence. @param warn called if a model does not know it */
  symbolOf(text: string, warn: (warning: TargetWarning) => void): number;
}

/** The labels of a table, as written, numbered in the order of their first appearance. */
export class LabelCodes extends TextCodes implements TargetCodes {
  /** Position of the first occurrence of each label, by code. */
  readonly places: PlacedLabel['place'][] = [];

  classOf(label: string, place: () => PlacedLabel['place']): number {
    const code = this.code(label);
    if (code === this.places.length) this.places.push(place());
    return code;
  }

  symbolOf(text: string): number {
    return this.code(text);
  }
}

/** The classes of the labels of a dataset. */
export interface ClassMapping {
  /** The label of each class. */
  readonly labels: readonly string[];
  /** The class of each label as written; {@link IGNORED} for ignored labels. */
  readonly classes: ReadonlyMap<string, number>;
  /** What a dataset says about its classes. */
  readonly facts: Pick<Dataset, 'classLabels' | 'labels' | 'spellings'>;
}

/**
 * Assigns classes to all labels except ignored ones, in sorted order. If all labels are numbers,
 * they are compared and sorted by value, and if all are `true` or `false`, without regard to case;
 * other labels are compared as texts and sorted by UTF-16 code units.
 * @param tables the labels of the training file first
 * @param ignoredLabel label to ignore besides {@link IGNORED}
 */
export function classMapping(
  tables: readonly LabelCodes[],
  {
    labels_as_text: asText = false,
    path: file,
  }: { readonly labels_as_text?: boolean; readonly path: string },
  ignoredLabel: number = IGNORED,
): ClassMapping {
  const written = [...new Set(tables.flatMap(table => table.texts))];
  const isIgnored = ignoring(asText, ignoredLabel);
  const kept = written.filter(text => !isIgnored(text));
  const { areNumbers, nameOf } = spellingOf(kept, asText);
  const as = new Map<string, string[]>();
  for (const text of kept) as.set(nameOf(text), [...(as.get(nameOf(text)) ?? []), text]);
  const labels = [...as.keys()].sort();
  if (areNumbers) labels.sort((a, b) => Number(a) - Number(b));
  if (labels.length === 0 || labels.length > MAX_CLASSES) {
    throw damagedError(
      'data/label-range',
      labels.length === 0 ? 'the target column contains only ignored labels' : 'there are too many classes',
      {
        file,
        expected: `1 to ${MAX_CLASSES} different labels`,
        got: String(labels.length),
        suggestion: labels.length === 0 ? undefined : 'dataset.target_kind: value',
      },
    );
  }
  const numbers = new Map(labels.map((label, i) => [label, i]));
  const classOf = (text: string): number =>
    isIgnored(text) ? IGNORED : (numbers.get(nameOf(text)) ?? IGNORED);
  const classes = new Map(written.map(text => [text, classOf(text)]));
  const spellings = [...as].flatMap(([label, texts]) => (texts.length > 1 ? [{ label, as: texts }] : []));
  return {
    labels,
    classes,
    facts: {
      classLabels: labels,
      labels: labelTextFacts(tables, classes),
      ...(spellings.length > 0 && { spellings }),
    },
  };
}

/** A label that is no class of a trained model. */
export class UnknownClass extends Error {
  constructor(
    readonly label: string,
    readonly names: readonly string[],
  ) {
    super(`the model does not know the class ${JSON.stringify(label.slice(0, 60))}`);
  }

  get problem(): Pick<Diagnostic, 'code' | 'message' | 'expected'> {
    const listed = this.names.slice(0, MAX_LISTED).join(', ');
    return {
      code: 'data/unknown-class',
      message: this.message,
      expected: `one of ${listed}${this.names.length > MAX_LISTED ? ', …' : ''}`,
    };
  }
}

/**
 * Numbers the symbols of all targets, which are texts, in sorted order.
 * @param tables the symbols of the training file first
 */
export function symbolMapping(tables: readonly LabelCodes[], file: string): ClassMapping {
  const texts = [...new Set(tables.flatMap(table => table.texts))].sort();
  if (texts.length === 0 || texts.length > MAX_CLASSES) {
    throw damagedError(
      'data/label-range',
      texts.length === 0 ? 'all targets are empty' : 'the targets have too many symbols',
      { file, expected: `1 to ${MAX_CLASSES} different symbols`, got: String(texts.length) },
    );
  }
  return {
    labels: texts,
    classes: new Map(texts.map((text, i) => [text, i])),
    facts: { classLabels: texts },
  };
}

/** Code of the warning of a symbol that the model does not know. */
export const UNKNOWN_TARGET = 'data/unknown-target';

export type TargetWarning = Pick<Diagnostic, 'code' | 'message' | 'got'>;

/**
 * Numbers the texts of targets as a trained model does, which numbers its classes and symbols in
 * the order of `names`. A symbol that the model does not know is the number of its symbols, so that
 * no prediction equals it.
 */
export function knownTargets(
  names: readonly string[],
  { labels_as_text: asText = false }: { readonly labels_as_text?: boolean } = {},
  ignoredLabel?: number,
): TargetCodes {
  const codes = new Map(names.map((name, i) => [name, i]));
  const isIgnored = ignoring(asText, ignoredLabel);
  const { nameOf } = spellingOf(names, asText);
  return {
    classOf(label) {
      const known = isIgnored(label) ? IGNORED : codes.get(nameOf(label));
      if (known === undefined) throw new UnknownClass(label, names);
      return known;
    },
    symbolOf(text, warn) {
      const code = codes.get(text) ?? names.length;
      if (code === names.length) {
        const message = 'the model does not know this symbol of a target, so it counts as an error';
        warn({ code: UNKNOWN_TARGET, message, got: JSON.stringify(text.slice(0, 60)) });
      }
      return code;
    },
  };
}

/** The targets of a new sequence. @param values numbers of classes or symbols, or values */
export function targetArray(kind: Targets['kind'], values: ArrayLike<number>): Int32Array | Float32Array {
  if (kind === 'value') return Float32Array.from(values);
  return Int32Array.from(values, value => (Number.isNaN(value) ? IGNORED : value));
}

function ignoring(asText: boolean, ignoredLabel: number = IGNORED): (text: string) => boolean {
  const ignored = new Set([IGNORED, ignoredLabel].map(String));
  return text => ignored.has(text) || (!asText && NUMBER.test(text) && ignored.has(decimalOf(text)));
}

/** How labels are compared: the function from one that is not ignored to its usual spelling. */
function spellingOf(labels: readonly string[], asText: boolean) {
  const areNumbers = !asText && labels.every(text => NUMBER.test(text));
  const areBooleans = !asText && labels.every(text => BOOLEAN.test(text));
  // a label to read may be none of them
  const nameOf = (text: string): string => {
    if (areNumbers) return NUMBER.test(text) ? decimalOf(text) : text;
    return areBooleans ? text.toLowerCase() : text;
  };
  return { areNumbers, nameOf };
}

/** The usual spelling of a decimal number: `1` for `+01.0` and `1e0`. Integers keep all digits. */
function decimalOf(text: string): string {
  const whole = /^([+-]?\d+)(?:\.0*)?$/.exec(text)?.[1];
  return String(whole === undefined ? Number(text) : BigInt(whole));
}

/** Class of each label code of a file; {@link IGNORED} for ignored labels. */
export function classesByCode({ texts }: LabelCodes, { classes }: ClassMapping): Int32Array {
  return Int32Array.from(texts, label => classes.get(label) ?? IGNORED);
}

/**
 * Text labels have no gaps; the only possible problem is a label that is missing in the training
 * file.
 */
function labelTextFacts(
  [train, ...others]: readonly LabelCodes[],
  classes: ReadonlyMap<string, number>,
): LabelFacts {
  const known = new Set([IGNORED, ...train.texts.map(label => classes.get(label))]);
  const foreign = others.flatMap(({ texts, places }): PlacedLabel[] => {
    const code = texts.findIndex(label => !known.has(classes.get(label)));
    return code < 0 ? [] : [{ name: 'the label', value: JSON.stringify(texts[code]), place: places[code] }];
  });
  return { trainClasses: known.size - 1, ...(foreign.length > 0 && { foreign: foreign[0] }) };
}
