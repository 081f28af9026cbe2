/**
 * NumPy arrays that stay on disk: checks them while the file is read once, and reads their rows.
 */
import { damagedError } from '../../util/errors.js';
import type { SequenceInput, Split } from '../dataset.js';
import { type NpyArray, parseNpy, parseNpyTexts, type StoredLayout, storedLayout } from '../formats/npy.js';
import type { PlacedLabel } from '../labels.js';
import { Problems } from '../problems.js';
import type { RangedFile } from '../reading/ranged-file.js';
import { type NumberArray, type RowCheck, rowBytes } from '../reading/row-feed.js';
import { type SequenceStore, storedSplit } from '../stored-split.js';
import {
  type ArraySource,
  indexWords,
  isLabel,
  isSymbol,
  labelSource,
  lengthsOf,
  type NumpySequences,
  type NumpyShape,
  notFinite,
  notLabel,
  notSymbol,
  placed,
  shapeOf,
  targetsOf,
  withClasses,
  withIgnored,
} from './arrays.js';

/** An array in a file. */
export interface StoredArray extends StoredLayout {
  /** Name for messages. */
  readonly name: string;
  readonly file: RangedFile;
  /** Offset of its header in the file. */
  readonly start: number;
  /** Size including the header. */
  readonly bytes: number;
}

/** Bytes to read first; enough for most headers. */
const HEAD_BYTES = 4096;
/** Maximum size of an array that is read into memory as a whole, such as labels of sequences. */
const MAX_WHOLE_BYTES = 2 ** 30;

/**
 * Opens the array at offset `start`, with `bytes` bytes including its header.
 * @throws UserError (exit 5) if its header is damaged
 */
export function storedArray(file: RangedFile, start: number, bytes: number, name: string): StoredArray {
  const head = headerOf(file, start, bytes);
  const layout = storedLayout(head, bytes, file.name, name);
  return { ...layout, name, file: file.twin(), start, bytes };
}

/** @throws UserError (exit 5) if the rows of an array are not contiguous */
function checkOrder({ fortranOrder, shape, name, file }: StoredArray): void {
  if (!fortranOrder || shape.length < 2) return;
  throw damagedError({
    code: 'data/npy-order',
    message: `array ${name} is in Fortran order, which cannot be read sequence by sequence`,
    file: file.name,
    expected: 'an array in C order (numpy.ascontiguousarray), or a larger `dataset.memory`',
  });
}

/** Reads at least the whole header; its first bytes contain its length. */
function headerOf(file: RangedFile, start: number, bytes: number): Buffer {
  const read = (length: number) =>
    file.readNow({ from: start, to: start + Math.min(bytes, length, file.size - start) });
  const head = read(HEAD_BYTES);
  const length = head.length < 12 ? 0 : head[6] === 1 ? 10 + head.readUInt16LE(8) : 12 + head.readUInt32LE(8);
  return length > head.length ? read(length) : head;
}

/**
 * Reads a small array as a whole.
 * @throws UserError (exit 5) if it is too large or damaged
 */
export function wholeArray(array: StoredArray): NpyArray {
  return parseNpy(wholeBytes(array), array.file.name, array.name);
}

/** @throws UserError (exit 5) if the array does not consist of texts or integers */
export function wholeTexts(file: RangedFile, start: number, bytes: number, name: string): readonly string[] {
  return parseNpyTexts(wholeBytes({ file, start, bytes, name }), file.name, name);
}

function wholeBytes({
  file,
  start,
  bytes,
  name,
}: Pick<StoredArray, 'file' | 'start' | 'bytes' | 'name'>): Uint8Array {
  if (bytes > MAX_WHOLE_BYTES) {
    const message = `array ${name} is too large to be read into memory`;
    throw damagedError({
      code: 'data/too-large',
      message,
      file: file.name,
      expected: `at most ${MAX_WHOLE_BYTES} bytes`,
      got: `${bytes} bytes`,
    });
  }
  return Uint8Array.from(file.readNow({ from: start, to: start + bytes }));
}

/** Sequences whose arrays are open; complete once all rows have been checked. */
export interface PendingSequences {
  readonly checks: readonly (RowCheck & { readonly array: StoredArray })[];
  /**
   * @throws UserError (exit 5) if an array is invalid, with one diagnostic per array at its first
   *   invalid index
   */
  finish(): NumpySequences;
}

/** The arrays of one split. */
export interface StoredArrays {
  readonly x: StoredArray;
  readonly y: StoredArray;
  readonly lengths?: StoredArray | undefined;
}

/**
 * Opens the arrays of a split. Features and classes per step stay on disk; other targets are read
 * into memory.
 * @throws UserError (exit 5) if shapes do not match, or targets or lengths are invalid
 */
