/**
 * The NumPy arrays of one split as sequences: checks shapes, lengths, labels and that features are
 * finite, row by row, whether the values are in memory or on disk.
 */
import { type Diagnostic, damagedError, type UserError } from '../util/errors.js';
import { IGNORED, type SequenceInput, type Split, type Targets } from './core/dataset.js';
import type { FileLabels, PlacedLabel } from './core/labels.js';
import { Problems } from './core/problems.js';
import { packedSplit, type SequenceStore, storedSplit } from './core/store.js';
import {
  type NpyArray,
  parseNpy,
  parseNpyTexts,
  type StoredLayout,
  storedLayout,
} from './formats/npy-array.js';
import { MAX_CLASSES, MAX_SYMBOLS } from './reading/limits.js';
import type { RangedFile } from './reading/ranged-file.js';
import { type NumberArray, type RowCheck, rowBytes } from './reading/row-feed.js';

/** Suffix of the names of a split's arrays. */
export type Suffix = '' | '_validation' | '_test';

/** An array of a file: its header, and its values in memory or on disk. */
export interface FileArray extends Pick<NpyArray, 'shape' | 'integer' | 'dtype'> {
  /** For messages, with the suffix of its split. */
  readonly name: string;
  readonly file: string;
  /**
   * Returns its values; those on disk are read.
   * @throws UserError (exit 5) if they are too large for memory or damaged
   */
  whole(): NpyArray;
  /** Absent if its values are in memory. */
  readonly stored?: StoredArray;
}

/** An array on disk. */
interface StoredArray extends StoredLayout {
  readonly file: RangedFile;
  /** Offset of its header in the file. */
  readonly start: number;
  /** Size including the header. */
  readonly bytes: number;
}

/** The arrays of one split. */
export interface SplitArrays<Array = FileArray> {
  readonly x: Array;
  readonly y: Array;
  readonly lengths?: Array | undefined;
  /** Names of the sequences; absent: their indices. */
  readonly ids?: FileTexts | undefined;
}

/** An array of texts. */
export interface FileTexts {
  readonly name: string;
  readonly file: string;
  readonly texts: readonly string[];
}

/** How a config of arrays asks for symbols. */
export const ARRAY_SYMBOLS = {
  how: 'integers [N, T] as x',
  orNumbers: 'numbers [N, T, F] as x',
} as const;

/** The sequences of one split, in memory or on disk. */
export interface NumpySequences {
  /** N. */
  readonly count: number;
  readonly input: SequenceInput;
  /** `numClasses` of class targets covers the labels of this split only. */
  readonly targets: Targets;
  /** The largest symbol, if steps are symbols. */
  readonly largestSymbol?: PlacedLabel;
  /** Class labels as in the array, with their positions; absent for value targets. */
  readonly labels?: FileLabels;
  /** T. */
  readonly steps: number;
  /** @param numClasses number of classes over all splits, if targets are classes */
  split(numClasses: number): Split;
}

/** Sequences whose arrays are open; complete once all rows have been checked. */
export interface PendingSequences {
  /** Checks of the rows on disk, to run while their files are read. */
  readonly checks: readonly (RowCheck & { readonly array: StoredArray })[];
  /**
   * @throws UserError (exit 5) if an array is invalid, with one diagnostic per array at its first
   *   invalid index
   */
  finish(): NumpySequences;
}

interface NumpyShape {
  readonly count: number;
  readonly steps: number;
  /** F; undefined if steps are symbols. */
  readonly size: number | undefined;
}

/** @throws UserError (exit 5) if the array is damaged or unsupported */
export function arrayInMemory(bytes: Uint8Array, file: string, name: string): FileArray {
  const array = parseNpy(bytes, file, name);
  return { ...array, name, file, whole: () => array };
}

/**
 * Opens the array at offset `start`, with `bytes` bytes including its header.
 * @throws UserError (exit 5) if its header is damaged
 */
export function arrayOnDisk(file: RangedFile, start: number, bytes: number, name: string): FileArray {
  const layout = storedLayout(headerOf(file, start, bytes), bytes, file.name, name);
  return {
    ...layout,
    name,
    file: file.name,
    whole: () => parseNpy(wholeBytes(file, start, bytes, name), file.name, name),
    stored: { ...layout, file: file.twin(), start, bytes },
  };
}

