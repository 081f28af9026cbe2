/** Datasets of the arrays of splits. */

import { type Diagnostic, damagedError, damagedErrors } from '../../util/errors.js';
import type { MissingSettings } from '../core/columns.js';
import type { Dataset, DatasetContext, Split, TargetsToRead } from '../core/dataset.js';
import { isHeldOut, splitColumns, type TestPartConfig, type TrainingPartConfig } from '../core/held-out.js';
import { type FileLabels, labelFacts } from '../core/labels.js';
import { configError, Problems } from '../core/problems.js';
import { divisible, testSelection } from '../core/selection.js';
import { type SequenceStore, storedSplit, subset } from '../core/store.js';
import { IGNORED, type PlacedLabel, type Targets, withoutPadding } from '../core/targets.js';
import type { NumberArray } from '../formats/number-arrays.js';
import { MAX_CLASSES } from '../reading/files.js';
import {
  type ArrayFiles,
  type FileArray,
  openArrays,
  type RowCheck,
  rowChecks,
  type SplitNames,
} from './files.js';
import { ArraySequences, featureName, type LayoutOf, notFinite, type SequenceArrays } from './sequences.js';

interface SplitArrays extends SequenceArrays {
  readonly y: FileArray;
}

/** @param names arrays of the training, validation and test split */
export async function arrayDataset(
  files: Pick<ArrayFiles, 'find' | 'parse' | 'scan' | 'digests'>,
  names: readonly (SplitNames | undefined)[],
  config: TestPartConfig &
    TrainingPartConfig & { readonly missing?: MissingSettings; readonly target_kind?: 'sequence' },
  { layoutOf, seed, ignoredLabel = IGNORED }: DatasetContext & { readonly layoutOf: LayoutOf },
): Promise<Dataset> {
  const problems = new Problems();
  const splits = names.map((split): SplitArrays | undefined => {
    const { x, y, ...others } = openArrays(files, { ...split }, problems);
    return x && y && { x, y, ...others };
  });
  problems.throwIfAny();
  checkTestSplit(config, splits[2] !== undefined);
  const form = {
    isFilled: config.missing !== undefined,
    isSequence: config.target_kind === 'sequence',
    ignored: ignoredLabel,
  };
  const parts = splits.flatMap(arrays =>
    arrays ? (problems.attempt(() => new Part(arrays, layoutOf, form)) ?? []) : [],
  );
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
  checkSplitColumns(train, config);
  for (const part of others) refuseOtherShape(train, part);
  const numClasses = Math.max(-1, ...parts.flatMap(({ firsts }) => [...firsts.keys()])) + 1;
  // the time axis of a split is as long as its longest sequence, and so may differ
  const steps = Math.max(...parts.map(({ layout }) => layout.steps));
  const longest = Math.max(1, ...parts.map(({ longestTarget }) => longestTarget));
  const wholes = parts.map(part => part.split(numClasses, steps, longest));
  const wholeOf = (of: SplitArrays | undefined) => wholes[parts.findIndex(({ arrays }) => arrays === of)];
  const [whole, validation, given] = splits.map(wholeOf);
  const { size: ofSteps, image } = train.layout;
  const division = testSelection(config, divisible(whole), seed, train.arrays.x.file);
  const symbols = parts.reduce((a, b) => (b.largest[0] > a.largest[0] ? b : a));
  const [symbol, at] = symbols.largest;
  return {
    input:
      ofSteps === undefined
        ? { kind: 'symbol', count: symbol + 1 }
        : { kind: 'number', size: train.size, ...(train.staticSize > 0 && { static: train.staticSize }) },
    sequenceLength: steps,
    digests: files.digests,
    columnSettings: i =>
      i < (ofSteps ?? 1)
        ? { missing: config.missing }
        : { missing: config.missing && { ...config.missing, elapsed: false }, isStatic: true },
    train: division ? subset(whole, division.rest, steps) : whole,
    ...(validation && { validation }),
    test: division ? subset(whole, division.held, steps) : given,
    columnNames: {
      features: i => featureName(i, ofSteps ?? 1),
      targets: i => (whole.targets.perStep ? `y[:, :, ${i}]` : `y[:, ${i}]`),
    },
    ...(image && { image: { height: image.height, width: image.width } }),
    ...((train.hasClasses || form.isSequence) && { labels: labelFacts(train, ...others) }),
    ...(ofSteps === undefined && { largestSymbol: placed(symbols.arrays.x, at) }),
  };
}

