/** Arrays of sequences to predict or, with `y`, to evaluate. */

import { type Diagnostic, damagedError, damagedErrors, usageError } from '../../util/errors.js';
import {
  dataWidth,
  isRejected,
  type NewSequencesOptions,
  type ReadSequence,
  type SequenceReader,
  staticWidth,
  type TargetsToRead,
} from '../core/dataset.js';
import { knownTargets, type TargetCodes, type TargetWarning } from '../core/labels.js';
import { Problems } from '../core/problems.js';
import type { DataRecord, SequenceInput } from '../core/record.js';
import { IGNORED } from '../core/targets.js';
import { idxForm, isNpy, npyForm } from '../formats/number-arrays.js';
import { allBytes, inTurn } from '../reading/byte-sources.js';
import { memoryBytes } from '../reading/ranged-file.js';
import { Part } from './dataset.js';
import { ArrayArchive, FileArray, openArrays } from './files.js';
import { ArraySequences, type LayoutOf, type RowLayout, type SequenceArrays } from './sequences.js';

/** Approximate number of values in a list of sequences. */
const LIST_VALUES = 2 ** 16;

/**
 * Reads sequences to predict: an archive with `x` and optionally `lengths` and `ids`, or `x` alone
 * as an .npy or IDX file. The shape of a row must be that of the run. With `targets`, the archive
 * has `y` as well, or the next files are `y` and `lengths`.
 */
export function arraySequences(
  data: DataRecord,
  layoutOf: LayoutOf,
  { targets }: NewSequencesOptions = {},
): SequenceReader {
  const { input, image, preparation } = data;
  const isFilled = preparation !== undefined;
  const staticSize = staticWidth(data);
  const statics = staticSize > 0;
  const size = input.kind === 'number' ? dataWidth(data) - staticSize : undefined;
  const ofSize = size === undefined ? 'integers [N, T] (symbols)' : `numbers [N, T, ${size}]`;
  const fits = (x: FileArray): RowLayout => {
    const layout = layoutOf(x);
    const [, height, width] = x.shape;
    if (image ? height === image.height && width === image.width : layout.size === size) return layout;
    throw x.wrongShape(image ? `[N, ${image.height}, ${image.width}]` : ofSize, 'does not fit the model');
  };
  return {
    hasIds: image === undefined,
    hasTimes: false,
    async *read(sources) {
      const files: NamedBytes[] = [];
      for await (const source of inTurn(sources))
        files.push({ name: source.name, bytes: await allBytes(source) });
      const sequences = targets
        ? labelled(files, fits, { ...targets, isFilled, statics })
        : new ArraySequences(arraysOf(files, { targets: false, statics }), fits, isFilled);
      sequences.refuseOtherStatics(staticSize);
      const { count, layout } = sequences;
      const names = Array.from({ length: targets?.size ?? 0 }, (_, code) => String(code));
      const codes = knownTargets(names);
      const perList = Math.max(1, Math.floor(LIST_VALUES / (layout.steps * (layout.size ?? 1))));
      for (let from = 0; from < count; from += perList) {
        const length = Math.min(perList, count - from);
        yield Array.from({ length }, (_, i) => {
          const own = sequenceAt(sequences, from + i, input);
          const sequence = targets ? withTargets(own, sequences, from + i, targets, codes) : own;
          return image ? sequence : { ...sequence, id: sequences.idOf(from + i) };
        });
      }
    },
  };
}

interface NamedBytes {
  readonly name: string;
  readonly bytes: Buffer;
}

/**
 * An archive, or a file for each of x, y and lengths.
 * @param others what is read of an archive besides x
 */
function arraysOf(
  files: readonly NamedBytes[],
  others: { readonly targets: boolean; readonly statics: boolean },
): SequenceArrays & { readonly y?: FileArray | undefined } {
  const [first, ...more] = files.map(({ name, bytes }) => memoryBytes(name, bytes));
  const [{ bytes }] = files;
  if (bytes.toString('latin1', 0, 2) !== 'PK') {
    const [x, y, lengths] = (['x', 'y', 'lengths'] as const).map((name, i) => {
      const source = [first, ...more].at(i);
      return source && FileArray.open(name, { source }, isNpy(files[i].bytes) ? npyForm : idxForm);
    });
    return { x: x as FileArray, y, lengths };
  }
  const archive = new ArrayArchive(first);
  if (more.length > 0)
    throw usageError('data/several-files', 'an archive is the only input', { file: more[0].name });
  const problems = new Problems();
  const { x, ...arrays } = openArrays(
    archive,
    {
      ...{ x: 'x', lengths: 'lengths', ids: 'ids' },
      ...(others.targets && { y: 'y' }),
      ...(others.statics && { statics: 'static' }),
    },
    problems,
  );
  problems.throwIfAny();
  if (x) return { x, ...arrays };
  const expected = 'x ([N, T, F] or [N, T]), and lengths ([N]) if sequences differ in length';
  throw damagedErrors([archive.missing('x', expected)]);
}

/** The sequences of `files` with their targets. */
function labelled(
  files: readonly NamedBytes[],
  layoutOf: LayoutOf,
  {
    isFilled,
    statics,
    ...targets
  }: TargetsToRead & { readonly isFilled: boolean; readonly statics: boolean },
): Part {
  const { y, ...arrays } = arraysOf(files, { targets: true, statics });
  if (y === undefined) {
    throw damagedError('data/no-target', 'there is no array y, the targets, which an evaluation needs', {
      file: files[0].name,
      expected: 'an archive with x and y, or the files of x and y, in this order',
    });
  }
  const part = new Part({ ...arrays, y }, layoutOf, {
    isFilled,
    isSequence: targets.kind === 'sequence',
    ignored: targets.ignoredLabel ?? IGNORED,
  });
  part.refuseOtherTargets(targets);
  return part;
}

function withTargets(
  sequence: ReadSequence,
  part: ArraySequences,
  index: number,
  { size, kind }: TargetsToRead,
  { symbolOf }: TargetCodes,
): ReadSequence {
  if (isRejected(sequence) || !(part instanceof Part)) return sequence;
  const problem = part.targetProblem(index, size);
  if (problem) return { problems: [problem] };
  const targets = part.targetsAt(index);
  if (kind !== 'sequence') return { ...sequence, targets };
  const warnings: Diagnostic[] = [];
  const warn = (warning: TargetWarning) => warnings.push({ ...warning, ...sequence.place });
  const symbols = Int32Array.from(targets, symbol => symbolOf(String(symbol), warn));
  return { ...sequence, targets: symbols, ...(warnings.length > 0 && { warnings }) };
}

function sequenceAt(sequences: ArraySequences, index: number, input: SequenceInput): ReadSequence {
  const wrongLength = sequences.lengthProblem(index);
  if (wrongLength) return { problems: [wrongLength] };
  const { arrays } = sequences;
  const row = arrays.x.row(index);
  const problem = sequences.rowProblem(row, index, input.kind === 'symbol' ? input.count : undefined);
  if (problem) return { problems: [problem] };
  const length = sequences.lengthOf(index);
  const values = new Float32Array(length * sequences.size);
  sequences.write(row, index, values);
  return { length, values, place: { file: arrays.x.file } };
}
