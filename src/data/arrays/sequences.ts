/** Sequences of numbers or symbols in arrays: their layout, and the problems of their values. */
import { type Diagnostic, damagedError } from '../../util/errors.js';
import { Problems, VALUE_NEEDED } from '../core/problems.js';
import type { NumberArray } from '../formats/number-arrays.js';
import { MAX_SYMBOLS } from '../reading/files.js';
import type { FileArray, FileTexts } from './files.js';

export interface SequenceArrays {
  readonly x: FileArray;
  /** Steps of each sequence; absent: T. */
  readonly lengths?: FileArray | undefined;
  /** Features of each sequence, `[N, S]`. */
  readonly statics?: FileArray | undefined;
  /** Names of the sequences; absent: their indices. */
  readonly ids?: FileTexts | undefined;
  /** What `test.group` and `validation.group` may name, besides `ids`. */
  readonly groups?: FileTexts | undefined;
}

/** How a row of `x` becomes a sequence. */
export interface RowLayout {
  /** T. */
  readonly steps: number;
  /** F; undefined if steps are symbols. */
  readonly size: number | undefined;
  /** Writes a row into `[T, F]` numbers, or the start of them. */
  write(row: NumberArray, out: Float32Array): void;
  readonly image?: {
    readonly height: number;
    readonly width: number;
    greys(index: number): Uint8Array;
  };
}

export type LayoutOf = (x: FileArray) => RowLayout;

/** `x` is numbers `[N, T, F]`, or integers `[N, T]`, which are symbols. */
export const sequenceLayout: LayoutOf = x => {
  const { shape, integer } = x;
  if ((shape.length === 3 || (shape.length === 2 && integer)) && !shape.includes(0, 1)) {
    const [, steps, size] = shape;
    return { steps, size, write: (row, out) => out.set(row.subarray(0, out.length)) };
  }
  throw x.wrongShape(
    'numbers [N, T, F] (a vector is [N, 1, F]) or integers [N, T] (symbols), each dimension at least 1',
    shape.length === 2 && !integer
      ? 'has the wrong shape or type: symbols must be integers'
      : 'has the wrong shape',
  );
};

export class ArraySequences {
  readonly layout: RowLayout;
  readonly count: number;
  readonly lengths: NumberArray | undefined;
  /** Features of all sequences, `[N, S]`. */
  private readonly statics: NumberArray | undefined;
  /** S. */
  readonly staticSize: number;
  largest: readonly [symbol: number, at: number] = [-1, 0];

  /**
   * @param isFilled true if NaN is a missing value, which a fitted one replaces
   * @throws UserError (exit 5) if an array does not fit `x`
   */
  constructor(
    readonly arrays: SequenceArrays,
    layoutOf: LayoutOf,
    private readonly isFilled: boolean,
  ) {
    const { x, lengths, statics, ids, groups } = arrays;
    this.layout = layoutOf(x);
    this.count = x.shape[0];
    const problems = new Problems();
    problems.attempt(() => x.refuseFortranOrder());
    for (const texts of [ids, groups]) {
      if (!texts || texts.texts.length === this.count) continue;
      const message = `array ${texts.name} does not fit array ${x.name}`;
      const [expected, got] = [`[${this.count}]`, `[${texts.texts.length}]`];
      problems.add({ code: 'data/shape-mismatch', message, file: texts.file, expected, got });
    }
    this.lengths = problems.attempt(() => {
      if (lengths && !(lengths.integer && lengths.shape.length === 1 && lengths.count === this.count))
        throw lengths.wrongShape(`integers [${this.count}]`);
      return lengths?.loaded().whole();
    });
    this.staticSize = statics?.shape[1] ?? 0;
    this.statics = problems.attempt(() => {
      if (statics && !(statics.shape.length === 2 && statics.shape[0] === this.count && this.staticSize > 0))
        throw statics.wrongShape(`numbers [${this.count}, S]`);
      if (statics && this.layout.size === undefined)
        throw statics.wrongShape('no such array', 'does not fit symbols: only numbers have static features');
      return statics?.loaded().whole();
    });
    problems.throwIfAny();
  }

  lengthOf(index: number): number {
    return this.lengths?.[index] ?? this.layout.steps;
  }

