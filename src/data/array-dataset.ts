/** Builds a dataset from the arrays of its splits. */
import { type Diagnostic, damagedError } from '../util/errors.js';
import { ArraySequences, type LayoutOf, notFinite, type SequenceArrays } from './array-sequences.js';
import {
  type ArrayContainer,
  type FileArray,
  openArrays,
  type RowCheck,
  rowChecks,
  type SplitNames,
} from './arrays.js';
import { type Dataset, IGNORED, type Split, type Targets } from './core/dataset.js';
import { type FileLabels, labelFacts, type PlacedLabel } from './core/labels.js';
import type { DatasetContext } from './core/pipeline.js';
import { configError, Problems } from './core/problems.js';
import { testSelection } from './core/selection.js';
import { type SequenceStore, storedSplit, subset } from './core/store.js';
import type { NumberArray } from './formats/number-arrays.js';
import { MAX_CLASSES } from './reading/files.js';

interface SplitArrays extends SequenceArrays {
  readonly y: FileArray;
}

interface ArraySplits {
  readonly train: SplitArrays;
  readonly validation?: SplitArrays | undefined;
  /** Absent: training sequences are held out. */
  readonly test?: SplitArrays | undefined;
}

interface ArrayOptions extends Pick<DatasetContext, 'seed' | 'ignoredLabel'> {
  readonly layoutOf: LayoutOf;
  readonly files: Pick<ArrayContainer, 'scan' | 'digests'>;
}

/**
 * Opens the arrays of the training, validation and test split.
 * @throws UserError (exit 2 or 5) with the problems of all headers
 */
export function openSplits(files: ArrayContainer, names: readonly (SplitNames | undefined)[]): ArraySplits {
  const problems = new Problems();
  const [train, validation, test] = names.map((split): SplitArrays | undefined => {
    const { x, y, ...others } = openArrays(files, { ...split }, problems);
    return x && y && { x, y, ...others };
  });
  problems.throwIfAny();
  return { train: train as SplitArrays, validation, test };
}

export async function arrayDataset(
  splits: ArraySplits,
  config: { readonly test_fraction?: number },
  { layoutOf, seed, ignoredLabel = IGNORED, files }: ArrayOptions,
): Promise<Dataset> {
  checkTestSplit(config, splits.test !== undefined);
  const problems = new Problems();
  const parts = [splits.train, splits.validation ?? [], splits.test ?? []]
    .flat()
    .flatMap(arrays => problems.attempt(() => new Part(arrays, layoutOf, ignoredLabel)) ?? []);
  problems.throwIfAny();
  const [stored, inMemory] = [true, false].map(isStored =>
    parts.flatMap(({ checks }) => checks).filter(({ array }) => array.isOnDisk === isStored),
  );
  // without reading all of a large file first
  if (stored.length > 0) for (const part of parts) problems.add(...part.problems.all);
  problems.throwIfAny();
  rowChecks(inMemory)(Number.POSITIVE_INFINITY);
  await files.scan(stored);
  for (const part of parts) problems.attempt(() => part.finish());
  problems.throwIfAny();
  const [train, ...others] = parts;
  for (const part of others) refuseOtherShape(train, part);
  const numClasses = Math.max(-1, ...parts.flatMap(({ firsts }) => [...firsts.keys()])) + 1;
  const wholes = parts.map(part => part.split(numClasses));
  const wholeOf = (of: SplitArrays | undefined) => wholes[parts.findIndex(({ arrays }) => arrays === of)];
  const [whole, validation, given] = [splits.train, splits.validation, splits.test].map(wholeOf);
  const { steps, size, image } = train.layout;
  const held = testSelection(config, train.count, seed, splits.train.x.file);
  const symbols = parts.reduce((a, b) => (b.largest[0] > a.largest[0] ? b : a));
  const [symbol, at] = symbols.largest;
  return {
    input: size === undefined ? { kind: 'symbol', count: symbol + 1 } : { kind: 'number', size },
    sequenceLength: steps,
    digests: files.digests,
    train: held ? subset(whole, held.train, steps) : whole,
    ...(validation && { validation }),
    test: held ? subset(whole, held.test, steps) : given,
    columnNames: {
      features: i => `x[:, :, ${i}]`,
      targets: i => (whole.targets.perStep ? `y[:, :, ${i}]` : `y[:, ${i}]`),
    },
    ...(image && { image: { height: image.height, width: image.width } }),
    ...(train.hasClasses && { labels: labelFacts(train, ...others) }),
    ...(size === undefined && { largestSymbol: placed(symbols.arrays.x, at) }),
  };
}

