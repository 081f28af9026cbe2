/**
 * Rows of a table in columns of numbers and codes, their places in the files, and what can be wrong
 * with the rows of a sequence.
 */

import type { Diagnostic } from '../../util/errors.js';
import { orderRest } from '../core/cells.js';
import { LabelCodes } from '../core/labels.js';
import type { Problems } from '../core/problems.js';
import { GrowingList, TextCodes } from '../core/store.js';
import { type RowPlace, rowName } from '../formats/table-records.js';

/** Row indices of one sequence, in the order of its steps. */
export type RowList = readonly number[];

/** Rows whose sequences are not complete yet; in training, all rows. */
export class Rows {
  /** The numbers or symbols of all rows. */
  readonly features: GrowingList<Float32Array | Float64Array>;
  /** Cells that are no numbers, and symbols to predict, by their index in `features`. */
  readonly texts = new Map<number, string>();
  /** Start of each row in `features`, and the end of the last. */
  readonly starts: number[] = [0];
  /**
   * `[rows, targets]`: numbers in float64; or codes of the class labels in `labels`, which are
   * classes for a trained model. NaN if one is missing.
   */
  readonly targets: number[] = [];
  readonly labels = new LabelCodes();
  /** Group code of each row; empty if each row is a sequence. */
  readonly groups: number[] = [];
  readonly groupNames = new TextCodes();
  /** Cells of the order column, and their sort keys; empty without one. */
  readonly order: string[] = [];
  readonly keys: number[] = [];
  /** Cells of the id column, which may be empty; empty without one. */
  readonly ids: string[] = [];
  /** `[rows, columns]`: codes of the cells in columns that divide the data. */
  readonly splits: number[] = [];
  readonly splitValues = new TextCodes();
  /** Problems of each sequence; those of all sequences are 0 in training. */
  readonly problems = new Map<number, Problems>();
  /** What makes the prediction of a sequence doubtful. */
  readonly warnings = new Map<number, Diagnostic[]>();
  /** Line or number of each row. */
  private readonly numbers: number[] = [];
  private readonly files: { readonly first: number; readonly hasLines: boolean; readonly name: string }[] =
    [];

  constructor(keepsFloat64 = false) {
    this.features = new GrowingList(
      length => (keepsFloat64 ? new Float64Array(length) : new Float32Array(length)),
      64,
    );
  }

  get count(): number {
    return this.numbers.length;
  }

  /** Adds a warning, if there is one, to those of a sequence. */
  warn(key: number, warning: Diagnostic | undefined): void {
    if (warning) this.warnings.set(key, [...(this.warnings.get(key) ?? []), warning]);
  }

  /** Call after the features of a row have been added. */
  end({ file, line, row = 0 }: RowPlace): void {
    if (this.files.at(-1)?.name !== file)
      this.files.push({ first: this.count, hasLines: line !== undefined, name: file });
    this.numbers.push(line ?? row);
    this.starts.push(this.features.size);
  }

  place(row: number): RowPlace {
    const { name: file, hasLines } = this.files.findLast(({ first }) => first <= row) ?? this.files[0];
    const number = this.numbers[row];
    return hasLines ? { file, line: number } : { file, row: number };
  }

  /** The number at `place` of a row. */
  numberAt(row: number, place: number): number {
    return this.features.at(this.starts[row] + place);
  }

  /** The symbols of some rows. */
  textsOf(list: RowList): string[] {
    const { starts, texts } = this;
    return list.flatMap(row =>
      Array.from(
        { length: starts[row + 1] - starts[row] },
        (_, i) => texts.get(starts[row] + i) ?? [],
      ).flat(),
    );
  }

  /**
   * Sorts rows by the order column, if there is one. Returns two rows with the same value, if there
   * are any.
   */
  sort(list: number[], isNumeric: boolean): readonly [number, number] | undefined {
    const { keys, order } = this;
    if (order.length === 0) return undefined;
    const rest = orderRest(isNumeric);
    const compare = (a: number, b: number) => keys[a] - keys[b] || rest(order[a]) - rest(order[b]);
    list.sort((a, b) => compare(a, b) || a - b);
    // a row with a bad time equals none
    const isTie = (a: number, b: number) => keys[a] === keys[b] && compare(a, b) === 0;
    const tie = list.findIndex((row, i) => i > 0 && isTie(row, list[i - 1]));
    return tie > 0 ? [list[tie - 1], list[tie]] : undefined;
  }

  /**
   * Repeats a number that a sequence has once in all its rows. Returns two rows with different
   * values, if there are any.
   */
  unify(list: RowList, number: number): readonly [number, number] | undefined {
    const { features, starts } = this;
    const [first, ...others] = list.filter(row => !Number.isNaN(this.numberAt(row, number)));
    if (first === undefined) return undefined;
    const value = this.numberAt(first, number);
    const other = others.find(row => this.numberAt(row, number) !== value);
    for (const row of list) features.set(starts[row] + number, value);
    return other === undefined ? undefined : [first, other];
  }

