/**
 * Sequences in an array `x`, with optional lengths and names: the same for training and for
 * prediction, which has no `y`.
 */
import { type Diagnostic, damagedError } from '../util/errors.js';
import { ArrayArchive, FileArray, type FileTexts, openArrays } from './arrays.js';
import type { SequenceInput } from './core/dataset.js';
import type { DataRecord, ReadSequence, SequenceReader } from './core/pipeline.js';
import { Problems } from './core/problems.js';
import { idxForm, isNpy, type NumberArray, npyForm } from './formats/number-arrays.js';
import { allBytes, inTurn } from './reading/byte-sources.js';
import { MAX_SYMBOLS } from './reading/files.js';
import { memoryBytes } from './reading/ranged-file.js';

export interface SequenceArrays {
  readonly x: FileArray;
  /** Steps of each sequence; absent: T. */
  readonly lengths?: FileArray | undefined;
  /** Names of the sequences; absent: their indices. */
  readonly ids?: FileTexts | undefined;
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
    'numbers [N, T, F] or integers [N, T] (symbols), each dimension at least 1',
    shape.length === 2 && !integer
      ? 'has the wrong shape or type: symbols must be integers'
      : 'has the wrong shape',
  );
};

/** Facts of all kinds of arrays. */
export const ARRAY_KIND = {
  leaks: () => [],
  symbols: null,
  dividesItself: false,
  expandsPaths: false,
} as const;

export class ArraySequences {
  readonly layout: RowLayout;
  readonly count: number;
  readonly lengths: NumberArray | undefined;
  /** The largest symbol, and its position. */
  largest: readonly [symbol: number, at: number] = [-1, 0];

  /** @throws UserError (exit 5) if an array does not fit `x` */
  constructor(
    readonly arrays: SequenceArrays,
    layoutOf: LayoutOf,
  ) {
    const { x, lengths, ids } = arrays;
    this.layout = layoutOf(x);
    this.count = x.shape[0];
    const problems = new Problems();
    problems.attempt(() => x.refuseFortranOrder());
    if (ids && ids.texts.length !== this.count) {
      const message = `array ${ids.name} does not fit array ${x.name}`;
      const [expected, got] = [`[${this.count}]`, `[${ids.texts.length}]`];
      problems.add({ code: 'data/shape-mismatch', message, file: ids.file, expected, got });
    }
    this.lengths = problems.attempt(() => {
      if (lengths && !(lengths.integer && lengths.shape.length === 1 && lengths.count === this.count))
        throw lengths.wrongShape(`integers [${this.count}]`);
      return lengths?.loaded().whole();
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

  /**
   * The first problem of a row: a number that is not finite, or no symbol.
   * @param symbols number of symbols of the model; undefined if that is not known yet
   */
  rowProblem(row: NumberArray, index: number, symbols?: number): Diagnostic | undefined {
    const { x } = this.arrays;
    const { size } = this.layout;
    if (x.integer && size !== undefined) return undefined;
    const end = this.lengthOf(index) * (row.length / this.layout.steps);
    for (let i = 0; i < end; i++) {
      const value = row[i];
      const at = index * row.length + i;
      if (size !== undefined) {
        if (Number.isFinite(Math.fround(value))) continue;
        return notFinite(x, at);
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

/** Approximate number of values in a list of sequences. */
const LIST_VALUES = 2 ** 16;

/**
 * Reads sequences to predict: an archive with `x` and optionally `lengths` and `ids`, or `x` alone
 * as an .npy or IDX file. The shape of a row must be that of the run.
 */
export function arraySequences({ input, image }: DataRecord, layoutOf: LayoutOf): SequenceReader {
  const fits = (x: FileArray): RowLayout => {
    const layout = layoutOf(x);
    const [, height, width] = x.shape;
    const isSame = image
      ? height === image.height && width === image.width
      : layout.size === (input.kind === 'number' ? input.size : undefined);
    if (isSame) return layout;
    throw x.wrongShape(
      image ? `[N, ${image.height}, ${image.width}]` : inputWords(input),
      'does not fit the model',
    );
  };
  return {
    hasIds: image === undefined,
    hasTimes: false,
    async *read(sources) {
      for await (const source of inTurn(sources)) {
        const sequences = new ArraySequences(arraysOf(await allBytes(source), source.name), fits);
        const { count, layout } = sequences;
        const perList = Math.max(1, Math.floor(LIST_VALUES / (layout.steps * (layout.size ?? 1))));
        for (let from = 0; from < count; from += perList) {
          const length = Math.min(perList, count - from);
          yield Array.from({ length }, (_, i) => {
            const sequence = sequenceAt(sequences, from + i, input);
            return image ? sequence : { ...sequence, id: sequences.idOf(from + i) };
          });
        }
      }
    },
  };
}

function inputWords(input: SequenceInput): string {
  return input.kind === 'number' ? `numbers [N, T, ${input.size}]` : 'integers [N, T] (symbols)';
}

function arraysOf(bytes: Buffer, file: string): SequenceArrays {
  const source = memoryBytes(file, bytes);
  const isZip = bytes.toString('latin1', 0, 2) === 'PK';
  if (!isZip) return { x: FileArray.open('x', { source }, isNpy(bytes) ? npyForm : idxForm) };
  const archive = new ArrayArchive(source);
  const problems = new Problems();
  const { x, ...others } = openArrays(archive, { x: 'x', lengths: 'lengths', ids: 'ids' }, problems);
  problems.throwIfAny();
  if (x) return { x, ...others };
  const expected = 'x ([N, T, F] or [N, T]), and lengths ([N]) if sequences differ in length';
  throw damagedError(archive.missing('x', expected));
}

function sequenceAt(sequences: ArraySequences, index: number, input: SequenceInput): ReadSequence {
  const wrongLength = sequences.lengthProblem(index);
  if (wrongLength) return { problems: [wrongLength] };
  const { arrays, layout } = sequences;
  const row = arrays.x.row(index);
  const problem = sequences.rowProblem(row, index, input.kind === 'symbol' ? input.count : undefined);
  if (problem) return { problems: [problem] };
  const length = sequences.lengthOf(index);
  const values = new Float32Array(length * (layout.size ?? 1));
  layout.write(row, values);
  return { length, values, place: { file: arrays.x.file } };
}