function checkTestSplit({ test_fraction }: { readonly test_fraction?: number }, isGiven: boolean): void {
  if (isGiven === (test_fraction === undefined)) return;
  throw configError({
    code: 'data/test-split',
    keyPath: isGiven ? ['dataset', 'test_fraction'] : ['dataset'],
    message: isGiven
      ? 'x_test is the test split, so remove dataset.test_fraction'
      : 'there is no x_test, so the test split is not defined',
    expected: isGiven ? undefined : 'x_test and y_test, or dataset.test_fraction',
  });
}

function placed(array: FileArray, at: number): PlacedLabel {
  return { name: array.nameOf(at), value: array.exactly(at), place: { file: array.file } };
}

/** The sequences of one split; all rows are checked before `split`. */
class Part extends ArraySequences implements FileLabels {
  readonly problems = new Problems();
  readonly checks: readonly RowCheck[];
  /** True if targets are classes, not values. */
  readonly hasClasses: boolean;
  readonly perStep: boolean;
  /** Position of the first label of each class. */
  readonly firsts = new Map<number, number>();
  private readonly y: FileArray;
  /** Undefined for classes. */
  private readonly values: Targets | undefined;

  constructor(
    arrays: SplitArrays,
    layoutOf: LayoutOf,
    readonly ignored: number,
  ) {
    super(arrays, layoutOf);
    const { problems, count, layout } = this;
    const { x, y } = arrays;
    if (count === 0) throw x.wrongShape('at least one sequence');
    const added = (problem: Diagnostic | undefined): boolean => {
      if (problem) problems.add(problem);
      return problem === undefined;
    };
    for (let index = 0; index < count && added(this.lengthProblem(index)); ) index++;
    const { integer, shape } = y;
    const [rows, steps] = shape;
    this.perStep = shape.length === (integer ? 2 : 3) && steps === layout.steps;
    this.hasClasses = integer && rows === count && (shape.length === 1 || this.perStep);
    const hasStepClasses = this.hasClasses && this.perStep;
    if (hasStepClasses) problems.attempt(() => y.refuseFortranOrder());
    this.y = hasStepClasses ? y : y.loaded();
    this.values = this.hasClasses ? undefined : problems.attempt(() => this.valuesOf());
    const labels = (values: NumberArray, index: number) => added(this.labelsProblem(values, index));
    this.checks = [
      ...(this.hasClasses ? [{ array: this.y, row: labels }] : []),
      { array: x, row: (values, index) => added(this.rowProblem(values, index)) },
    ];
  }

  at(position: number): PlacedLabel {
    return placed(this.y, position);
  }

  /** Shapes that all splits share. */
  get shapes(): Readonly<Record<'x' | 'y', string>> {
    const { hasClasses, perStep, y, arrays, layout } = this;
    const x = `[N, ${arrays.x.shape.slice(1).join(', ')}]`;
    const what = hasClasses ? 'one class' : `${y.shape.at(-1)} values`;
    return {
      x: layout.size === undefined ? `${x} (symbols)` : x,
      y: `${what} a ${perStep ? 'step' : 'sequence'}`,
    };
  }

  /** @throws UserError (exit 5) if a row is invalid, or all labels are ignored */
  finish(): void {
    this.problems.throwIfAny();
    if (!this.hasClasses || this.firsts.size > 0) return;
    const message = `array ${this.y.name} contains only ignored labels`;
    throw damagedError({ code: 'data/label-range', message, file: this.y.file });
  }

