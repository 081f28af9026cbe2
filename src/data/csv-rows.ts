/** Rows of a table in columns of numbers and codes, and their places in the files. */

import type { Diagnostic } from '../util/errors.js';
import { LabelCodes } from './core/labels.js';
import type { Problems } from './core/problems.js';
import { GrowingList, TextCodes } from './core/store.js';
import type { RowPlace } from './formats/tables.js';

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

  /** The symbols of some rows. */
  textsOf(list: RowList): string[] {
    const { starts, texts } = this;
    return list.flatMap(row =>
      Array.from({ length: starts[row + 1] - starts[row] }, (_, i) => texts.get(starts[row] + i) ?? ''),
    );
  }

  /** The features of some rows. */
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

/** True if no target of a row is missing. */
export function hasTarget({ targets }: Rows, size: number, row: number): boolean {
  for (let at = row * size; at < (row + 1) * size; at++) if (Number.isNaN(targets[at])) return false;
  return true;
}