/** @throws UserError (exit 5) if the array does not consist of texts or integers */
export function textsInMemory(bytes: Uint8Array, file: string, name: string): FileTexts {
  return { name, file, texts: parseNpyTexts(bytes, file, name) };
}

/** Like {@link textsInMemory}, for an array in a file. */
export function textsOnDisk(file: RangedFile, start: number, bytes: number, name: string): FileTexts {
  return textsInMemory(wholeBytes(file, start, bytes, name), file.name, name);
}

/** Bytes to read first; enough for most headers. */
const HEAD_BYTES = 4096;
/** Maximum size of an array that is read into memory as a whole, such as labels of sequences. */
const MAX_WHOLE_BYTES = 2 ** 30;

/** Reads at least the whole header; its first bytes contain its length. */
function headerOf(file: RangedFile, start: number, bytes: number): Buffer {
  const read = (length: number) =>
    file.readNow({ from: start, to: start + Math.min(bytes, length, file.size - start) });
  const head = read(HEAD_BYTES);
  const length = head.length < 12 ? 0 : head[6] === 1 ? 10 + head.readUInt16LE(8) : 12 + head.readUInt32LE(8);
  return length > head.length ? read(length) : head;
}

function wholeBytes(file: RangedFile, start: number, bytes: number, name: string): Uint8Array {
  if (bytes <= MAX_WHOLE_BYTES) return Uint8Array.from(file.readNow({ from: start, to: start + bytes }));
  throw damagedError({
    code: 'data/too-large',
    message: `array ${name} is too large to be read into memory`,
    file: file.name,
    expected: `at most ${MAX_WHOLE_BYTES} bytes`,
    got: `${bytes} bytes`,
  });
}

/** @throws UserError (exit 5) if the rows of an array on disk are not contiguous */
function checkOrder({ name, file, stored }: FileArray): void {
  if (!stored?.fortranOrder || stored.shape.length < 2) return;
  throw damagedError({
    code: 'data/npy-order',
    message: `array ${name} is in Fortran order, which cannot be read sequence by sequence`,
    file,
    expected: 'an array in C order (numpy.ascontiguousarray), or a larger `dataset.memory`',
  });
}

/**
 * Opens the sequences of one split. Features and classes per step of arrays on disk stay there;
 * other targets are read into memory. Labels of padding steps become -100; features and symbols
 * there are not checked.
 * @param ignored label to ignore besides -100; becomes -100
 * @throws UserError (exit 5) if shapes do not match, or targets or lengths are invalid
 */
export function pendingSequences({ x, y, lengths, ids }: SplitArrays, ignored: number): PendingSequences {
  const shape = shapeOf(x);
  const { count, steps } = shape;
  const problems = new Problems();
  problems.attempt(() => checkOrder(x));
  problems.attempt(() => checkIds(ids, x));
  const own = lengths && problems.attempt(() => lengthsOf(lengths, shape));
  const lengthOf = (index: number): number => own?.[index] ?? steps;
  const isPadding = (step: number): boolean => step % steps >= lengthOf(Math.floor(step / steps));
  const isStepClasses = y.integer && y.shape.length === 2 && y.shape[0] === count && y.shape[1] === steps;
  if (isStepClasses) problems.attempt(() => checkOrder(y));
  const targets = isStepClasses
    ? undefined
    : problems.attempt(() => targetsOf(y, shape, { ignored, isPadding }));
  // without reading all of a large file first
  if (x.stored) problems.throwIfAny();
  const features = featureCheck(x, shape, lengthOf);
  const classes = isStepClasses ? classCheck(y, lengthOf, ignored) : undefined;
  const checks = [
    ...checksOf(x, features.row, problems),
    ...(classes ? checksOf(y, classes.row, problems) : []),
  ];
  return {
    checks,
    finish() {
      problems.throwIfAny();
      const numClasses = classes?.classes() ?? 0;
      const known = targets ?? (x.stored ? undefined : stepClasses(y, { numClasses, ignored, isPadding }));
      const build = x.stored
        ? storedSplits({ x: x.stored, y: classes && y.stored }, shape, own, ignored)
        : packedSplits(x.whole().values, shape, own);
      const split = (total: number): Split =>
        build(known?.kind === 'value' ? known : { ...known, numClasses: total });
      const found = split(known?.kind === 'class' ? known.numClasses : numClasses).targets;
      return {
        count,
        steps,
        targets: found,
        ...features.facts(),
        ...(found.kind === 'class' && { labels: placed(found.values, y, ignored) }),
        split,
      };
    },
  };
}

