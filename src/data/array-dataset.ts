/** Builds a dataset from the arrays of its splits. */
import { type Diagnostic, damagedError } from '../util/errors.js';
import { ArraySequences, type LayoutOf, notFinite, type SequenceArrays } from './array-sequences.js';
import type { FileArray, RowCheck } from './arrays.js';
import { type Dataset, IGNORED, type Split, type Targets } from './core/dataset.js';
import { type FileLabels, labelFacts, type PlacedLabel } from './core/labels.js';
import { Problems } from './core/problems.js';
import { holdOut, range } from './core/selection.js';
import { type SequenceStore, storedSplit, subset } from './core/store.js';
import type { NumberArray } from './formats/npy-array.js';
import { MAX_CLASSES } from './reading/limits.js';

export interface SplitArrays extends SequenceArrays {
  readonly y: FileArray;
}

export interface ArraySplits {
  readonly train: SplitArrays;
  readonly validation?: SplitArrays | undefined;
  /** Absent: training sequences are held out. */
  readonly test?: SplitArrays | undefined;
}

interface ArrayOptions {
  readonly layoutOf: LayoutOf;
  readonly testFraction?: number | undefined;
  readonly seed: number;
  /** Label to ignore besides -100; becomes -100. */
  readonly ignored?: number | undefined;
  scan(checks: readonly RowCheck[]): Promise<void>;
}

export async function arrayDataset(
  splits: ArraySplits,
  { layoutOf, testFraction = 0, seed, ignored = IGNORED, scan }: ArrayOptions,
): Promise<Omit<Dataset, 'digests'>> {
  const problems = new Problems();
  const parts = [splits.train, splits.validation ?? [], splits.test ?? []]
    .flat()
    .flatMap(arrays => problems.attempt(() => new Part(arrays, layoutOf, ignored)) ?? []);
  problems.throwIfAny();
  const [stored, inMemory] = [true, false].map(isStored =>
    parts.flatMap(({ checks }) => checks).filter(({ array }) => array.isOnDisk === isStored),
  );
  // without reading all of a large file first
  if (stored.length > 0) for (const part of parts) problems.add(...part.problems.all);
  problems.throwIfAny();
  for (const check of inMemory) check.array.check(check);
  await scan(stored);
  for (const part of parts) problems.attempt(() => part.finish());
  problems.throwIfAny();
  const [train, ...others] = parts;
  const partOf = (of: SplitArrays | undefined) => parts.find(({ sequences }) => sequences.arrays === of);
  const [validation, test] = [partOf(splits.validation), partOf(splits.test)];
  for (const part of others) refuseOtherShape(train, part);
  const { steps, size, image } = train.sequences.layout;
  const numClasses = Math.max(...parts.map(({ largestClass }) => largestClass)) + 1;
  const split = (part: Part, chosen?: Uint32Array): Split => {
    const { sequences } = part;
    const rows = chosen ?? range(sequences.count);
    const whole = part.split(numClasses);
    return {
      ...(chosen ? subset(whole, chosen, sequences.layout.steps) : whole),
      ...(!image && { id: index => sequences.idOf(rows[index]) }),
      ...(!image && !sequences.arrays.ids && { idIsPlace: true }),
    };
  };
  const { sequences, targets } = train;
  const held = test ? undefined : holdOut(sequences.count, testFraction, seed, sequences.arrays.x.file);
  const { largest, arrays } = parts
    .map(part => part.sequences)
    .reduce((a, b) => (b.largest[0] > a.largest[0] ? b : a));
  const [labels, ...otherLabels] = parts.flatMap((part): FileLabels[] => [part.labels ?? []].flat());
  return {
    input: size === undefined ? { kind: 'symbol', count: largest[0] + 1 } : { kind: 'number', size },
    sequenceLength: steps,
    train: split(train, held?.train),
    ...(validation && { validation: split(validation) }),
    test: test ? split(test) : split(train, held?.test),
    columnNames: {
      features: i => `x[:, :, ${i}]`,
      targets: i => (targets?.perStep ? `y[:, :, ${i}]` : `y[:, ${i}]`),
    },
    ...(image && { image: { height: image.height, width: image.width } }),
    ...(labels && { labels: labelFacts(labels, ...otherLabels) }),
    ...(size === undefined && { largestSymbol: placed(arrays.x, largest[1], String(largest[0])) }),
  };
}

