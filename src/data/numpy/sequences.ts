/**
 * Reads sequences to predict from NumPy arrays: an archive with `x` and optionally `lengths` and
 * `ids`, or `x` alone as an .npy file. As in training, `x` is `[N, T, F]`, or `[N, T]` integers
 * (symbols).
 */
import { damagedError } from '../../util/errors.js';
import { checkNpyLayout, isNpy, type NpyArray, parseNpy, parseNpyTexts } from '../formats/npy.js';
import { readZip } from '../formats/zip.js';
import { type DataRecord, inTurn, type ReadSequence, type SequenceReader } from '../new-sequences.js';
import { Problems } from '../problems.js';
import { allBytes } from '../reading/byte-sources.js';
import { expansionLimit } from '../reading/limits.js';
import { indexWords, shapeWords, wrong } from './arrays.js';

interface Arrays {
  readonly x: NpyArray;
  readonly lengths?: NpyArray | undefined;
  /** Names of the sequences; absent: their indices. */
  readonly ids?: readonly string[] | undefined;
}

interface Shape {
  readonly count: number;
  readonly steps: number;
  /** Numbers per step; 1 if steps are symbols. */
  readonly width: number;
}

/** Sequences yielded at once. */
const LIST = 64;

export function numpySequences(data: DataRecord): SequenceReader {
  return {
    hasIds: true,
    hasTimes: false,
    async *read(sources) {
      for await (const source of inTurn(sources)) {
        const arrays = arraysOf(await allBytes(source), source.name);
        const shape = shapeOf(arrays, data, source.name);
        for (let from = 0; from < shape.count; from += LIST) {
          const length = Math.min(LIST, shape.count - from);
          yield Array.from({ length }, (_, i) => sequenceOf(from + i, arrays, shape, data, source.name));
        }
      }
    },
  };
}

function arraysOf(bytes: Buffer, file: string): Arrays {
  if (isNpy(bytes)) return { x: parseNpy(bytes, file, 'x') };
  const found: string[] = [];
  const problems = new Problems();
  const members = readZip(bytes, file, {
    accepts: member => {
      found.push(member.replace(/\.npy$/, ''));
      return ['x.npy', 'lengths.npy', 'ids.npy'].includes(member);
    },
    maxBytes: expansionLimit(),
    // reject a member whose size differs from its header before inflating it
    fits: (member, head, size) => {
      const [name] = member.split('.');
      const check = () => {
        checkNpyLayout(head, size, file, name, { texts: name === 'ids' });
        return true;
      };
      return problems.attempt(check) ?? false;
    },
  });
  problems.throwIfAny();
  const [x, lengths] = ['x', 'lengths'].map(name => {
    const member = members.get(`${name}.npy`);
    return member && parseNpy(member, file, name);
  });
  const texts = members.get('ids.npy');
  if (x) return { x, lengths, ids: texts && parseNpyTexts(texts, file, 'ids') };
  throw damagedError({
    code: 'data/npz-missing',
    message: 'the file has no array x',
    file,
    expected: 'x ([N, T, F] or [N, T]), and lengths ([N]) if sequences differ in length',
    got: found.slice(0, 12).join(', ') || 'no arrays',
  });
}

function shapeOf({ x, lengths, ids }: Arrays, { input }: DataRecord, file: string): Shape {
  const [count, steps, width = 1] = x.shape;
  const fits =
    input.kind === 'number'
      ? x.shape.length === 3 && width === input.size
      : x.shape.length === 2 && x.integer;
  if (!fits || steps === 0) {
    throw wrong('data/shape-mismatch', file, 'x', '', {
      message: 'does not fit the model',
      expected: input.kind === 'number' ? `numbers [N, T, ${input.size}]` : 'integers [N, T] (symbols)',
      got: `${x.dtype} ${shapeWords(x)}`,
    });
  }
  if (lengths && (lengths.shape.length !== 1 || lengths.shape[0] !== count || !lengths.integer)) {
    throw wrong('data/shape-mismatch', file, 'lengths', '', {
      message: 'has the wrong shape or type',
      expected: `integers [${count}]`,
      got: `${lengths.dtype} ${shapeWords(lengths)}`,
    });
  }
  if (ids && ids.length !== count) {
    throw wrong('data/shape-mismatch', file, 'ids', '', {
      message: 'does not fit array x',
      expected: `[${count}]`,
      got: `[${ids.length}]`,
    });
  }
  return { count, steps, width };
}

function sequenceOf(
  index: number,
  { x, lengths, ids }: Arrays,
  { steps, width }: Shape,
  { input }: DataRecord,
  file: string,
): ReadSequence {
  const id = ids?.[index] ?? `x[${index}]`;
  const refused = (...complaint: Parameters<typeof wrong>): ReadSequence => ({
    problems: wrong(...complaint).diagnostics,
    id,
  });
  const length = lengths?.values[index] ?? steps;
  if (lengths && (length < 1 || length > steps)) {
    return refused('data/length-range', file, 'lengths', `[${index}]`, {
      message: 'is out of range',
      expected: `1 to ${steps}`,
      got: lengths.exactly(index),
    });
  }
  const from = index * steps * width;
  const values = Float32Array.from(x.values.subarray(from, from + length * width));
  if (input.kind === 'symbol') {
    const bad = values.findIndex(symbol => !(symbol >= 0 && symbol < input.count));
    if (bad >= 0) {
      return refused('data/symbol-range', file, 'x', indexWords(from + bad, [steps]), {
        message: 'is not a symbol of the model',
        expected: `0 to ${input.count - 1}`,
        got: x.exactly(from + bad),
      });
    }
  }
  const bad = values.findIndex(value => !Number.isFinite(value));
  if (bad < 0) return { length, values, id, place: { file } };
  return refused('data/not-finite', file, 'x', indexWords(from + bad, [steps, width]), {
    message: 'is not a finite float32 number',
    got: x.exactly(from + bad),
  });
}
