/**
 * Stores of sequences, in memory or on disk, and the splits that read them. In memory, sequences
 * are ranges of consecutive float32 rows: padding is not stored, so that one long sequence among
 * many short ones costs no memory. On disk, each consists of byte ranges of files, which are read
 * on access. Selecting sequences copies no features.
 */

import type { ByteRange, Bytes, RangedFile } from '../reading/ranged-file.js';
import type { SequenceFacts, Split } from './dataset.js';
import { type ClassValues, IGNORED, type Targets } from './targets.js';

export interface Packed {
  /** `[rows, F]`. */
  readonly features: Float32Array;
  /** F; 1 if steps are symbols. */
  readonly inputSize: number;
  readonly starts: Uint32Array;
  readonly lengths: Int32Array;
  readonly targets: Targets;
  /**
   * Returns `features`, `[length, F]` of sequence `index`, changed at random by the key `draw` of
   * {@link Split.read}. Absent: they never change.
   */
  readonly augment?: ((features: Float32Array, index: number, draw: number) => Float32Array) | undefined;
}

/** Start of each of some sequences that follow one another. */
export function startsOf(lengths: ArrayLike<number>): Uint32Array {
  const starts = new Uint32Array(lengths.length);
  for (let i = 1; i < starts.length; i++) starts[i] = starts[i - 1] + lengths[i - 1];
  return starts;
}

/** Packs sequences of `lengths`. @param write writes a sequence into its `[length, F]` */
export function packed(
  lengths: Int32Array,
  inputSize: number,
  write: (index: number, features: Float32Array) => void,
): Omit<Packed, 'targets'> {
  const starts = startsOf(lengths);
  const features = new Float32Array(inputSize * lengths.reduce((sum, length) => sum + length, 0));
  for (const [i, start] of starts.entries())
    write(i, features.subarray(start * inputSize, (start + lengths[i]) * inputSize));
  return { features, inputSize, starts, lengths };
}

/** Returns `packed` as a split, padded with zeros to `steps` (T). */
export function packedSplit(packed: Packed, steps: number): Split {
  const { features, inputSize, starts, lengths, targets, augment } = packed;
  const read: Split['read'] = (index, out, offset, stepStride, draw) => {
    const from = starts[index] * inputSize;
    const given = features.subarray(from, from + lengths[index] * inputSize);
    const row = augment && draw !== undefined ? augment(given, index, draw) : given;
    writeSteps(row, { inputSize, steps }, out, { offset, stepStride });
  };
  const base = { count: starts.length, targets, read };
  return lengths.every(length => length === steps) ? base : { ...base, lengths };
}

/**
 * Writes the steps of a sequence as `Split.read` does.
 * @param row `[length, F]`
 */
function writeSteps(
  row: Float32Array,
  { inputSize, steps }: { readonly inputSize: number; readonly steps: number },
  out: Float32Array,
  { offset, stepStride }: { readonly offset: number; readonly stepStride: number },
): void {
  if (stepStride === inputSize) {
    out.set(row, offset);
    out.fill(0, offset + row.length, offset + steps * inputSize);
    return;
  }
  let to = offset;
  for (let from = 0; from < row.length; to += stepStride) {
    for (let f = 0; f < inputSize; f++) out[to + f] = row[from++];
  }
  for (const end = offset + steps * stepStride; to < end; to += stepStride) out.fill(0, to, to + inputSize);
}

/** Selects the targets of the sequences `indices`; `steps` is T. Targets on disk stay there. */
function selectTargets(targets: Targets, indices: Uint32Array, steps: number): Targets {
  if (targets.kind === 'value') {
    const predictions = targets.perStep ? steps : 1;
    const width = targets.size * predictions;
    const values = copyRows(targets.values, new Float32Array(indices.length * width), indices, width);
    const { given, scaling } = targets;
    const placeOf = (at: number) => indices[Math.floor(at / predictions)] * predictions + (at % predictions);
    const ofSequence = typeof scaling === 'function' && ((at: number) => scaling(placeOf(at)));
    return {
      ...{ ...targets, values },
      ...(ofSequence && { scaling: ofSequence }),
      ...(given && { given: at => given(placeOf(at)) }),
    };
  }
  if (targets.kind === 'sequence') {
    const { size, values } = targets;
    return { ...targets, values: copyRows(values, new Int32Array(indices.length * size), indices, size) };
  }
  const width = targets.perStep ? steps : 1;
  const values =
    targets.values instanceof Int32Array
      ? copyRows(targets.values, new Int32Array(indices.length * width), indices, width)
      : new StepClasses(indices.length, width, index =>
          targets.values.subarray(indices[index] * width, (indices[index] + 1) * width),
        );
  return { ...targets, values };
}

function copyRows<T extends Float32Array | Int32Array>(from: T, to: T, rows: Uint32Array, width: number): T {
  rows.forEach((row, i) => {
    for (let j = 0; j < width; j++) to[i * width + j] = from[row * width + j];
  });
  return to;
}

