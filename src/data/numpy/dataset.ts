/** Builds a dataset from NumPy arrays; shared by the kinds `npz` and `npy`. */
import { damagedError } from '../../util/errors.js';
import type { Dataset, Split } from '../dataset.js';
import { type FileLabels, labelFacts } from '../labels.js';
import { Problems } from '../problems.js';
import { holdOut, range } from '../selection.js';
import { subset } from '../subset.js';
import { type ArraySource, checkSameShape, type NumpySequences } from './arrays.js';

/** Suffix of the names of a split's arrays. */
export type Suffix = '' | '_validation' | '_test';

/** One split: its sequences, or the data to build them from. */
export interface Part<S> {
  readonly source: ArraySource & { readonly suffix: Suffix };
  readonly sequences: S;
  /** Names of the sequences; absent: their indices. */
  readonly ids?: readonly string[] | undefined;
}

export interface Parts<S> {
  readonly train: Part<S>;
  readonly validation?: Part<S> | undefined;
  /** Absent: a fraction of the training sequences. */
  readonly test?: Part<S> | undefined;
}

/**
 * Completes the sequences of every split.
 * @throws UserError (exit 5) if a split is invalid, with the problems of all splits
 */
export function finish<S>(
  { train, validation, test }: Parts<S>,
  finished: (sequences: S) => NumpySequences,
): Parts<NumpySequences> {
  const problems = new Problems();
  const one = (part: Part<S> | undefined): Part<NumpySequences> | undefined => {
    const sequences = part && problems.attempt(() => finished(part.sequences));
    return sequences && part && { ...part, sequences };
  };
  const found = { train: one(train), validation: one(validation), test: one(test) };
  problems.throwIfAny();
  return { ...found, train: found.train as Part<NumpySequences> };
}

/**
 * @param testFraction fraction of the training sequences to hold out, if `test` is absent
 * @throws UserError (exit 2) if `test` is absent and the fraction or the number of sequences does
 *   not allow a test split
 * @throws UserError (exit 5) if shapes or kinds of targets differ between splits, or `ids` and `x`
 *   differ in length
 */
export function numpyDataset(
  { train, validation, test }: Parts<NumpySequences>,
  testFraction: number | undefined,
  seed: number,
): Omit<Dataset, 'digests'> {
  const others = [validation, test].filter(part => part !== undefined);
  for (const part of [train, ...others]) checkIds(part);
  for (const part of others) checkSameShape(train.sequences, part.sequences, part.source);
  const all = [train, ...others].map(({ sequences }) => sequences);
  const numClasses = Math.max(...all.map(classesOf));
  const split = ({ sequences, ids, source }: Part<NumpySequences>, chosen?: Uint32Array): Split => {
    const whole = sequences.split(numClasses);
    const rows = chosen ?? range(sequences.count);
    return {
      ...(chosen ? subset(whole, chosen, sequences.steps) : whole),
      ...namesOf(rows, source.suffix, ids),
    };
  };
  const { count, steps } = train.sequences;
  const held = test ? undefined : holdOut(count, testFraction ?? 0, seed, train.source.fileOf('x'));
  const { input, largestSymbol } = all.reduce((a, b) => (symbolsOf(b) > symbolsOf(a) ? b : a));
  const { labels } = train.sequences;
  return {
    input,
    sequenceLength: steps,
    train: split(train, held?.train),
    ...(validation && { validation: split(validation) }),
    test: test ? split(test) : split(train, held?.test),
    columnNames: {
      features: i => `x[:, :, ${i}]`,
      targets: i => (train.sequences.targets.perStep ? `y[:, :, ${i}]` : `y[:, ${i}]`),
    },
    labels: labels && labelFacts(labels, ...labelsOf(others)),
    largestSymbol,
  };
}

/** Checks that there is one id per sequence. */
function checkIds({ ids, sequences: { count }, source: { suffix, fileOf } }: Part<NumpySequences>): void {
  if (ids === undefined || ids.length === count) return;
  throw damagedError({
    code: 'data/shape-mismatch',
    message: `array ids${suffix} does not fit array x${suffix}`,
    file: fileOf('ids'),
    expected: `[${count}]`,
    got: `[${ids.length}]`,
  });
}

/** Names rows by their ids, else by their index in the array. */
function namesOf(
  rows: Uint32Array,
  suffix: Suffix,
  ids: readonly string[] | undefined,
): Pick<Split, 'id' | 'idIsPlace'> {
  if (ids) return { id: index => ids[rows[index]] };
  return { id: index => `x${suffix}[${rows[index]}]`, idIsPlace: true };
}

function labelsOf(parts: readonly Part<NumpySequences>[]): FileLabels[] {
  return parts.map(({ sequences }) => sequences.labels).filter(labels => labels !== undefined);
}

function symbolsOf({ input }: NumpySequences): number {
  return input.kind === 'symbol' ? input.count : 0;
}

function classesOf({ targets }: NumpySequences): number {
  return targets.kind === 'class' ? targets.numClasses : 0;
}
