/** What the reports of several tasks have in common: what a page shows of `evaluation.json`. */
import type { Measured } from '../../util/numbers.js';
import type { RecordingPicture, WorstValue } from './document.js';

/** A sequence of an evaluation that a report shows. */
export interface ShownSequence {
  readonly index: number;
  readonly recording?: RecordingPicture | undefined;
}

/** A recording, and where to hear it: an address, or `data:` and its bytes; null if unknown. */
export type RecordingReport = RecordingPicture & { readonly audio: string | null };

/** Adds the audio to a recording; null for sequences that are none. */
export type Hear = (sequence: ShownSequence) => RecordingReport | null;

/** A table of numbers with a name for each row. */
export interface Scores {
  readonly of: string;
  readonly columns: readonly string[];
  readonly rows: readonly { readonly name: string; readonly values: readonly Measured[] }[];
}

/** Rows of a table before those that the reader asks for. */
const MAX_SHOWN = 20;

/**
 * @param rowKind what a row is
 * @param names of the rows; their numbers if absent
 */
export function scoresOf<C extends string>(
  rowKind: string,
  columns: readonly C[],
  rows: readonly { readonly [K in C]?: number }[] | null | undefined,
  names: readonly string[] | null,
): Scores | null {
  if (!rows) return null;
  const all = rows.map((row, i) => ({
    name: names?.[i] ?? String(i),
    cases: Reflect.get(row, 'support') ?? 0,
    values: columns.map((column): Measured => row[column] ?? nameIn(row, column) ?? null),
  }));
  // of many, the most frequent ones first
  const order = all.length > MAX_SHOWN ? all.toSorted((a, b) => b.cases - a.cases) : all;
  return { of: rowKind, columns, rows: order.map(({ name, values }) => ({ name, values })) };
}

export const CLASS_SCORES = ['precision', 'recall', 'f1', 'support'] as const;

/** The predictions of numbers that are furthest from their targets. */
export function worstOf(worst: readonly WorstValue[]) {
  return worst.map(({ index, id = null, target, prediction, absolute_error: error }, i) => ({
    ...{ index, id, target, prediction },
    absolute_error: error ?? nameIn(worst[i], 'absolute_error'),
  }));
}

/** The name of a number that JSON lacks, beside its key. */
function nameIn(record: object, key: string) {
  return Reflect.get(record, `${key}_nonfinite`) as Exclude<Measured, number>;
}

const SIGNS: Readonly<Record<string, string>> = { ' ': '␣', '\n': '↵', '\r': '␍', '\t': '⇥' };

/** A text with its line ends, tabs and outer spaces as signs. */
export function visible(text: string): string {
  return text.replaceAll(/^ +| +$|[\n\r\t]/g, found => Array.from(found, sign => SIGNS[sign]).join(''));
}

/** A text with its line ends and tabs as signs. */
export function onOneLine(text: string): string {
  return text.replaceAll(/[\n\r\t]/g, sign => SIGNS[sign]);
}
