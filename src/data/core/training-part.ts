/**
 * Divides the training sequences of a dataset of any kind: holds out sequences for validation, then
 * applies `limit` to the rest.
 */
import { RandomStream } from '../../util/random.js';
import type { Dataset, Split } from './dataset.js';
import { configError } from './problems.js';
import { draw, range, shareOf } from './selection.js';
import { subset } from './store.js';

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
 * @throws UserError (exit 2) if the validation split that the config asks for is impossible
 */
export function dividedTraining(dataset: Dataset, config: TrainingPartConfig, seed: number): Dataset {
  const divided = config.validation === undefined ? dataset : setAside(dataset, config.validation, seed);
  const { train, sequenceLength } = divided;
  const { limit = train.count } = config;
  return limit >= train.count ? divided : { ...divided, train: subset(train, range(limit), sequenceLength) };
}

/** Number of training sequences that remain of `total`; undefined if none remain. */
export function trainingCount(
  total: number,
  { validation, limit = total }: TrainingPartConfig,
): number | undefined {
  const left = total - (validation === undefined ? 0 : requestedCount(validation, total));
  return left > 0 ? Math.min(limit, left) : undefined;
}

function setAside(dataset: Dataset, config: ValidationConfig, seed: number): Dataset {
  const { train, sequenceLength } = dataset;
  if (dataset.validation !== undefined) {
    throw configError({
      code: 'data/two-validation-splits',
      keyPath: VALIDATION,
      message: 'the data already contain a validation split',
      expected: 'either dataset.validation or such data',
    });
  }
  const count = validationCount(config, train.count);
  const stream = RandomStream.of(seed, 'data/validation');
  const [validation, rest] = SELECTIONS[config.select ?? 'random'](train, count, stream);
  return {
    ...dataset,
    train: subset(train, rest, sequenceLength),
    validation: subset(train, validation, sequenceLength),
  };
}

function validationCount(config: ValidationConfig, total: number): number {
  if ((config.fraction === undefined) === (config.count === undefined)) {
    throw configError({
      code: 'data/validation',
      keyPath: VALIDATION,
      message: 'set either fraction or count for the validation split',
    });
  }
  if (total < 2) {
    throw configError({
      code: 'data/validation',
      keyPath: VALIDATION,
      message: 'a validation split needs at least two training sequences',
      got: `${total} training sequence${total === 1 ? '' : 's'}`,
    });
  }
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
 * (Hamilton's method). A group keeps at least one of its members as long as others can give theirs.
 */
function apportioned(sizes: readonly number[], count: number): number[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const exact = sizes.map(size => (size * count) / total);
  const shares = exact.map(Math.floor);
  const left = count - shares.reduce((sum, share) => sum + share, 0);
  const isEmptied = (i: number): number => Number(shares[i] + 1 >= sizes[i]);
  const order = [...sizes.keys()].sort(
    (a, b) => isEmptied(a) - isEmptied(b) || exact[b] - shares[b] - (exact[a] - shares[a]) || a - b,
  );
  for (const i of order.slice(0, left)) shares[i]++;
  return shares;
}

function joined(parts: readonly Uint32Array[]): Uint32Array {
  return Uint32Array.from(parts.flatMap(part => [...part])).sort();
}
