/**
 * Converts the NumPy arrays of one split to sequences; checks shapes, lengths, labels and that
 * features are finite.
 */
import { type Diagnostic, damagedError, type UserError } from '../../util/errors.js';
import { IGNORED, type SequenceInput, type Split, type Targets } from '../dataset.js';
import type { NpyArray } from '../formats/npy.js';
import type { FileLabels, PlacedLabel } from '../labels.js';
import { packedSplit } from '../packed.js';
import { Problems } from '../problems.js';
import { MAX_CLASSES, MAX_SYMBOLS } from '../reading/limits.js';
import type { Values } from '../values.js';

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

/** Names and files of a split's arrays. */
export interface ArraySource {
  /** Suffix of the array names: '', '_validation' or '_test'. */
  readonly suffix: string;
  /** File that contains an array. @param array name without the suffix */
  fileOf(array: 'x' | 'y' | 'lengths' | 'ids'): string;
  /** Label to ignore besides -100; becomes -100. */
  readonly ignored: number;
}

/** Header of an array, without its values. */
export type ArrayForm = Pick<NpyArray, 'shape' | 'integer' | 'dtype'>;

export interface SplitArrays {
  readonly x: NpyArray;
  readonly y: NpyArray;
  readonly lengths?: NpyArray;
}

export interface NumpyShape {
  readonly count: number;
  readonly steps: number;
  /** F; undefined if steps are symbols. */
  readonly size: number | undefined;
}

/** Features of all steps, or their symbols as numbers. */
interface Features {
  readonly values: Float32Array;
  readonly input: SequenceInput;
  readonly largestSymbol?: PlacedLabel;
}

/**
 * Returns the sequences of one split. Labels of padding steps become -100; features and symbols
 * there are not checked.
 * @throws UserError (exit 5) if an array is invalid, with one diagnostic per array at its first
 *   invalid index
 */
export function sequencesOf(arrays: SplitArrays, source: ArraySource): NumpySequences {
  const { suffix, fileOf } = source;
  const shape = shapeOf(arrays.x, `x${suffix}`, fileOf('x'));
  const problems = new Problems();
  const lengths = problems.attempt(() =>
    lengthsOf(arrays.lengths, shape, `lengths${suffix}`, fileOf('lengths')),
  );
  const labels = labelSource(source);
  const targets = problems.attempt(() => targetsOf(arrays.y, shape, lengths, labels));
  const features = problems.attempt(() => featuresOf(arrays.x, shape, lengths, `x${suffix}`, fileOf('x')));
  problems.throwIfAny();
  if (!lengths || !targets || !features) throw new Error('a missing part was reported');
  const starts = Uint32Array.from({ length: shape.count }, (_, i) => i * shape.steps);
  const { size = 1, steps } = shape;
  const { values, ...input } = features;
  const packed = { features: values, inputSize: size, starts, lengths };
  return {
    count: shape.count,
    targets,
    ...input,
    steps,
    ...(targets.kind === 'class' && { labels: placed(targets.values, arrays.y, labels) }),
    split: numClasses => packedSplit({ ...packed, targets: withClasses(targets, numClasses) }, steps),
  };
}

export function labelSource({ suffix, fileOf, ignored }: ArraySource): LabelSource {
  return { name: `y${suffix}`, file: fileOf('y'), ignored };
}

/** Sets the number of classes to that of all splits. */
export function withClasses(targets: Targets, numClasses: number): Targets {
  return targets.kind === 'class' ? { ...targets, numClasses } : targets;
}

/**
 * Checks that a split matches the training split.
 * @param source of `other`
 * @throws UserError (exit 5) if `other` and `train` differ in T, F or the kind of targets
 */
export function checkSameShape(
  train: NumpySequences,
  other: NumpySequences,
  { suffix, fileOf }: ArraySource,
): void {
  const problems = new Problems();
  const compare = (array: 'x' | 'y', expected: string, got: string): void => {
    if (expected !== got) {
      const message = `array ${array}${suffix} does not fit the training array`;
      problems.add({ code: 'data/shape-mismatch', message, file: fileOf(array), expected, got });
    }
  };
  const features = ({ input, steps }: NumpySequences): string =>
    input.kind === 'number' ? `[N, ${steps}, ${input.size}]` : `[N, ${steps}] (symbols)`;
  compare('x', features(train), features(other));
  compare('y', targetWords(train.targets), targetWords(other.targets));
  problems.throwIfAny();
}

function targetWords(targets: Targets): string {
  if (targets.kind === 'value') return `${targets.size} values a ${targets.perStep ? 'step' : 'sequence'}`;
  return targets.perStep ? 'one class a step' : 'one class a sequence';
}

/**
 * Returns the shape of the sequences in `x`, numbers `[N, T, F]` or integers `[N, T]` (symbols).
 * @throws UserError (exit 5) if `x` has another shape or type, or is empty
 */