  values(list: RowList): Float32Array | Float64Array {
    const { starts, features } = this;
    const out = features.make(list.reduce((sum, row) => sum + starts[row + 1] - starts[row], 0));
    let at = 0;
    for (const row of list) {
      const own = features.subarray(starts[row], starts[row + 1]);
      out.set(own, at);
      at += own.length;
    }
    return out;
  }
}

export function hasTarget({ targets }: Rows, size: number, row: number): boolean {
  for (let at = row * size; at < (row + 1) * size; at++) if (Number.isNaN(targets[at])) return false;
  return true;
}

/**
 * The targets of a sequence `[targets]`, or of its rows `[length, targets]`; NaN for a row without
 * all of them.
 */
export function targetsOf(rows: Rows, list: RowList, size: number, perStep: boolean): number[] {
  const isWhole = (row: number) => hasTarget(rows, size, row);
  const own = perStep ? list : [list.find(isWhole) ?? list[0]];
  // a prediction of several values needs all of them
  return own.flatMap(row =>
    isWhole(row) ? rows.targets.slice(row * size, (row + 1) * size) : Array<number>(size).fill(Number.NaN),
  );
}

/** A date with a time of day and without an offset, which an hour may have twice. */
const LOCAL_TIME = /^\d{4}-\d{2}-\d{2}[T ][\d:.]+$/;

/**
 * Problem: two rows of a sequence have the same value in the order column.
 * @param owner ` of group "a"`; empty if the table is one sequence
 */
export function sameOrder(
  owner: string,
  column: string,
  text: string,
  [earlier, place]: readonly [RowPlace, RowPlace],
): Diagnostic {
  return {
    code: 'data/csv-order',
    message: `two rows${owner} have the same value in column ${JSON.stringify(column)}`,
    ...place,
    ...(LOCAL_TIME.test(text) && {
      expected: 'different times; if clocks were set back, times with a UTC offset such as +02:00',
    }),
    got: `${text}, as in ${rowName(earlier, place)}`,
  };
}

/**
 * Returns the problem of a sequence whose rows have different targets although it needs one.
 * @param words the target of a row, as written
 */
export function changingTarget(
  { rows, list, owner }: { readonly rows: Rows; readonly list: RowList; readonly owner: string },
  names: readonly string[],
  targetAt: (at: number) => number,
  words: (at: number) => string,
): Diagnostic | undefined {
  const [first, ...others] = list;
  const columns = [...names.keys()];
  const at = (row: number, column: number) => row * names.length + column;
  const differs = (row: number, column: number) => targetAt(at(row, column)) !== targetAt(at(first, column));
  const row = others.find(row => columns.some(column => differs(row, column)));
  if (row === undefined) return undefined;
  const target = columns.find(column => differs(row, column)) ?? 0;
  const place = rows.place(row);
  return {
    code: 'data/csv-target',
    message: `the rows${owner} have different targets`,
    ...place,
    columnName: names[target],
    expected: `${words(at(first, target))}, as in ${rowName(rows.place(first), place)}`,
    got: words(at(row, target)),
  };
}

/** Problem: the rows of a sequence have several values of a static feature. */
export function changingStatic(
  owner: string,
  columnName: string,
  [first, other]: readonly RowPlace[],
): Diagnostic {
  return {
    code: 'data/csv-static',
    message: `the rows${owner} have different values of a static feature`,
    ...other,
    columnName,
    expected: `the value in ${rowName(first, other)}; columns that change belong in \`features\``,
  };
}

/**
 * In files up to this total size, the rows of a group to predict may be anywhere, as in training.
 * Larger files and streams are not kept in memory, so their groups must be contiguous.
 */
export const MAX_GATHERED_BYTES = 2 ** 24;

/** Maximum number of values in a sequence to predict: 64 MiB. */
export const MAX_NUMBERS = 2 ** 24;

/** Problem: rows of a group follow those of others in a stream. */
export function comesBack(id: string, place: Partial<Diagnostic>): Diagnostic {
  return {
    code: 'data/csv-group-again',
    message: `group ${JSON.stringify(id)} appears again after other groups, so a prediction already made for it is incomplete`,
    ...place,
    expected: `rows sorted by group, or files of up to ${MAX_GATHERED_BYTES / 2 ** 20} MiB in total instead of a stream`,
  };
}

/** Problem: a sequence to predict has too many values. */
export function tooLong(owner: string, place: RowPlace): Diagnostic {
  return {
    code: 'data/sequence-too-long',
    message: `the sequence${owner} is too long to predict`,
    ...place,
    expected: `at most ${MAX_NUMBERS} numbers`,
  };
}