  /** @param numClasses number of classes over all splits, if targets are classes */
  split(numClasses: number): Split {
    const { y, arrays, layout, count, hasClasses, perStep } = this;
    const { x, ids } = arrays;
    const { steps, size = 1, image } = layout;
    const isStored = hasClasses && perStep && y.isOnDisk && x.isOnDisk;
    const lengths = this.lengths && Int32Array.from(this.lengths);
    const store: SequenceStore = {
      ...{ count, steps, inputSize: size, isInMemory: !x.isOnDisk },
      lengths: lengths?.some(length => length < steps) ? lengths : undefined,
      places: index => (isStored ? [x, y] : [x]).map(array => array.place(index)),
      decode: (index, [row, labels], out, classes) => {
        layout.write(x.form.decode(row), out);
        if (classes) this.writeClasses(y.form.decode(labels), index, classes);
      },
    };
    return {
      ...storedSplit(store, isStored ? { numClasses } : (this.values ?? this.classes(numClasses))),
      ...(image
        ? { image: index => image.greys(index) }
        : { id: index => this.idOf(index), ...(!ids && { idIsPlace: true }) }),
    };
  }

  private classes(numClasses: number): Targets {
    const { y, count, perStep } = this;
    const width = perStep ? this.layout.steps : 1;
    const values = new Int32Array(count * width).fill(IGNORED);
    for (let index = 0; index < count; index++)
      this.writeClasses(y.row(index), index, values.subarray(index * width));
    return { kind: 'class', numClasses, values, perStep };
  }

  private writeClasses(labels: NumberArray, index: number, out: Int32Array): void {
    const length = this.labelled(index);
    for (let step = 0; step < length; step++)
      out[step] = labels[step] === this.ignored ? IGNORED : labels[step];
  }

  /** Number of labels of a sequence, without padding. */
  private labelled(index: number): number {
    return this.perStep ? this.lengthOf(index) : 1;
  }

  private labelsProblem(labels: NumberArray, index: number): Diagnostic | undefined {
    const { y, ignored } = this;
    const length = this.labelled(index);
    for (const [i, label] of labels.entries()) {
      const at = index * labels.length + i;
      if (!(label === IGNORED || label === ignored || (label >= 0 && label < MAX_CLASSES))) {
        const message = `${y.nameOf(at)} is not a class label`;
        const expected = `0 to ${MAX_CLASSES - 1}, or ${ignored} (ignored)`;
        return { code: 'data/label-range', message, file: y.file, expected, got: y.exactly(at) };
      }
      const isClass = i < length && label !== IGNORED && label !== ignored;
      if (isClass && !this.firsts.has(label)) this.firsts.set(label, at);
    }
    return undefined;
  }

  /** Floats `[N, C]` or `[N, T, C]`. A step may be all NaN (no target); padding becomes NaN. */
  private valuesOf(): Targets {
    const { y, perStep, count } = this;
    const { steps } = this.layout;
    const { shape, integer } = y;
    const size = shape.at(-1) ?? 0;
    if (shape[0] !== count || integer || size === 0 || !(perStep || shape.length === 2))
      throw y.wrongShape(
        `integers [${count}] or [${count}, ${steps}] (classes), or floats [${count}, C] or [${count}, ${steps}, C]`,
      );
    const values = Float32Array.from(y.whole());
    for (let at = 0; at < values.length; at += size) {
      const target = values.subarray(at, at + size);
      const step = at / size;
      const isPadding = perStep && step % steps >= this.lengthOf(Math.floor(step / steps));
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
  const problems = (['x', 'y'] as const).flatMap((name): Diagnostic[] => {
    const [expected, got] = [train, other].map(part => part.shapes[name]);
    const array = (other.arrays as SplitArrays)[name];
    const message = `array ${array.name} does not fit the training array`;
    return expected === got
      ? []
      : [{ code: 'data/shape-mismatch', message, file: array.file, expected, got }];
  });
  if (problems.length > 0) throw damagedError(...problems);
}
