/** Data and configs of very short runs. */

import type { RunObserver } from '../../src/train/recorder.js';
import { RandomStream } from '../../src/util/random.js';
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
  failed: () => {},
  resumable: () => {},
};

/** Random sequences of 5 steps with 3 features in 4 classes, determined by `stream` and `seed`. */
export function randomSequences(stream: string, count: number, seed: number) {
  const random = RandomStream.of(seed, stream);
  const x = Array.from({ length: count * 15 }, () => random.uniform() - 0.5);
  const y = Array.from({ length: count }, () => random.integer(4));
  return { x: floats([count, 5, 3], x), y: integers([count], y) };
}

/** An npz file with a training and a test split of random sequences. */
export function randomDataset(
  stream: string,
  { train, test, seed }: { train: number; test: number; seed: number },
): Uint8Array {
  const [first, second] = [randomSequences(stream, train, seed), randomSequences(stream, test, seed + 1)];
  return npz({ ...first, x_test: second.x, y_test: second.y });
}

/**
 * A config that trains for some seconds, with a checkpoint after each epoch.
 * @param data file with a `randomDataset`
 */
export function longerConfig(data: string, epochs: number) {
  return {
    version: 1,
    name: 'queued',
    dataset: { kind: 'npz', path: data },
    model: { cell: 'lstm', hidden_size: 16, num_layers: 2, head: { from: 'last' } },
    loss: { kind: 'cross_entropy' },
    optimizer: { kind: 'adam', learning_rate: 0.01 },
    training: { num_epochs: epochs, batch_size: 32, log_every: 1 },
    checkpoint: { every: 'epoch', keep: { last: 1, best: 1 }, metric: 'test.accuracy' },
  };
}