/** Returns `split` with what `change` returns, as are the splits that it loads. */
export function changedSplit(split: Split, change: (split: Split) => Partial<Split>): Split {
  const { load } = split;
  return {
    ...split,
    ...change(split),
    ...(load && { load: async indices => changedSplit(await load(indices), change) }),
  };
}

/** What there is for each split; absent for validation if the config asks for none. */
interface OfSplits<T> {
  readonly train: T;
  readonly validation?: T | undefined;
  readonly test: T;
}

export function mapSplits<T, U>({ train, validation, test }: OfSplits<T>, map: (of: T) => U) {
  return { train: map(train), ...(validation && { validation: map(validation) }), test: map(test) };
}

/** A byte range of a file, or of its content in memory. */
export interface Place extends ByteRange {
  readonly file: Bytes;
}

export interface SequenceStore {
  readonly count: number;
  readonly steps: number;
  readonly inputSize: number;
  /** `[N]`; absent if every sequence has T steps. */
  readonly lengths?: Int32Array | undefined;
  /** True if its files are in memory, else all are {@link RangedFile}s. */
  readonly isInMemory?: boolean;
  places(index: number): readonly Place[];
  readonly augment?: Packed['augment'];
  /**
   * Writes a sequence into `features` (`[length, F]`) and, if there is one class per step, its
   * classes into `classes` (`[T]`, filled with IGNORED by the caller).
   * @param parts the bytes of its byte ranges
   */
  decode(
    index: number,
    parts: readonly Buffer[],
    features: Float32Array,
    classes: Int32Array | undefined,
  ): void;
}

/**
 * @param targets targets of all sequences, in memory; or the number of classes, if the store
 *   decodes one class per step
 */
export function storedSplit(store: SequenceStore, targets: Targets | { readonly numClasses: number }): Split {
  const { count, steps, inputSize, lengths, augment } = store;
  const lengthOf = (index: number): number => lengths?.[index] ?? steps;
  const inMemory = 'kind' in targets ? targets : undefined;
  const stepClasses = (values: ClassValues): Targets => ({
    kind: 'class',
    numClasses: 'numClasses' in targets ? targets.numClasses : 0,
    values,
    perStep: true,
  });
  // keeps the sequence read last, since its targets are read after its features
  let current = -1;
  const features = new Float32Array(steps * inputSize);
  const classes = new Int32Array(inMemory ? 0 : steps);
  const readNow = (index: number): void => {
    if (index === current) return;
    current = -1;
    const parts = store.places(index).map(({ file, ...bytes }) => file.readNow(bytes));
    const own = features.subarray(0, lengthOf(index) * inputSize);
    store.decode(index, parts, own, inMemory ? undefined : classes.fill(IGNORED));
    current = index;
  };
  const onDisk = new StepClasses(count, steps, index => {
    readNow(index);
    return classes;
  });
  const split: Split = {
    count,
    targets: inMemory ?? stepClasses(onDisk),
    ...(lengths && { lengths }),
    read(index, out, offset, stepStride, draw) {
      readNow(index);
      const given = features.subarray(0, lengthOf(index) * inputSize);
      const row = augment && draw !== undefined ? augment(given, index, draw) : given;
      writeSteps(row, { inputSize, steps }, out, { offset, stepStride });
    },
  };
  if (store.isInMemory) return split;
  return {
    ...split,
    async load(indices) {
      const parts = await loadParts(store, indices);
      const own = Int32Array.from(indices, lengthOf);
      const values = inMemory ? undefined : new Int32Array(indices.length * steps).fill(IGNORED);
      const sequences = packed(own, inputSize, (i, features) =>
        store.decode(indices[i], parts[i], features, values?.subarray(i * steps, (i + 1) * steps)),
      );
      const targets = values ? stepClasses(values) : selectTargets(inMemory as Targets, indices, steps);
      const changed: Packed['augment'] = augment && ((given, i, draw) => augment(given, indices[i], draw));
      const part = packedSplit({ ...sequences, targets, augment: changed }, steps);
      // variable length is a property of the whole split
      return lengths ? { ...part, lengths: own } : part;
    },
  };
}

async function loadParts(store: SequenceStore, indices: Uint32Array): Promise<Buffer[][]> {
  const sequences = Array.from(indices, index => store.places(index));
  const byFile = new Map<Bytes, Place[]>();
  for (const place of sequences.flat()) {
    const found = byFile.get(place.file);
    if (found) found.push(place);
    else byFile.set(place.file, [place]);
  }
  const bytes = new Map<Place, Buffer>();
  const load = async ([file, places]: readonly [Bytes, readonly Place[]]): Promise<void> => {
    const parts = await (file as RangedFile).read(places);
    for (const [i, place] of places.entries()) bytes.set(place, parts[i]);
  };
  await Promise.all([...byFile].map(load));
  return sequences.map(places => places.map(place => bytes.get(place) as Buffer));
}

/**
 * Returns the sequences `indices` of `split`, in that order.
 * @param steps T, the row width of targets per step
 */
