/**
 * Divides sequences: those of one file into a training and a test split, and those of training into
 * a training and a validation split; `limit` applies to the rest.
 */
import { RandomStream } from '../../util/random.js';
import type { Dataset, Split } from './dataset.js';
import { configError } from './problems.js';
import { subset } from './store.js';

/** 0, 1, …, count-1. */
export function range(count: number): Uint32Array {
  const all = new Uint32Array(count);
  for (let i = 0; i < count; i++) all[i] = i;
  return all;
}

/** Config keys that define the test split of dataset kinds with files. */
export interface TestPartConfig {
  readonly path: string;
  readonly test_path?: string;
  readonly test_fraction?: number;
}

/**
 * Draws `round(count * test_fraction)` of `count` sequences for the test split; both splits get at
 * least one. The same seed draws the same sequences. Returns their indices in the order of the
 * file; undefined if the test split has its own file.
 */
export function testSelection(
  { test_fraction }: Pick<TestPartConfig, 'test_fraction'>,
  count: number,
  seed: number,
  file: string,
) {
  if (test_fraction === undefined) return undefined;
  refuseFewer(count, 'test_fraction', 'data/test-fraction', ` in ${file}`);
  const stream = RandomStream.of(seed, 'data/test_fraction');
  const { drawn, rest } = draw(range(count), shareOf(count, test_fraction), stream);
  return { test: drawn, train: rest };
}

/** Returns `round(count * fraction)`, limited to 1..count-1. `count` must be at least 2. */
export function shareOf(count: number, fraction: number): number {
  return Math.min(count - 1, Math.max(1, Math.round(count * fraction)));
}

/**
 * Draws `size` of `indices`; both parts are sorted in ascending order. Shuffles `indices` in place.
 */
export function draw(
  indices: Uint32Array,
  size: number,
  stream: RandomStream,
): { readonly drawn: Uint32Array; readonly rest: Uint32Array } {
  const shuffled = stream.shuffle(indices);
  return { drawn: shuffled.slice(0, size).sort(), rest: shuffled.slice(size).sort() };
}

/** Exactly one of `fraction` and `count` is set. */
export interface ValidationConfig {
  readonly fraction?: number;
  readonly count?: number;
  /** Default: `random`. */
  readonly select?: 'random' | 'stratified' | 'last';
}

/** Config keys shared by all dataset kinds. */
export interface TrainingPartConfig {
  readonly validation?: ValidationConfig;
  /** Use only the first N training sequences, after validation sequences were held out. */
  readonly limit?: number;
}

const VALIDATION = ['dataset', 'validation'];

/**
 * Holds out validation sequences and applies the limit.
 * @param seed of the random draw, which has its own stream
 */
export function dividedTraining(dataset: Dataset, config: TrainingPartConfig, seed: number): Dataset {
  const { train: whole, sequenceLength } = dataset;
  const { validation, limit = whole.count } = config;
  const part = (indices: Uint32Array): Split => subset(whole, indices, sequenceLength);
  if (validation === undefined)
    return limit >= whole.count ? dataset : { ...dataset, train: part(range(limit)) };
  const select = SELECTIONS[validation.select ?? 'random'];
  const stream = RandomStream.of(seed, 'data/validation');
  const [held, rest] = select(whole, validationCount(validation, whole.count), stream);
  return { ...dataset, train: part(rest.subarray(0, limit)), validation: part(held) };
}

/** Number of training sequences that remain of `total`; undefined if none remain. */
export function trainingCount(
  total: number,
  { validation, limit = total }: TrainingPartConfig,
): number | undefined {
  const left = total - (validation === undefined ? 0 : requestedCount(validation, total));
  return left > 0 ? Math.min(limit, left) : undefined;
}

/** @throws UserError (exit 2) if there are fewer than two sequences to divide by `key` */
function refuseFewer(count: number, key: string, code: string, where: string): void {
  if (count >= 2) return;
  throw configError({
    code,
    keyPath: ['dataset', key],
    message: `${key} needs at least two sequences`,
    got: `${count} sequence${count === 1 ? '' : 's'}${where}`,
  });
}

function validationCount(config: ValidationConfig, total: number): number {
  refuseFewer(total, 'validation', 'data/validation', ' for training');
  const count = requestedCount(config, total);
  if (count < total) return count;
  throw configError({
    code: 'data/validation',
    keyPath: [...VALIDATION, 'count'],
    message: 'the validation split leaves no training sequences',
    expected: `at most ${total - 1} of the ${total} training sequences`,
    got: String(count),
  });
}

function requestedCount({ fraction = 0, count }: ValidationConfig, total: number): number {
  return count ?? shareOf(total, fraction);
}

/** Indices of `count` selected sequences of a split, and of the others, both ascending. */
type Select = (train: Split, count: number, stream: RandomStream) => readonly [Uint32Array, Uint32Array];

const SELECTIONS: Readonly<Record<NonNullable<ValidationConfig['select']>, Select>> = {
  random: ({ count: total }, count, stream) => {
    const { drawn, rest } = draw(range(total), count, stream);
    return [drawn, rest];
  },
  stratified: (train, count, stream) => {
    const classes = positionsByClass(train);
    const sizes = apportioned(
      classes.map(({ length }) => length),
      count,
    );
    const parts = classes.map((positions, i) => draw(positions, sizes[i], stream));
    return [joined(parts.map(({ drawn }) => drawn)), joined(parts.map(({ rest }) => rest))];
  },
  last: ({ count: total }, count) => {
    const all = range(total);
    return [all.subarray(total - count), all.subarray(0, total - count)];
  },
};

/** Indices of the sequences of each class, by ascending label; ignored labels form a class too. */
function positionsByClass({ targets }: Split): Uint32Array[] {
  if (targets.kind !== 'class' || targets.perStep) {
    const got = targets.kind === 'class' ? 'one class per step' : 'values';
    throw configError({
      code: 'data/validation',
      keyPath: [...VALIDATION, 'select'],
      message: 'a stratified split needs one class per sequence',
      expected: 'random or last for such targets',
      got: `targets that are ${got}`,
    });
  }
  const positions = new Map<number, number[]>();
  let position = 0;
  for (const label of targets.values) {
    const found = positions.get(label);
    if (found) found.push(position);
    else positions.set(label, [position]);
    position++;
  }
  return [...positions].sort(([a], [b]) => a - b).map(([, found]) => Uint32Array.from(found));
}

/**
 * Distributes `count` among groups in proportion to their sizes, rounded by largest remainders
 * (Hamilton's method). A group keeps at least one of its members if other groups can spare one.
 */
function apportioned(sizes: readonly number[], count: number): number[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const exact = sizes.map(size => (size * count) / total);
  const counts = exact.map(Math.floor);
  const left = count - counts.reduce((sum, one) => sum + one, 0);
  const isEmptied = (i: number): number => Number(counts[i] + 1 >= sizes[i]);
  const order = [...sizes.keys()].sort(
    (a, b) => isEmptied(a) - isEmptied(b) || exact[b] - counts[b] - (exact[a] - counts[a]) || a - b,
  );
  for (const i of order.slice(0, left)) counts[i]++;
  return counts;
}

function joined(parts: readonly Uint32Array[]): Uint32Array {
  return Uint32Array.from(parts.flatMap(part => [...part])).sort();
}