/** Targets of a split, or the number of classes if these are per step and on disk. */
type KnownTargets = Targets | { readonly numClasses: number };

function packedSplits(
  values: NumberArray,
  { count, steps, size = 1 }: NumpyShape,
  own: Int32Array | undefined,
): (targets: KnownTargets) => Split {
  const packed = {
    features: values instanceof Float32Array ? values : Float32Array.from(values),
    inputSize: size,
    starts: Uint32Array.from({ length: count }, (_, i) => i * steps),
    lengths: own ?? new Int32Array(count).fill(steps),
  };
  return targets => packedSplit({ ...packed, targets: targets as Targets }, steps);
}

/** @param y classes per step; undefined for other targets, which are in memory */
function storedSplits(
  { x, y }: { readonly x: StoredArray; readonly y: StoredArray | undefined },
  { count, steps, size = 1 }: NumpyShape,
  own: Int32Array | undefined,
  ignored: number,
): (targets: KnownTargets) => Split {
  const store: SequenceStore = {
    count,
    steps,
    inputSize: size,
    lengths: own?.some(length => length < steps) ? own : undefined,
    places: index =>
      [x, ...(y ? [y] : [])].map(array => {
        const from = array.start + array.dataOffset + index * rowBytes(array);
        return { file: array.file, from, to: from + rowBytes(array) };
      }),
    decode(index, [row, labels], out, classes) {
      const length = own?.[index] ?? steps;
      out.set(x.decode(row).subarray(0, length * size));
      if (!classes || !y) return;
      const values = y.decode(labels);
      for (let step = 0; step < length; step++) classes[step] = withIgnored(values[step], ignored);
    },
  };
  return targets => storedSplit(store, targets);
}

/** Checks a row; returns the first problem. `exactly` formats a value of it with all digits. */
type CheckedRow = (
  values: NumberArray,
  index: number,
  exactly: (i: number) => string,
) => Diagnostic | undefined;

/** Checks the rows of an array in memory; returns the check of one on disk. */
function checksOf(array: FileArray, check: CheckedRow, problems: Problems): PendingSequences['checks'] {
  const row = (...args: Parameters<CheckedRow>): boolean => {
    const problem = check(...args);
    if (problem) problems.add(problem);
    return problem === undefined;
  };
  const { stored } = array;
  if (stored) {
    return [
      { array: stored, row: (values, bytes, index) => row(values, index, i => stored.exactly(bytes, i)) },
    ];
  }
  const { shape, values, exactly } = array.whole();
  const width = values.length / shape[0];
  for (let index = 0; index < shape[0]; index++) {
    const from = index * width;
    if (!row(values.subarray(from, from + width), index, i => exactly(from + i))) break;
  }
  return [];
}

/**
 * Returns the shape of the sequences in `x`, numbers `[N, T, F]` or integers `[N, T]` (symbols).
 * @throws UserError (exit 5) if `x` has another shape or type, or is empty
 */
function shapeOf(x: FileArray): NumpyShape {
  const isNumbers = x.shape.length === 3;
  const isSymbols = x.shape.length === 2 && x.integer;
  if ((isNumbers || isSymbols) && !x.shape.includes(0)) {
    const [count, steps, size] = x.shape;
    return { count, steps, size };
  }
  throw wrongShape(
    x,
    'numbers [N, T, F] or integers [N, T] (symbols), each dimension at least 1',
    x.shape.length === 2 && !x.integer
      ? 'has the wrong shape or type: symbols must be integers'
      : 'has the wrong shape',
  );
}

/** @throws UserError (exit 5) if there is not one id per sequence of `x` */
export function checkIds(ids: FileTexts | undefined, { name, shape: [count] }: FileArray): void {
  if (ids === undefined || ids.texts.length === count) return;
  throw damagedError({
    code: 'data/shape-mismatch',
    message: `array ${ids.name} does not fit array ${name}`,
    file: ids.file,
    expected: `[${count}]`,
    got: `[${ids.texts.length}]`,
  });
}

