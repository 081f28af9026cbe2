/** What runs that are over in a moment need. */
import { RandomStream } from '../../src/random.js';
import type { RunObserver } from '../../src/training/observer.js';
import { floats, integers, npz } from './cli.js';

export const silentObserver: RunObserver = {
  begin: () => {},
  step: () => {},
  evaluating: () => {},
  evaluated: () => {},
  saved: () => {},
  line: () => {},
  warning: () => {},
  end: () => {},
  resumable: () => {},
};

/** Random sequences of 5 steps of 3 features in 4 classes; `stream` and `seed` say which. */
export function randomSequences(stream: string, count: number, seed: number) {
  const random = RandomStream.of(seed, stream);
  const x = Array.from({ length: count * 15 }, () => random.uniform() - 0.5);
  const y = Array.from({ length: count }, () => random.integer(4));
  return { x: floats([count, 5, 3], x), y: integers([count], y) };
}

/** A training and a test split of them. */
export function randomDataset(
  stream: string,
  { train, test, seed }: { train: number; test: number; seed: number },
): Uint8Array {
  const [first, second] = [randomSequences(stream, train, seed), randomSequences(stream, test, seed + 1)];
  return npz({ ...first, x_test: second.x, y_test: second.y });
}