function checkTestSplit({ test_fraction, test }: TestPartConfig, isGiven: boolean): void {
  const key = test_fraction === undefined ? 'test' : 'test_fraction';
  const isDrawn = test_fraction !== undefined || (test !== undefined && isHeldOut(test));
  if (isGiven !== isDrawn) return;
  throw configError({
    code: 'data/test-split',
    keyPath: isGiven ? ['dataset', key] : ['dataset'],
    message: isGiven
      ? `x_test is the test split, so remove dataset.${key}`
      : 'there is no x_test, so the test split is not defined',
    expected: isGiven ? undefined : 'x_test and y_test, or dataset.test_fraction',
  });
}

/** @throws UserError (exit 2) if `test` or `validation` names an array that does not exist */
function checkSplitColumns({ arrays }: Part, config: TestPartConfig & TrainingPartConfig): void {
  const wrong = splitColumns(config).filter(({ name }) => !NAMING.some(one => one === name && arrays[one]));
  if (wrong.length === 0) return;
  throw configError(
    ...wrong.map(({ name, keyPath }) => ({
      code: 'data/split-column',
      keyPath,
      message: `there is no array ${JSON.stringify(name)} to divide the data by`,
      expected: 'groups or ids, an array [N] of texts or integers',
      alternatives: NAMING,
    })),
  );
}

/** Arrays that may divide the data. */
const NAMING = ['groups', 'ids'] as const;

function placed(array: FileArray, at: number): PlacedLabel {
  return { name: array.nameOf(at), value: array.exactly(at), place: { file: array.file } };
}

type ValueTargets = Extract<Targets, { readonly kind: 'value' }>;

interface PartForm {
  /** True if NaN is a missing value of x. */
  readonly isFilled: boolean;
  /** True if targets are sequences of symbols. */
  readonly isSequence: boolean;
  /** Label that is ignored. */
  readonly ignored: number;
}

/** The sequences of one split; all rows are checked before `split`. */
export class Part extends ArraySequences implements FileLabels {
  readonly problems = new Problems();
  readonly checks: readonly RowCheck[];
  /** True if each target is a class. */
  readonly hasClasses: boolean;
  /** Symbols of the longest target that is a sequence. */
  longestTarget = 0;
  readonly perStep: boolean;
  /** Position of the first label of each class. */
  readonly firsts = new Map<number, number>();
  readonly y: FileArray;
  /** Undefined for classes. */
  private readonly values: ValueTargets | undefined;
  readonly ignored: number;
  private readonly isSequence: boolean;

  constructor(arrays: SplitArrays, layoutOf: LayoutOf, { isFilled, isSequence, ignored }: PartForm) {
    super(arrays, layoutOf, isFilled);
    this.ignored = ignored;
    this.isSequence = isSequence;
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
    this.perStep = !isSequence && shape.length === (integer ? 2 : 3) && steps === layout.steps;
    const isVector = shape.length === 1 || (shape.length === 2 && steps === 1);
    this.hasClasses = !isSequence && integer && rows === count && (isVector || this.perStep);
    const hasStepClasses = this.hasClasses && this.perStep;
    if (hasStepClasses) problems.attempt(() => y.refuseFortranOrder());
    this.y = hasStepClasses ? y : y.loaded();
    if (isSequence && !(integer && rows === count && shape.length === 2))
      throw y.wrongShape(`integers [${count}, S] (symbols, ${IGNORED} after the end)`);
    this.values = this.hasClasses || isSequence ? undefined : problems.attempt(() => this.valuesOf());
    const target = (values: NumberArray, index: number) => added(this.problemOfTargets(values, index));
    this.checks = [
      ...(this.hasClasses || isSequence || this.values ? [{ array: this.y, row: target }] : []),
      { array: x, row: (values, index) => added(this.rowProblem(values, index)) },
    ];
  }

  at(position: number): PlacedLabel {
    return placed(this.y, position);
  }

  /** Shapes that all splits share. */
  get shapes(): Readonly<Record<'x' | 'statics' | 'y', string>> {
    const { hasClasses, isSequence, perStep, y, arrays, layout, staticSize } = this;
    const { size, image } = layout;
    const [, height, width] = arrays.x.shape;
    const what = isSequence ? 'symbols' : hasClasses ? 'one class' : `${y.shape.at(-1)} values`;
    return {
      x: image ? `[N, ${height}, ${width}]` : size === undefined ? '[N, T] (symbols)' : `[N, T, ${size}]`,
      statics: staticSize === 0 ? 'no such array' : `[N, ${staticSize}]`,
      y: `${what} a ${perStep ? 'step' : 'sequence'}`,
    };
  }

