/**
 * What batches of sequences of similar length (`training.bucket_by_length`) are worth where lengths
 * are uniform in 1..T.
 */
import type { Split } from '../../src/data/core/dataset.js';
import { packedSplit } from '../../src/data/core/store.js';
import { BatchOrder } from '../../src/data/index.js';
import type { Trainer } from '../../src/train/trainer.js';
import { RandomStream } from '../../src/util/random.js';
import { benchCase, REFERENCE } from './cases.js';
import { LEARNING_RATE, openTrainer } from './contenders/model.js';
import type { Figure } from './results.js';
import { ratioOf, spreadOf } from './results.js';

/** T of each figure: the reference experiment's, and one whose schedule is cut. */
export const BUCKETED_LENGTHS = [28, 128] as const;

/** Batches of an epoch: as many as are sorted by length together. */
const BATCHES = 50;
/** Steps with full-length batches in a round: they differ by less. */
const FULL_STEPS = 15;

export function bucketedId(steps: number): string {
  return `bucketed/t${steps}`;
}

/**
 * The mean step of an epoch over the mean step with batches whose sequences all have `steps` steps
 * and so need no mask. Both go as the training loop does; the first round of each, in which
 * programs are compiled for every length, does not count.
 */
export async function measureBucketed(steps: number, threads: number, rounds: number): Promise<Figure> {
  const bucketed = await open(steps, BATCHES * REFERENCE.batch_size, true, threads);
  const full = await open(steps, REFERENCE.batch_size, false, threads);
  try {
    const [ours, other]: number[][] = [[], []];
    for (let round = 0; round <= rounds; round++) {
      const times = [await bucketed.mean(BATCHES), await full.mean(FULL_STEPS)];
      if (round === 0) continue;
      ours.push(times[0]);
      other.push(times[1]);
    }
    return {
      id: bucketedId(steps),
      what: `mean step, lengths uniform in 1..${steps}, batches by length`,
      unit: 'ms',
      ours: spreadOf(ours),
      other: { name: `all of ${steps} steps`, value: spreadOf(other) },
      ratio: ratioOf(ours, other),
    };
  } finally {
    await bucketed.trainer.close();
    await full.trainer.close();
  }
}

interface Training {
  readonly trainer: Trainer;
  /** Milliseconds of a step, the mean over the next `steps`. */
  mean(steps: number): Promise<number>;
}

async function open(steps: number, count: number, vary: boolean, threads: number): Promise<Training> {
  const one = benchCase('train_step', { ...REFERENCE, sequence_length: steps, threads });
  const random = RandomStream.of(0, 'bench/lengths');
  const lengths = Int32Array.from({ length: count }, () => (vary ? 1 + random.integer(steps) : steps));
  const split = randomSplit(lengths, steps, one.input_size, one.num_classes);
  const trainer = await openTrainer(one, split, threads);
  const order = new BatchOrder({
    count,
    batchSize: one.batch_size,
    shuffle: true,
    lastBatch: 'train',
    seed: 0,
    lengths: split.lengths,
    bucketByLength: true,
  });
  let step = 0;
  const take = () => trainer.prepare(order.next(), step + 1, false);
  let next = await take();
  const mean = async (many: number) => {
    const began = performance.now();
    for (let i = 0; i < many; i++) {
      const done = trainer.step(next, ++step, LEARNING_RATE);
      const coming = take();
      await done;
      next = await coming;
    }
    return (performance.now() - began) / many;
  };
  return { trainer, mean };
}

/** Random numbers in 0..1 and random classes. */
function randomSplit(lengths: Int32Array, steps: number, inputSize: number, numClasses: number): Split {
  const random = RandomStream.of(0, 'bench/sequences');
  let rows = 0;
  const starts = Uint32Array.from(lengths, length => {
    rows += length;
    return rows - length;
  });
  const features = Float32Array.from({ length: rows * inputSize }, () => random.uniform());
  const values = Int32Array.from(lengths, () => random.integer(numClasses));
  return packedSplit(
    { features, inputSize, starts, lengths, targets: { kind: 'class', numClasses, values, perStep: false } },
    steps,
  );
}