export function pendingSequences({ x, y, lengths }: StoredArrays, source: ArraySource): PendingSequences {
  const { suffix, fileOf } = source;
  const shape = shapeOf(x, `x${suffix}`, fileOf('x'));
  const problems = new Problems();
  problems.attempt(() => checkOrder(x));
  const own =
    lengths &&
    problems.attempt(() => lengthsOf(wholeArray(lengths), shape, `lengths${suffix}`, fileOf('lengths')));
  const labels = labelSource(source);
  const isStored =
    y.integer && y.shape.length === 2 && y.shape[0] === shape.count && y.shape[1] === shape.steps;
  if (isStored) problems.attempt(() => checkOrder(y));
  const targets = isStored ? undefined : problems.attempt(() => targetsOf(wholeArray(y), shape, own, labels));
  problems.throwIfAny();
  const lengthOf = (index: number): number => own?.[index] ?? shape.steps;
  const features = new FeatureCheck(x, shape, lengthOf, source, problems);
  const classes = isStored ? new ClassCheck(y, lengthOf, source, problems) : undefined;
  return {
    checks: [features, ...(classes ? [classes] : [])],
    finish() {
      problems.throwIfAny();
      const { count, steps, size = 1 } = shape;
      const varies = own?.some(length => length < steps);
      const store: SequenceStore = {
        count,
        steps,
        inputSize: size,
        lengths: varies ? own : undefined,
        places: index => [placeOfRow(x, index), ...(classes ? [placeOfRow(y, index)] : [])],
        decode(index, [row, labelRow], out, outClasses) {
          out.set(x.decode(row).subarray(0, lengthOf(index) * size));
          if (!outClasses) return;
          const values = y.decode(labelRow);
          for (let step = 0; step < lengthOf(index); step++)
            outClasses[step] = withIgnored(values[step], source.ignored);
        },
      };
      const split = (numClasses: number): Split =>
        storedSplit(store, targets ? withClasses(targets, numClasses) : { numClasses });
      const numClasses = classes?.classes() ?? 0;
      const found = targets ?? split(numClasses).targets;
      return {
        count,
        steps,
        targets: found,
        ...features.facts(),
        ...(found.kind === 'class' && { labels: placed(found.values, y, labels) }),
        split,
      };
    },
  };
}

function placeOfRow(array: StoredArray, index: number) {
  const from = array.start + array.dataOffset + index * rowBytes(array);
  return { file: array.file, from, to: from + rowBytes(array) };
}

/** Checks that numbers are finite and symbols in range, except in padding. */
class FeatureCheck implements RowCheck {
  private largest = -1;
  private largestAt = 0;

  constructor(
    readonly array: StoredArray,
    private readonly shape: NumpyShape,
    private readonly lengthOf: (index: number) => number,
    private readonly source: ArraySource,
    private readonly problems: Problems,
  ) {}

  row(values: NumberArray, bytes: Uint8Array, index: number): boolean {
    const { steps, size } = this.shape;
    const count = this.lengthOf(index) * (size ?? 1);
    for (let i = 0; i < count; i++) {
      const value = values[i];
      if (size === undefined ? isSymbol(value) : Number.isFinite(Math.fround(value))) {
        if (size === undefined && value > this.largest) {
          this.largest = value;
          this.largestAt = index * steps + i;
        }
        continue;
      }
      const inner = size === undefined ? [steps] : [steps, size];
      const place = indexWords(index * values.length + i, inner);
      const complaint = size === undefined ? notSymbol : notFinite;
      const error = complaint(
        this.source.fileOf('x'),
        `x${this.source.suffix}`,
        place,
        this.array.exactly(bytes, i),
      );
      this.problems.add(...error.diagnostics);
      return false;
    }
    return true;
  }

  facts(): { readonly input: SequenceInput; readonly largestSymbol?: PlacedLabel } {
    const { shape, source, largest, largestAt } = this;
    if (shape.size !== undefined) return { input: { kind: 'number', size: shape.size } };
    return {
      input: { kind: 'symbol', count: largest + 1 },
      largestSymbol: {
        name: `x${source.suffix}${indexWords(largestAt, [shape.steps])}`,
        value: String(largest),
        place: { file: source.fileOf('x') },
      },
    };
  }
}

class ClassCheck implements RowCheck {
  private largest = -1;

  constructor(
    readonly array: StoredArray,
    private readonly lengthOf: (index: number) => number,
    private readonly source: ArraySource,
    private readonly problems: Problems,
  ) {}

  row(values: NumberArray, bytes: Uint8Array, index: number): boolean {
    const { ignored } = this.source;
    const bad = values.findIndex((label: number) => !isLabel(label, ignored));
    if (bad >= 0) {
      const place = indexWords(index * values.length + bad, [values.length]);
      const error = notLabel(labelSource(this.source), place, this.array.exactly(bytes, bad));
      this.problems.add(...error.diagnostics);
      return false;
    }
    for (let step = 0; step < this.lengthOf(index); step++) {
      const label = withIgnored(values[step], ignored);
      if (label > this.largest) this.largest = label;
    }
    return true;
  }

  /** @throws UserError (exit 5) if all labels are ignored */
  classes(): number {
    if (this.largest >= 0) return this.largest + 1;
    const { name, file } = labelSource(this.source);
    throw damagedError({ code: 'data/label-range', message: `array ${name} has ignored labels only`, file });
  }
}