export function shapeOf(x: ArrayForm, name: string, file: string): NumpyShape {
  const isNumbers = x.shape.length === 3;
  const isSymbols = x.shape.length === 2 && x.integer;
  if (!(isNumbers || isSymbols) || x.shape.includes(0)) {
    throw wrong('data/shape-mismatch', file, name, '', {
      message:
        x.shape.length === 2 && !x.integer
          ? 'has the wrong shape or type: symbols must be integers'
          : 'has the wrong shape',
      expected: 'numbers [N, T, F] or integers [N, T] (symbols), each dimension at least 1',
      got: `${x.dtype} ${shapeWords(x)}`,
    });
  }
  const [count, steps, size] = x.shape;
  return { count, steps, size };
}

/**
 * Returns the length of each sequence, `[N]`; T for all without an array.
 * @throws UserError (exit 5) if `array` is not `[N]` integers in 1..T
 */
export function lengthsOf(
  array: NpyArray | undefined,
  shape: NumpyShape,
  name: string,
  file: string,
): Int32Array {
  const { count, steps } = shape;
  if (array === undefined) return new Int32Array(count).fill(steps);
  if (array.shape.length !== 1 || array.shape[0] !== count || !array.integer) {
    throw wrong('data/shape-mismatch', file, name, '', {
      message: 'has the wrong shape or type',
      expected: `integers [${count}]`,
      got: `${array.dtype} ${shapeWords(array)}`,
    });
  }
  const bad = array.values.findIndex((length: number) => length < 1 || length > steps);
  if (bad >= 0) {
    throw wrong('data/length-range', file, name, `[${bad}]`, {
      message: `is out of range${array.values[bad] === 0 ? ': a sequence needs at least one step' : ''}`,
      expected: `1 to ${steps}`,
      got: array.exactly(bad),
    });
  }
  return Int32Array.from(array.values);
}

/**
 * Returns the targets: integers `[N]` or `[N, T]` are classes, floats `[N, C]` or `[N, T, C]`
 * values.
 * @throws UserError (exit 5) if the shape does not fit the sequences or a target is invalid
 */
export function targetsOf(
  y: NpyArray,
  shape: NumpyShape,
  lengths: Int32Array | undefined,
  from: LabelSource,
): Targets {
  const { name, file } = from;
  const { count, steps } = shape;
  const [rows, width] = y.shape;
  const perSequence = y.shape.length === 1;
  const fits = rows === count && (y.shape.length === 2 ? width > 0 : perSequence);
  if (fits && !y.integer && !perSequence) {
    return { kind: 'value', size: width, values: finite(y, [width], name, file) };
  }
  if (rows === count && y.shape.length === 3 && width === steps && y.shape[2] > 0 && !y.integer) {
    const size = y.shape[2];
    const isPadding = (at: number): boolean =>
      lengths !== undefined && Math.floor(at / size) % steps >= lengths[Math.floor(at / (size * steps))];
    return { kind: 'value', size, values: stepValues(y, size, from, isPadding), perStep: true };
  }
  if (fits && y.integer && (perSequence || width === steps)) {
    const values = labelsOf(y, from);
    if (!perSequence && lengths !== undefined) maskPadding(values, lengths, steps);
    const numClasses = values.reduce((most, label) => Math.max(most, label + 1), 0);
    if (numClasses === 0)
      throw wrong('data/label-range', file, name, '', { message: 'contains only ignored labels' });
    return { kind: 'class', numClasses, values, perStep: !perSequence };
  }
  throw wrong('data/shape-mismatch', file, name, '', {
    message: 'has the wrong shape or type',
    expected: `integers [${count}] or [${count}, ${steps}] (classes), or floats [${count}, C] or [${count}, ${steps}, C]`,
    got: `${y.dtype} ${shapeWords(y)}`,
  });
}

/** Values per step. A step may be all NaN (no target); padding becomes NaN. */
function stepValues(
  y: NpyArray,
  size: number,
  { name, file }: LabelSource,
  isPadding: (at: number) => boolean,
): Float32Array {
  const isIgnored = (at: number): boolean => {
    const first = at - (at % size);
    for (let c = 0; c < size; c++) if (!Number.isNaN(y.values[first + c])) return false;
    return true;
  };
  const skipped = (at: number): boolean => isPadding(at) || isIgnored(at);
  return finite(y, y.shape.slice(1), name, file, skipped).map((value, at) =>
    isPadding(at) ? Number.NaN : value,
  );
}

/** Name and file of an array of labels, and the label to ignore. */
export interface LabelSource {
  readonly name: string;
  readonly file: string;
  readonly ignored: number;
}

function labelsOf(y: NpyArray, from: LabelSource): Int32Array {
  const bad = y.values.findIndex((label: number) => !isLabel(label, from.ignored));
  if (bad >= 0) throw notLabel(from, indexWords(bad, y.shape.slice(1)), y.exactly(bad));
  return Int32Array.from(y.values, (label: number) => withIgnored(label, from.ignored));
}