  /** @throws UserError (exit 5) if a row is invalid, or all labels are ignored */
  finish(): void {
    this.problems.throwIfAny();
    if (this.values || this.firsts.size > 0) return;
    const message = `array ${this.y.name} contains only ${this.isSequence ? 'empty targets' : 'ignored labels'}`;
    throw damagedError('data/label-range', message, { file: this.y.file });
  }

  /**
   * @param numClasses number of classes over all splits, if targets are classes or symbols
   * @param steps T of the longest split
   * @param longestTarget symbols of the longest target of all splits
   */
  split(numClasses: number, steps: number, longestTarget: number): Split {
    const { y, arrays, layout, count, hasClasses, perStep, size } = this;
    const { x, ids, groups } = arrays;
    const { image } = layout;
    const isStored = hasClasses && perStep && y.isOnDisk && x.isOnDisk;
    const lengths = Int32Array.from({ length: count }, (_, index) => this.lengthOf(index));
    const store: SequenceStore = {
      ...{ count, steps, inputSize: size, isInMemory: !x.isOnDisk },
      lengths: lengths.some(length => length < steps) ? lengths : undefined,
      places: index => (isStored ? [x, y] : [x]).map(array => array.place(index)),
      decode: (index, [row, labels], out, classes) => {
        this.write(x.form.decode(row), index, out);
        if (classes) this.writeClasses(y.form.decode(labels), index, classes);
      },
    };
    return {
      ...storedSplit(store, isStored ? { numClasses } : this.targets(numClasses, steps, longestTarget)),
      ...(image
        ? { image: index => image.greys(index) }
        : {
            id: index => this.idOf(index),
            ...(!ids && { idIsPlace: true }),
            valueIn: (array, index) => (array === 'groups' ? groups : ids)?.texts[index],
          }),
    };
  }

  private targets(numClasses: number, steps: number, longestTarget: number): Targets {
    const { values, layout, count } = this;
    if (this.isSequence) {
      const all = new Int32Array(count * longestTarget).fill(IGNORED);
      for (let index = 0; index < count; index++) all.set(this.targetsAt(index), index * longestTarget);
      return { kind: 'sequence', numClasses, size: longestTarget, values: all };
    }
    if (values === undefined) return this.classes(numClasses, steps);
    if (!values.perStep || layout.steps === steps) return values;
    const padded = new Float32Array(count * steps * values.size).fill(Number.NaN);
    const width = layout.steps * values.size;
    for (let index = 0; index < count; index++)
      padded.set(values.values.subarray(index * width, (index + 1) * width), index * steps * values.size);
    return { ...values, values: padded };
  }