/** @throws UserError (exit 5) if `lengths` is not `[count]` integers */
export function checkLengths(lengths: FileArray, count: number): void {
  if (lengths.shape.length !== 1 || lengths.shape[0] !== count || !lengths.integer)
    throw wrongShape(lengths, `integers [${count}]`);
}

/** Returns the problem of a length outside 1..T. */
export function lengthProblem(
  { name, file }: FileArray,
  { values, exactly }: NpyArray,
  index: number,
  steps: number,
): Diagnostic | undefined {
  const length = values[index];
  if (length >= 1 && length <= steps) return undefined;
  return {
    code: 'data/length-range',
    message: `${name}[${index}] is out of range${length === 0 ? ': a sequence needs at least one step' : ''}`,
    file,
    expected: `1 to ${steps}`,
    got: exactly(index),
  };
}

function lengthsOf(array: FileArray, { count, steps }: NumpyShape): Int32Array {
  checkLengths(array, count);
  const lengths = array.whole();
  for (let i = 0; i < count; i++) {
    const problem = lengthProblem(array, lengths, i, steps);
    if (problem) throw damagedError(problem);
  }
  return Int32Array.from(lengths.values);
}

interface StepOptions {
  readonly ignored: number;
  /** @param step counts over all sequences */
  isPadding(step: number): boolean;
}

/**
 * Returns targets that are not classes per step: integers `[N]` are classes, floats `[N, C]` or
 * `[N, T, C]` values. A step may be all NaN (no target); padding becomes NaN.
 * @throws UserError (exit 5) if the shape does not fit the sequences or a target is invalid
 */
function targetsOf(y: FileArray, { count, steps }: NumpyShape, { ignored, isPadding }: StepOptions): Targets {
  const [rows, second, third] = y.shape;
  const rank = y.shape.length;
  if (rows === count && rank === 1 && y.integer) {
    const { values, exactly } = y.whole();
    const bad = values.findIndex((label: number) => !isLabel(label, ignored));
    if (bad >= 0) throw damagedError(notLabel(y, `[${bad}]`, exactly(bad), ignored));
    const labels = Int32Array.from(values, (label: number) => withIgnored(label, ignored));
    const numClasses = labels.reduce((most, label) => Math.max(most, label + 1), 0);
    if (numClasses === 0) throw onlyIgnored(y);
    return { kind: 'class', numClasses, values: labels, perStep: false };
  }
  const perStep = rank === 3 && second === steps && third > 0;
  if (rows !== count || y.integer || !(perStep || (rank === 2 && second > 0))) {
    throw wrongShape(
      y,
      `integers [${count}] or [${count}, ${steps}] (classes), or floats [${count}, C] or [${count}, ${steps}, C]`,
    );
  }
  const size = perStep ? third : second;
  const { values: given, exactly } = y.whole();
  // on disk, `whole` returns a copy
  const values = Float32Array.from(given);
  for (let at = 0; at < values.length; at += size) {
    const target = values.subarray(at, at + size);
    if (perStep && isPadding(at / size)) target.fill(Number.NaN);
    if (perStep && target.every(Number.isNaN)) continue;
    const bad = target.findIndex(value => !Number.isFinite(value));
    if (bad >= 0) throw damagedError(notFinite(y, at + bad, exactly(at + bad)));
  }
  return { kind: 'value', size, values, ...(perStep && { perStep }) };
}

/** Checks that features are finite and symbols in range, except in padding. */
function featureCheck(x: FileArray, shape: NumpyShape, lengthOf: (index: number) => number) {
  let [largest, largestAt] = [-1, 0];
  const row: CheckedRow = (values, index, exactly) => {
    const used = values.subarray(0, lengthOf(index) * (shape.size ?? 1));
    if (shape.size === undefined) {
      for (let i = 0; i < used.length; i++)
        if (used[i] > largest) [largest, largestAt] = [used[i], index * shape.steps + i];
    }
    return featureProblem(x, used, { index, exactly, symbols: MAX_SYMBOLS });
  };
  const facts = (): Pick<NumpySequences, 'input' | 'largestSymbol'> => {
    if (shape.size !== undefined) return { input: { kind: 'number', size: shape.size } };
    return {
      input: { kind: 'symbol', count: largest + 1 },
      largestSymbol: {
        name: `${x.name}${indexWords(largestAt, x)}`,
        value: String(largest),
        place: { file: x.file },
      },
    };
  };
  return { row, facts };
}

