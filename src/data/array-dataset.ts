/** Builds a dataset from the NumPy arrays of its splits; shared by the kinds `npz` and `npy`. */
import type { Diagnostic } from '../util/errors.js';
import { damagedError } from '../util/errors.js';
import {
  type NumpySequences,
  type PendingSequences,
  pendingSequences,
  type SplitArrays,
  type Suffix,
} from './arrays.js';
import type { Dataset, Split } from './core/dataset.js';
import { type FileLabels, labelFacts } from './core/labels.js';
import { Problems } from './core/problems.js';
import { holdOut, range } from './core/selection.js';
import { subset } from './core/store.js';

export const SUFFIXES: readonly Suffix[] = ['', '_validation', '_test'];

/** The arrays of each split; without a test split, training sequences are held out. */
export type SplitsArrays = Readonly<Partial<Record<Suffix, SplitArrays | undefined>>> & {
  readonly '': SplitArrays;
};

interface NumpyOptions {
  /** Fraction of the training sequences to hold out for testing. */
  readonly testFraction: number | undefined;
  readonly seed: number;
  /** Label to ignore besides -100; becomes -100. */
  readonly ignored: number;
  /** Reads the files on disk from start to end, and runs the checks of their rows. */
  scan?(checks: PendingSequences['checks']): Promise<void>;
}

/** A split: its arrays, and the sequences in them. */
interface Part {
  readonly arrays: SplitArrays;
  readonly sequences: NumpySequences;
}

/**
 * @throws UserError (exit 2) if there is no test split and the fraction or the number of sequences
 *   does not allow one
 * @throws UserError (exit 5) if a split is invalid, with the problems of all splits, or shapes or
 *   kinds of targets differ between splits
 */
export async function numpyDataset(
  splits: SplitsArrays,
  { testFraction, seed, ignored, scan }: NumpyOptions,
): Promise<Omit<Dataset, 'digests'>> {
  const problems = new Problems();
  const given = SUFFIXES.flatMap(suffix => splits[suffix] ?? []);
  const pending = given.map(arrays => problems.attempt(() => pendingSequences(arrays, ignored)));
  problems.throwIfAny();
  await scan?.(pending.flatMap(one => one?.checks ?? []));
  const parts = given.flatMap((arrays, i): Part[] => {
    const sequences = problems.attempt(() => pending[i]?.finish());
    return sequences ? [{ arrays, sequences }] : [];
  });
  problems.throwIfAny();
  const [train, ...others] = parts;
  const partOf = (suffix: Suffix) => parts.find(({ arrays }) => arrays === splits[suffix]);
  const [validation, test] = [partOf('_validation'), partOf('_test')];
  for (const part of others) checkSameShape(train, part);
  const all = parts.map(({ sequences }) => sequences);
  const numClasses = Math.max(
    ...all.map(({ targets }) => (targets.kind === 'class' ? targets.numClasses : 0)),
  );
  const split = ({ sequences, arrays: { x, ids } }: Part, chosen?: Uint32Array): Split => {
    const whole = sequences.split(numClasses);
    const rows = chosen ?? range(sequences.count);
    return {
      ...(chosen ? subset(whole, chosen, sequences.steps) : whole),
      // without ids, sequences are named by their index
      ...(ids
        ? { id: index => ids.texts[rows[index]] }
        : { id: index => `${x.name}[${rows[index]}]`, idIsPlace: true }),
    };
  };
  const { count, steps, labels, targets } = train.sequences;
  const held = test ? undefined : holdOut(count, testFraction ?? 0, seed, train.arrays.x.file);
  const { input, largestSymbol } = all.reduce((a, b) => (symbolsOf(b) > symbolsOf(a) ? b : a));
  return {
    input,
    sequenceLength: steps,
    train: split(train, held?.train),
    ...(validation && { validation: split(validation) }),
    test: test ? split(test) : split(train, held?.test),
    columnNames: {
      features: i => `x[:, :, ${i}]`,
      targets: i => (targets.perStep ? `y[:, :, ${i}]` : `y[:, ${i}]`),
    },
    labels: labels && labelFacts(labels, ...labelsOf(others)),
    largestSymbol,
  };
}

function labelsOf(parts: readonly Part[]): FileLabels[] {
  return parts.map(({ sequences }) => sequences.labels).filter(labels => labels !== undefined);
}

function symbolsOf({ input }: NumpySequences): number {
  return input.kind === 'symbol' ? input.count : 0;
}

/** @throws UserError (exit 5) if two splits differ in T, F or the kind of targets */
function checkSameShape(train: Part, other: Part): void {
  const problems: Diagnostic[] = [];
  const compare = (array: 'x' | 'y', words: (sequences: NumpySequences) => string): void => {
    const [expected, got] = [train, other].map(({ sequences }) => words(sequences));
    if (expected === got) return;
    const { name, file } = other.arrays[array];
    const message = `array ${name} does not fit the training array`;
    problems.push({ code: 'data/shape-mismatch', message, file, expected, got });
  };
  compare('x', ({ input, steps }) =>
    input.kind === 'number' ? `[N, ${steps}, ${input.size}]` : `[N, ${steps}] (symbols)`,
  );
  compare('y', ({ targets }) => {
    if (targets.kind === 'value') return `${targets.size} values a ${targets.perStep ? 'step' : 'sequence'}`;
    return targets.perStep ? 'one class a step' : 'one class a sequence';
  });
  if (problems.length > 0) throw damagedError(...problems);
}