  private classes(numClasses: number, steps: number): Targets {
    const { y, count, perStep } = this;
    const width = perStep ? steps : 1;
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

  /** Returns the target of a sequence or those of its steps. It has no `targetProblem`. */
  targetsAt(index: number): Int32Array | Float32Array {
    const { values, y, perStep, layout } = this;
    if (this.isSequence) return Int32Array.from(withoutPadding(y.row(index)));
    const length = this.labelled(index);
    if (values?.kind === 'value') {
      const from = index * (perStep ? layout.steps : 1) * values.size;
      return values.values.subarray(from, from + length * values.size);
    }
    const classes = new Int32Array(length).fill(IGNORED);
    this.writeClasses(y.row(index), index, classes);
    return classes;
  }

  /** @throws UserError (exit 5) if the targets are not those of a model */
  refuseOtherTargets({ kind, perStep, size }: TargetsToRead): void {
    const { shape } = this.y;
    const isSame = this.hasClasses ? kind === 'class' : kind === 'value' && shape.at(-1) === size;
    if (kind === 'sequence' || (isSame && this.perStep === perStep)) return;
    const axes = [this.count, ...(perStep ? [this.layout.steps] : []), ...(kind === 'value' ? [size] : [])];
    const expected = `${kind === 'class' ? 'integers' : 'floats'} [${axes.join(', ')}]`;
    throw this.y.wrongShape(expected, 'does not fit the model');
  }

  /** The first problem of a sequence's targets. @param classes number of classes of the model */
  targetProblem(index: number, classes: number): Diagnostic | undefined {
    return this.problemOfTargets(this.y.row(index), index, classes);
  }

  private problemOfTargets(row: NumberArray, index: number, classes?: number): Diagnostic | undefined {
    if (this.isSequence) return this.symbolsProblem(row, index);
    return this.hasClasses ? this.labelsProblem(row, index, classes) : this.valuesProblem(row, index);
  }

  /** Symbols come first, then padding. One that a model does not know is no problem. */
  private symbolsProblem(row: NumberArray, index: number): Diagnostic | undefined {
    const { y } = this;
    const symbols = withoutPadding(row);
    const wrong = row.findIndex((value, i) =>
      i < symbols.length ? value < 0 || value >= MAX_CLASSES : value !== IGNORED,
    );
    if (wrong >= 0) {
      // a symbol after the end: the end is the mistake
      const isGap = wrong > symbols.length && row[wrong] >= 0;
      const at = index * row.length + (isGap ? symbols.length : wrong);
      const expected = `0 to ${MAX_CLASSES - 1}, or ${IGNORED} after the end of the target`;
      const message = `${y.nameOf(at)} is not a symbol${isGap ? ', but symbols follow it' : ''}`;
      return { code: 'data/label-range', message, file: y.file, expected, got: y.exactly(at) };
    }
    this.longestTarget = Math.max(this.longestTarget, symbols.length);
    for (const [i, symbol] of symbols.entries())
      if (!this.firsts.has(symbol)) this.firsts.set(symbol, index * row.length + i);
    return undefined;
  }

  /** A step may be all NaN (no target), unlike a sequence. */
  private valuesProblem(row: NumberArray, index: number): Diagnostic | undefined {
    const { y, perStep } = this;
    const size = y.shape.at(-1) ?? 1;
    for (let at = 0; at < this.labelled(index) * size; at += size) {
      const target = row.subarray(at, at + size);
      if (perStep && target.every(Number.isNaN)) continue;
      const bad = target.findIndex(value => !Number.isFinite(Math.fround(value)));
      if (bad >= 0) return notFinite(y, index * row.length + at + bad);
    }
    return undefined;
  }

  private labelsProblem(labels: NumberArray, index: number, classes = MAX_CLASSES): Diagnostic | undefined {
    const { y, ignored } = this;
    const length = this.labelled(index);
    for (const [i, label] of labels.entries()) {
      const at = index * labels.length + i;
      if (!(label === IGNORED || label === ignored || (label >= 0 && label < classes))) {
        const message = `${y.nameOf(at)} is not a class label${classes === MAX_CLASSES ? '' : ' of the model'}`;
        const expected = `0 to ${classes - 1}, or ${ignored} (ignored)`;
        return { code: 'data/label-range', message, file: y.file, expected, got: y.exactly(at) };
      }
      const isClass = i < length && label !== IGNORED && label !== ignored;
      if (isClass && !this.firsts.has(label)) this.firsts.set(label, at);
    }
    return undefined;
  }

  /** Floats `[N, C]` or `[N, T, C]`; padding becomes NaN. */
  private valuesOf(): ValueTargets {
    const { y, perStep, count } = this;
    const { steps } = this.layout;
    const { shape, integer } = y;
    const size = shape.at(-1) ?? 0;
    const isSymbols = integer && shape.length === 2 && shape[0] === count;
    if (shape[0] !== count || integer || size === 0 || !(perStep || shape.length === 2))
      throw y.wrongShape(
        `integers [${count}] or [${count}, ${steps}] (classes), or floats [${count}, C] or [${count}, ${steps}, C]${isSymbols ? '; with `target_kind: sequence`, symbols' : ''}`,
      );
    const values = Float32Array.from(y.whole());
    for (let at = 0; at < values.length; at += size) {
      const target = values.subarray(at, at + size);
      const step = at / size;
      const isPadding = perStep && step % steps >= this.lengthOf(Math.floor(step / steps));
      if (isPadding) target.fill(Number.NaN);
    }
    return { kind: 'value', size, values, ...(perStep && { perStep }) };
  }
}

/** @throws UserError (exit 5) if two splits differ in F, S or the kind of targets */
function refuseOtherShape(train: Part, other: Part): void {
  const problems = (['x', 'statics', 'y'] as const).flatMap((name): Diagnostic[] => {
    const [expected, got] = [train, other].map(part => part.shapes[name]);
    const { arrays } = other;
    const array = name === 'y' ? other.y : arrays[name];
    const message = array
      ? `array ${array.name} does not fit the training array`
      : `array ${train.arrays.statics?.name} has no counterpart beside ${arrays.x.name}`;
    const { file } = array ?? arrays.x;
    return expected === got ? [] : [{ code: 'data/shape-mismatch', message, file, expected, got }];
  });
  if (problems.length > 0) throw damagedErrors(problems);
}