/** Returns the first problem in the features or symbols of sequence `index`. */
export function featureProblem(
  x: FileArray,
  values: NumberArray,
  {
    index,
    exactly,
    symbols,
    isOfModel = false,
  }: {
    readonly index: number;
    exactly(i: number): string;
    /** Number of symbols. */
    readonly symbols: number;
    readonly isOfModel?: boolean;
  },
): Diagnostic | undefined {
  const isSymbols = x.shape.length === 2;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (isSymbols ? value >= 0 && value < symbols : Number.isFinite(Math.fround(value))) continue;
    const at = index * x.shape.slice(1).reduce((product, size) => product * size, 1) + i;
    if (!isSymbols) return notFinite(x, at, exactly(i));
    return {
      code: 'data/symbol-range',
      message: `${x.name}${indexWords(at, x)} is not a symbol${isOfModel ? ' of the model' : ''}`,
      file: x.file,
      expected: `0 to ${symbols - 1}`,
      got: exactly(i),
    };
  }
  return undefined;
}

/** Checks classes per step. */
function classCheck(y: FileArray, lengthOf: (index: number) => number, ignored: number) {
  let largest = -1;
  const row: CheckedRow = (values, index, exactly) => {
    const bad = values.findIndex((label: number) => !isLabel(label, ignored));
    if (bad >= 0) return notLabel(y, indexWords(index * values.length + bad, y), exactly(bad), ignored);
    for (let step = 0; step < lengthOf(index); step++)
      largest = Math.max(largest, withIgnored(values[step], ignored));
    return undefined;
  };
  /** @throws UserError (exit 5) if all labels are ignored */
  const classes = (): number => {
    if (largest < 0) throw onlyIgnored(y);
    return largest + 1;
  };
  return { row, classes };
}

function isLabel(label: number, ignored: number): boolean {
  return label === IGNORED || label === ignored || (label >= 0 && label < MAX_CLASSES);
}

/** Replaces the label to ignore with {@link IGNORED}. */
function withIgnored(label: number, ignored: number): number {
  return label === ignored ? IGNORED : label;
}

/** Classes per step of an array in memory. */
function stepClasses(
  y: FileArray,
  { numClasses, ignored, isPadding }: StepOptions & { readonly numClasses: number },
): Targets {
  const values = Int32Array.from(y.whole().values, (label: number, step) =>
    isPadding(step) ? IGNORED : withIgnored(label, ignored),
  );
  return { kind: 'class', numClasses, values, perStep: true };
}

/** Labels of `y` with their positions, for messages. */
function placed(values: FileLabels['values'], y: FileArray, ignored: number): FileLabels {
  return {
    ignored,
    values,
    at: index => ({
      name: `${y.name}${indexWords(index, y)}`,
      value: String(values.subarray(index, index + 1)[0]),
      place: { file: y.file },
    }),
  };
}

function notLabel({ name, file }: FileArray, index: string, got: string, ignored: number): Diagnostic {
  const message = `${name}${index} is not a class label`;
  return {
    code: 'data/label-range',
    message,
    file,
    expected: `0 to ${MAX_CLASSES - 1}, or ${ignored} (ignored)`,
    got,
  };
}

function onlyIgnored({ name, file }: FileArray): UserError {
  return damagedError({
    code: 'data/label-range',
    message: `array ${name} contains only ignored labels`,
    file,
  });
}

function notFinite(array: FileArray, at: number, got: string): Diagnostic {
  const message = `${array.name}${indexWords(at, array)} is not a finite float32 number`;
  return { code: 'data/not-finite', message, file: array.file, got };
}

/** Returns the error (exit 5) for an array of another shape or type. */
export function wrongShape(
  { name, file, dtype, shape }: FileArray,
  expected: string,
  message = 'has the wrong shape or type',
): UserError {
  return damagedError({
    code: 'data/shape-mismatch',
    message: `array ${name} ${message}`,
    file,
    expected,
    got: `${dtype} [${shape.join(', ')}]`,
  });
}

/** Formats a flat index as an index over all dimensions of an array, such as `[3, 0]`. */
function indexWords(flat: number, { shape }: FileArray): string {
  const index: number[] = [];
  let rest = flat;
  for (const size of shape.slice(1).toReversed()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${[rest, ...index].join(', ')}]`;
}