function placed(array: FileArray, at: number, value: string): PlacedLabel {
  return { name: array.nameOf(at), value, place: { file: array.file } };
}

/** The sequences of one split, complete once all rows have been checked. */
class Part {
  readonly sequences: ArraySequences;
  readonly problems = new Problems();
  readonly checks: readonly RowCheck[];
  /** Undefined if they are classes per step, until these are checked; those on disk stay there. */
  targets: Targets | undefined;
  largestClass = -1;
  private readonly y: FileArray;
  private readonly hasClasses: boolean;
  private readonly hasStepClasses: boolean;

  constructor(
    arrays: SplitArrays,
    layoutOf: LayoutOf,
    private readonly ignored: number,
  ) {
    this.sequences = new ArraySequences(arrays, layoutOf);
    const { problems, sequences } = this;
    const { x, y } = arrays;
    const { count, layout } = sequences;
    if (count === 0) throw x.wrongShape('at least one sequence');
    for (let index = 0; index < count; index++) {
      const problem = sequences.lengthProblem(index);
      if (problem) problems.add(problem);
      if (problem) break;
    }
    const [rows, steps = layout.steps] = y.shape;
    const isOne = y.shape.length === 1;
    this.hasClasses =
      y.integer && rows === count && (isOne || (y.shape.length === 2 && steps === layout.steps));
    this.hasStepClasses = this.hasClasses && !isOne;
    if (this.hasStepClasses) problems.attempt(() => y.refuseFortranOrder());
    this.y = this.hasStepClasses ? y : y.loaded();
    if (!this.hasClasses) this.targets = problems.attempt(() => this.valuesOf());
    const added = (problem: Diagnostic | undefined): boolean => {
      if (problem) problems.add(problem);
      return problem === undefined;
    };
    const labels = (values: NumberArray, index: number) => added(this.labelsProblem(values, index));
    this.checks = [
      ...(this.hasClasses ? [{ array: this.y, row: labels }] : []),
      { array: x, row: (values, index) => added(sequences.rowProblem(values, index)) },
    ];
  }

  get labels(): FileLabels | undefined {
    const { targets, y, ignored } = this;
    if (targets?.kind !== 'class') return undefined;
    const { values } = targets;
    return {
      ignored,
      values,
      at: index => placed(y, index, String(values.subarray(index, index + 1)[0])),
    };
  }

  /** @throws UserError (exit 5) if a row is invalid, or all labels are ignored */
  finish(): void {
    const { problems, y, largestClass } = this;
    problems.throwIfAny();
    if (this.hasClasses && largestClass < 0) {
      const message = `array ${y.name} contains only ignored labels`;
      throw damagedError({ code: 'data/label-range', message, file: y.file });
    }
    this.targets ??= this.storesClasses ? this.split(largestClass + 1).targets : this.classes();
  }

  /** True if classes per step are read with their sequences. */
  private get storesClasses(): boolean {
    return this.hasStepClasses && this.y.isOnDisk && this.sequences.arrays.x.isOnDisk;
  }

  /** @param numClasses number of classes over all splits, if targets are classes */
  split(numClasses: number): Split {
    const { sequences, y, storesClasses } = this;
    const { arrays, layout, count } = sequences;
    const { x } = arrays;
    const { steps, size = 1, image } = layout;
    const lengths = sequences.lengths && Int32Array.from(sequences.lengths);
    const store: SequenceStore = {
      ...{ count, steps, inputSize: size, isInMemory: !x.isOnDisk },
      lengths: lengths?.some(length => length < steps) ? lengths : undefined,
      places: index => (storesClasses ? [x, y] : [x]).map(array => array.place(index)),
      decode: (index, [row, labels], out, classes) => {
        layout.write(x.form.decode(row), out);
        if (classes) this.writeClasses(y.form.decode(labels), index, classes);
      },
    };
    const targets = this.targets as Targets;
    const known = targets?.kind === 'class' ? { ...targets, numClasses } : targets;
    return {
      ...storedSplit(store, storesClasses ? { numClasses } : known),
      ...(image && { image: index => image.greys(x, index) }),
    };
  }