export function subset(split: Split, indices: Uint32Array, steps: number): Split {
  const { lengths: all, load } = split;
  const lengths = all && Int32Array.from(indices, i => all[i]);
  return {
    count: indices.length,
    targets: selectTargets(split.targets, indices, steps),
    ...(lengths?.some(length => length < steps) && { lengths }),
    read: (index, out, offset, stepStride, draw) => split.read(indices[index], out, offset, stepStride, draw),
    ...(load && { load: chosen => load(chosen.map(index => indices[index])) }),
    ...factsOf(split, indices),
  };
}

/** What is known of the sequences `indices`, in that order. */
export function factsOf(facts: SequenceFacts, indices: Uint32Array): SequenceFacts {
  const { id, idIsPlace, symbols, valueIn, startOf, errorScale, image, recording } = facts;
  return {
    ...(id && { id: index => id(indices[index]) }),
    ...(idIsPlace && { idIsPlace }),
    ...(symbols && { symbols: index => symbols(indices[index]) }),
    ...(valueIn && { valueIn: (column, index) => valueIn(column, indices[index]) }),
    ...(startOf && { startOf: index => startOf(indices[index]) }),
    ...(errorScale && { errorScale: index => errorScale(indices[index]) }),
    ...(image && { image: index => image(indices[index]) }),
    ...(recording && { recording: index => recording(indices[index]) }),
  };
}

/** Approximate number of values per chunk. */
const CHUNK = 2 ** 16;

/**
 * Calls `visit` for all of `values` in order, in chunks of whole rows; a typed array is one chunk.
 * @param width numbers per row
 * @param visit receives a chunk and the index of its first number; returns false to stop
 */
export function eachChunk(
  values: ClassValues,
  width: number,
  // biome-ignore lint/suspicious/noConfusingVoidType: most visitors see all pieces
  visit: (values: Int32Array, from: number) => boolean | void,
): void {
  const size = values instanceof Int32Array ? values.length : Math.max(1, Math.floor(CHUNK / width)) * width;
  for (let from = 0; from < values.length; from += size) {
    if (visit(values.subarray(from, Math.min(values.length, from + size)), from) === false) return;
  }
}

/** One class per step, in rows that are read one at a time. */
class StepClasses implements ClassValues {
  /**
   * @param width steps per row
   * @param row returns row `index`, valid until the next call
   */
  constructor(
    private readonly count: number,
    private readonly width: number,
    private readonly row: (index: number) => Int32Array,
  ) {}

  get length(): number {
    return this.count * this.width;
  }

  subarray(from: number, to: number): Int32Array {
    const { width } = this;
    const first = Math.floor(from / width);
    if (to <= (first + 1) * width) return this.row(first).subarray(from - first * width, to - first * width);
    const out = new Int32Array(to - from);
    for (let at = from; at < to; ) {
      const index = Math.floor(at / width);
      const end = Math.min(to, (index + 1) * width);
      out.set(this.row(index).subarray(at - index * width, end - index * width), at - from);
      at = end;
    }
    return out;
  }

  *[Symbol.iterator](): Generator<number, void> {
    for (let index = 0; index < this.count; index++) yield* this.row(index);
  }
}

type TypedArray = Float32Array | Float64Array | Uint32Array;

/** Growing list of numbers of one type; an array of numbers takes eight bytes or more for each. */
export class GrowingList<T extends TypedArray> {
  private values: T;
  private length = 0;

  /** @param capacity number of values that fit before the first reallocation */
  constructor(
    readonly make: (length: number) => T,
    capacity = 1024,
  ) {
    this.values = make(capacity);
  }

  push(value: number): void {
    if (this.length === this.values.length) this.grow(this.length + 1);
    this.values[this.length++] = value;
  }

  append(values: T): void {
    const length = this.length + values.length;
    if (length > this.values.length) this.grow(length);
    this.values.set(values, this.length);
    this.length = length;
  }

  at(index: number): number {
    return this.values[index];
  }

  set(index: number, value: number): void {
    this.values[index] = value;
  }

  /** Keeps only the first `length` values, without freeing memory. */
  truncate(length: number): void {
    this.length = length;
  }

  get size(): number {
    return this.length;
  }

  toArray(): T {
    return this.values.slice(0, this.length) as T;
  }

  /** Valid until the next change. */
  subarray(from: number, to: number): T {
    return this.values.subarray(from, to) as T;
  }

  copyTo(out: T): void {
    out.set(this.values.subarray(0, this.length));
  }

  private grow(length: number): void {
    const larger = this.make(Math.max(length, 2 * this.values.length));
    larger.set(this.values);
    this.values = larger;
  }
}

export class FloatList extends GrowingList<Float32Array> {
  constructor(capacity?: number) {
    super(length => new Float32Array(length), capacity);
  }
}

/** Numbers distinct texts in the order of their first appearance. */
export class TextCodes {
  readonly texts: string[] = [];
  private readonly codes = new Map<string, number>();

  get size(): number {
    return this.texts.length;
  }

  code(text: string): number {
    const known = this.codes.get(text);
    if (known !== undefined) return known;
    this.codes.set(text, this.texts.length);
    return this.texts.push(text) - 1;
  }
}
