/** Divides the sequences of one file into a training and a test split. */
import { RandomStream } from '../../util/random.js';
import { configError } from './problems.js';

const TEST_FRACTION = ['dataset', 'test_fraction'];

/** Sequence indices of each split, in the order of the file. */
export interface Selection {
  readonly train: Uint32Array;
  readonly test: Uint32Array;
}

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
 * Divides `count` sequences into training and test split; undefined if the test split has its own
 * file.
 * @throws UserError (exit 2) if the config does not set exactly one of `test_path` and
 *   `test_fraction`
 */
export function testSelection(config: TestPartConfig, count: number, seed: number): Selection | undefined {
  const { path, test_path, test_fraction } = config;
  if ((test_path === undefined) === (test_fraction === undefined)) {
    throw configError({
      code: 'data/test-split',
      keyPath: test_path === undefined ? ['dataset'] : TEST_FRACTION,
      message:
        test_path === undefined
          ? 'the test split is not defined'
          : 'dataset.test_path and dataset.test_fraction cannot be combined',
      expected: 'either dataset.test_path or dataset.test_fraction',
    });
  }
  return test_fraction === undefined ? undefined : holdOut(count, test_fraction, seed, path);
}

/**
 * Draws `round(count * fraction)` of `count` sequences for the test split; both splits get at least
 * one. The same seed draws the same sequences.
 * @throws UserError (exit 2) if there are fewer than two sequences or the fraction is not between 0
 *   and 1
 */
export function holdOut(count: number, fraction: number, seed: number, file: string): Selection {
  if (!(fraction > 0 && fraction < 1)) {
    throw configError({
      code: 'data/test-fraction',
      keyPath: TEST_FRACTION,
      message: 'test_fraction must be between 0 and 1 (exclusive)',
      got: String(fraction),
    });
  }
  if (count < 2) {
    throw configError({
      code: 'data/test-fraction',
      keyPath: TEST_FRACTION,
      message: 'test_fraction needs at least two sequences',
      got: `${count} sequence${count === 1 ? '' : 's'} in ${file}`,
    });
  }
  const stream = RandomStream.of(seed, 'data/test_fraction');
  const { drawn, rest } = draw(range(count), shareOf(count, fraction), stream);
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