  private classes(): Targets {
    const { sequences, y, hasStepClasses: perStep } = this;
    const width = perStep ? sequences.layout.steps : 1;
    const values = new Int32Array(sequences.count * width).fill(IGNORED);
    for (let index = 0; index < sequences.count; index++)
      this.writeClasses(y.row(index), index, values.subarray(index * width));
    return { kind: 'class', numClasses: this.largestClass + 1, values, perStep };
  }

  private writeClasses(labels: NumberArray, index: number, out: Int32Array): void {
    const length = this.labelled(index);
    for (let step = 0; step < length; step++) out[step] = this.classOf(labels[step]);
  }

  /** Number of labels of a sequence, without padding. */
  private labelled(index: number): number {
    return this.hasStepClasses ? this.sequences.lengthOf(index) : 1;
  }

  private classOf(label: number): number {
    return label === this.ignored ? IGNORED : label;
  }

  private labelsProblem(labels: NumberArray, index: number): Diagnostic | undefined {
    const { y, ignored } = this;
    const length = this.labelled(index);
    for (const [i, label] of labels.entries()) {
      if (!(label === IGNORED || label === ignored || (label >= 0 && label < MAX_CLASSES))) {
        const at = index * labels.length + i;
        const message = `${y.nameOf(at)} is not a class label`;
        const expected = `0 to ${MAX_CLASSES - 1}, or ${ignored} (ignored)`;
        return { code: 'data/label-range', message, file: y.file, expected, got: y.exactly(at) };
      }
      if (i < length) this.largestClass = Math.max(this.largestClass, this.classOf(label));
    }
    return undefined;
  }

  /** Floats `[N, C]` or `[N, T, C]`. A step may be all NaN (no target); padding becomes NaN. */
  private valuesOf(): Targets {
    const { y, sequences } = this;
    const { count, layout } = sequences;
    const { steps } = layout;
    const { shape } = y;
    const perStep = shape.length === 3 && shape[1] === steps;
    const size = shape.at(-1) ?? 0;
    if (shape[0] !== count || y.integer || size === 0 || !(perStep || shape.length === 2))
      throw y.wrongShape(
        `integers [${count}] or [${count}, ${steps}] (classes), or floats [${count}, C] or [${count}, ${steps}, C]`,
      );
    const values = Float32Array.from(y.whole());
    for (let at = 0; at < values.length; at += size) {
      const target = values.subarray(at, at + size);
      const step = at / size;
      const isPadding = perStep && step % steps >= sequences.lengthOf(Math.floor(step / steps));
      if (isPadding) target.fill(Number.NaN);
      if (perStep && target.every(Number.isNaN)) continue;
      const bad = target.findIndex(value => !Number.isFinite(value));
      if (bad >= 0) throw damagedError(notFinite(y, at + bad));
    }
    return { kind: 'value', size, values, ...(perStep && { perStep }) };
  }
}

/** @throws UserError (exit 5) if two splits differ in T, F or the kind of targets */
function refuseOtherShape(train: Part, other: Part): void {
  const problems: Diagnostic[] = [];
  const compare = (array: 'x' | 'y', words: (part: Part) => string): void => {
    const [expected, got] = [train, other].map(words);
    if (expected === got) return;
    const { name, file } = other.sequences.arrays[array as 'x'];
    const message = `array ${name} does not fit the training array`;
    problems.push({ code: 'data/shape-mismatch', message, file, expected, got });
  };
  compare('x', ({ sequences: { layout, arrays } }) =>
    layout.size === undefined
      ? `[N, ${layout.steps}] (symbols)`
      : `[N, ${arrays.x.shape.slice(1).join(', ')}]`,
  );
  compare('y', ({ targets }) => {
    if (targets?.kind === 'value') return `${targets.size} values a ${targets.perStep ? 'step' : 'sequence'}`;
    return targets?.perStep ? 'one class a step' : 'one class a sequence';
  });
  if (problems.length > 0) throw damagedError(...problems);
}