export function isLabel(label: number, ignored: number): boolean {
  return label === IGNORED || label === ignored || (label >= 0 && label < MAX_CLASSES);
}

/** Replaces the label to ignore with {@link IGNORED}. */
export function withIgnored(label: number, ignored: number): number {
  return label === ignored ? IGNORED : label;
}

export function notLabel({ name, file, ignored }: LabelSource, index: string, got: string): UserError {
  return wrong('data/label-range', file, name, index, {
    message: 'is not a class label',
    expected: `0 to ${MAX_CLASSES - 1}, or ${ignored} (ignored)`,
    got,
  });
}

/** Labels of `y` with their positions, for messages. */
export function placed(
  values: Values<Int32Array>,
  y: Pick<NpyArray, 'shape'>,
  { name, file, ignored }: LabelSource,
): FileLabels {
  const inner = y.shape.slice(1);
  return {
    ignored,
    values,
    at: index => ({
      name: `${name}${indexWords(index, inner)}`,
      value: String(values.subarray(index, index + 1)[0]),
      place: { file },
    }),
  };
}

function maskPadding(values: Int32Array, lengths: Int32Array, steps: number): void {
  lengths.forEach((length, i) => {
    values.fill(IGNORED, i * steps + length, (i + 1) * steps);
  });
}

function featuresOf(
  x: NpyArray,
  shape: NumpyShape,
  lengths: Int32Array | undefined,
  name: string,
  file: string,
): Features {
  const { steps, size } = shape;
  const isPadding = (step: number): boolean =>
    lengths !== undefined && step % steps >= lengths[Math.floor(step / steps)];
  if (size === undefined) return symbolsOf(x, steps, name, file, isPadding);
  const values = finite(x, [steps, size], name, file, i => isPadding(Math.floor(i / size)));
  return { values, input: { kind: 'number', size } };
}

/** Sets symbols of padding to 0. */
function symbolsOf(
  x: NpyArray,
  steps: number,
  name: string,
  file: string,
  isPadding: (step: number) => boolean,
): Features {
  const symbols = Float64Array.from(x.values, (symbol, i) => (isPadding(i) ? 0 : symbol));
  const bad = symbols.findIndex(symbol => !isSymbol(symbol));
  if (bad >= 0) throw notSymbol(file, name, indexWords(bad, [steps]), x.exactly(bad));
  const largest = symbols.reduce((best, symbol, i) => (symbol > symbols[best] ? i : best), 0);
  return {
    values: Float32Array.from(symbols),
    input: { kind: 'symbol', count: symbols[largest] + 1 },
    largestSymbol: {
      name: `${name}${indexWords(largest, [steps])}`,
      value: String(symbols[largest]),
      place: { file },
    },
  };
}

/**
 * Values as float32; all except the `skipped` ones must be finite.
 * @param inner dimensions after the first
 */
function finite(
  array: NpyArray,
  inner: readonly number[],
  name: string,
  file: string,
  skipped: (index: number) => boolean = () => false,
): Float32Array {
  const values = array.values instanceof Float32Array ? array.values : Float32Array.from(array.values);
  const bad = values.findIndex((value, i) => !Number.isFinite(value) && !skipped(i));
  if (bad >= 0) throw notFinite(file, name, indexWords(bad, inner), array.exactly(bad));
  return values;
}

export function isSymbol(symbol: number): boolean {
  return symbol >= 0 && symbol < MAX_SYMBOLS;
}

export function notSymbol(file: string, name: string, index: string, got: string): UserError {
  return wrong('data/symbol-range', file, name, index, {
    message: 'is not a symbol',
    expected: `0 to ${MAX_SYMBOLS - 1}`,
    got,
  });
}

export function notFinite(file: string, name: string, index: string, got: string): UserError {
  return wrong('data/not-finite', file, name, index, { message: 'is not a finite float32 number', got });
}

/**
 * Returns the error (exit 5) for array `name`, or for its value at `index` (such as `[3, 0]`) if
 * not empty.
 */
export function wrong(
  code: string,
  file: string,
  name: string,
  index: string,
  { message, ...rest }: Omit<Diagnostic, 'code'>,
): UserError {
  return damagedError({
    code,
    message: `${index === '' ? 'array ' : ''}${name}${index} ${message}`,
    file,
    ...rest,
  });
}

export function shapeWords(array: Pick<ArrayForm, 'shape'>): string {
  return `[${array.shape.join(', ')}]`;
}

/**
 * Formats a flat index as an index over all dimensions, such as `[3, 0]`.
 * @param inner dimensions after the first
 */
export function indexWords(flat: number, inner: readonly number[]): string {
  const index: number[] = [];
  let rest = flat;
  for (const size of inner.toReversed()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${[rest, ...index].join(', ')}]`;
}