  lengthProblem(index: number): Diagnostic | undefined {
    const { arrays, layout } = this;
    const length = this.lengthOf(index);
    if (arrays.lengths === undefined || (length >= 1 && length <= layout.steps)) return undefined;
    return {
      code: 'data/length-range',
      message: `${arrays.lengths.nameOf(index)} is out of range${length === 0 ? ': a sequence needs at least one step' : ''}`,
      file: arrays.lengths.file,
      expected: `1 to ${layout.steps}`,
      got: arrays.lengths.exactly(index),
    };
  }

  /** Numbers of a step: those of x, then the static ones. */
  get size(): number {
    return (this.layout.size ?? 1) + this.staticSize;
  }

  /** Writes a sequence into `[length, size]` numbers. @param row of x */
  write(row: NumberArray, index: number, out: Float32Array): void {
    const { statics, staticSize, size } = this;
    if (statics === undefined) {
      this.layout.write(row, out);
      return;
    }
    const own = statics.subarray(index * staticSize, (index + 1) * staticSize);
    const features = size - staticSize;
    for (let step = 0, to = 0; to < out.length; step++, to += size) {
      out.set(row.subarray(step * features, (step + 1) * features), to);
      out.set(own, to + features);
    }
  }

  /** @throws UserError (exit 5) if the model has another number of static features */
  refuseOtherStatics(size: number): void {
    const { x, statics } = this.arrays;
    if (size === this.staticSize) return;
    const expected = `numbers [${this.count}, ${size}] in an array static, beside x in an archive`;
    if (statics) throw statics.wrongShape(expected, 'does not fit the model');
    throw damagedError('data/no-static', 'the model reads static features', { file: x.file, expected });
  }

  /** The first static feature of a sequence that is not finite. */
  private staticProblem(index: number): Diagnostic | undefined {
    const { statics, staticSize, arrays } = this;
    for (let at = index * staticSize; at < (index + 1) * staticSize; at++)
      if (!this.isUsable(statics?.[at] ?? 0)) return this.unusable(arrays.statics as FileArray, at);
    return undefined;
  }

  /** True for a finite number, or a missing one that a fitted value replaces. */
  private isUsable(value: number): boolean {
    return Number.isFinite(Math.fround(value)) || (this.isFilled && Number.isNaN(value));
  }

  private unusable(array: FileArray, at: number): Diagnostic {
    const isHole = array.exactly(at).toLowerCase() === 'nan' && !this.isFilled;
    return { ...notFinite(array, at), expected: isHole ? VALUE_NEEDED : undefined };
  }

  /**
   * The first problem of a row: a number that is not finite, or no symbol.
   * @param symbols number of symbols of the model; undefined if that is not known yet
   */
  rowProblem(row: NumberArray, index: number, symbols?: number): Diagnostic | undefined {
    const { x } = this.arrays;
    const { size } = this.layout;
    const problem = this.staticProblem(index);
    if (problem || (x.integer && size !== undefined)) return problem;
    const end = this.lengthOf(index) * (row.length / this.layout.steps);
    for (let i = 0; i < end; i++) {
      const value = row[i];
      const at = index * row.length + i;
      if (size !== undefined) {
        if (this.isUsable(value)) continue;
        return this.unusable(x, at);
      }
      if (value > this.largest[0]) this.largest = [value, at];
      if (value >= 0 && value < (symbols ?? MAX_SYMBOLS)) continue;
      return {
        code: 'data/symbol-range',
        message: `${x.nameOf(at)} is not a symbol${symbols === undefined ? '' : ' of the model'}`,
        file: x.file,
        expected: `0 to ${(symbols ?? MAX_SYMBOLS) - 1}`,
        got: x.exactly(at),
      };
    }
    return undefined;
  }

  idOf(index: number): string {
    const { x, ids } = this.arrays;
    return ids?.texts[index] ?? `${x.name}[${index}]`;
  }
}

export function notFinite(array: FileArray, at: number): Diagnostic {
  const message = `${array.nameOf(at)} is not a finite float32 number`;
  return { code: 'data/not-finite', message, file: array.file, got: array.exactly(at) };
}

/** @param ofSteps features of x */
export function featureName(index: number, ofSteps: number): string {
  return index < ofSteps ? `x[:, :, ${index}]` : `static[:, ${index - ofSteps}]`;
}
