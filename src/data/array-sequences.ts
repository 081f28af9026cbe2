/**
 * Reads sequences to predict from NumPy arrays: an archive with `x` and optionally `lengths` and
 * `ids`, or `x` alone as an .npy file. As in training, `x` is `[N, T, F]`, or `[N, T]` integers
 * (symbols).
 */

import {
  arrayInMemory,
  checkIds,
  checkLengths,
  type FileArray,
  featureProblem,
  lengthProblem,
  type SplitArrays,
  wrongShape,
} from './arrays.js';
import type { DataRecord, ReadSequence, SequenceReader } from './core/pipeline.js';
import { isNpy, type NpyArray } from './formats/npy-array.js';
import { readArchive, type WantedArrays } from './npz-archive.js';
import { allBytes, inTurn } from './reading/byte-sources.js';

type InputArrays = Omit<SplitArrays, 'y'>;

const WANTED: WantedArrays = {
  names: ['x', 'lengths', 'ids'],
  required: () => ['x'],
  expected: 'x ([N, T, F] or [N, T]), and lengths ([N]) if sequences differ in length',
};

/** Sequences yielded at once. */
const LIST = 64;

export function numpySequences({ input }: DataRecord): SequenceReader {
  return {
    hasIds: true,
    hasTimes: false,
    async *read(sources) {
      for await (const source of inTurn(sources)) {
        const arrays = arraysOf(await allBytes(source), source.name);
        checkShapes(arrays, input);
        const { x, lengths, ids } = arrays;
        const sequenceOf = sequenceReader(x, lengths, input);
        const [count] = x.shape;
        for (let from = 0; from < count; from += LIST) {
          const length = Math.min(LIST, count - from);
          yield Array.from({ length }, (_, i): ReadSequence => {
            const index = from + i;
            return { ...sequenceOf(index), id: ids?.texts[index] ?? `x[${index}]` };
          });
        }
      }
    },
  };
}

function arraysOf(bytes: Buffer, file: string): InputArrays {
  if (isNpy(bytes)) return { x: arrayInMemory(bytes, file, 'x') };
  const { numbers, ids } = readArchive(bytes, file, WANTED);
  return { x: numbers.get('x') as FileArray, lengths: numbers.get('lengths'), ids: ids.get('ids') };
}

/** @throws UserError (exit 5) if the arrays do not fit the model or each other */
function checkShapes({ x, lengths, ids }: InputArrays, input: DataRecord['input']): void {
  const [count, steps, width] = x.shape;
  const isNumbers = input.kind === 'number';
  const fits = isNumbers ? x.shape.length === 3 && width === input.size : x.shape.length === 2 && x.integer;
  if (!fits || steps === 0) {
    const expected = isNumbers ? `numbers [N, T, ${input.size}]` : 'integers [N, T] (symbols)';
    throw wrongShape(x, expected, 'does not fit the model');
  }
  if (lengths) checkLengths(lengths, count);
  checkIds(ids, x);
}

function sequenceReader(x: FileArray, lengths: FileArray | undefined, input: DataRecord['input']) {
  const { values, exactly } = x.whole();
  const [, steps, width = 1] = x.shape;
  const own: NpyArray | undefined = lengths?.whole();
  return (index: number): ReadSequence => {
    const wrongLength = lengths && own && lengthProblem(lengths, own, index, steps);
    if (wrongLength) return { problems: [wrongLength] };
    const length = own?.values[index] ?? steps;
    const from = index * steps * width;
    const row = values.subarray(from, from + length * width);
    const problem = featureProblem(x, row, {
      index,
      exactly: i => exactly(from + i),
      symbols: input.kind === 'symbol' ? input.count : 0,
      isOfModel: true,
    });
    return problem
      ? { problems: [problem] }
      : { length, values: Float32Array.from(row), place: { file: x.file } };
  };
}
