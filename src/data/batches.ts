/**
 * Which sequences form which batch: shuffled anew each epoch, perhaps grouped by length, and
 * resumable in the middle of one.
 */
import { damagedError, usageError } from '../util/errors.js';
import { type RandomState, RandomStream } from '../util/random.js';
import { range } from './selection.js';

export interface BatchOptions {
  /** N, sequences in the split. */
  readonly count: number;
  readonly batchSize: number;
  /** Without it every epoch goes in the order of the data. */
  readonly shuffle: boolean;
  /** What becomes of the last batch of an epoch where it is not full. */
  readonly lastBatch: 'train' | 'drop';
  readonly seed: number;
  /** Steps of each sequence `[N]`; absent where all have the same number. */
  readonly lengths?: Int32Array | undefined;
  /** Whether sequences of similar length form a batch. */
  readonly bucketByLength?: boolean;
}

/**
 * Full batches whose sequences are sorted by length together. The more there are, the less of a
 * batch is padding, and the less the sequences of a batch are drawn independently of each other.
 */
const POOL_BATCHES = 50;

/**
 * Plain JSON. The permutation of the epoch under way follows from `generator`, so it is not kept.
 */
export interface BatchOrderState {
  /** 0-based. */
  readonly epoch: number;
  /** Batches of this epoch that were handed out. */
  readonly position: number;
  /** The generator before this epoch's shuffle. */
  readonly generator: RandomState;
  /** N of the data that the order belongs to. */
  readonly count: number;
}

export class BatchOrder {
  readonly batchesPerEpoch: number;
  /** Sequences that each epoch leaves out because its last batch is dropped. */
  readonly droppedPerEpoch: number;
  private readonly order: Uint32Array;
  private generator: RandomStream;
  private beforeShuffle: RandomState;
  private currentEpoch = 0;
  private currentPosition = 0;
  private arranged = false;

  /** @throws UserError (exit 2) if not a single batch would be formed. */
  constructor(private readonly options: BatchOptions) {
    const { count, batchSize, lastBatch, seed } = options;
    const batches = count / batchSize;
    this.batchesPerEpoch = lastBatch === 'drop' ? Math.floor(batches) : Math.ceil(batches);
    this.droppedPerEpoch = lastBatch === 'drop' ? count % batchSize : 0;
    if (!(this.batchesPerEpoch >= 1)) {
      throw usageError({
        code: 'data/no-batch',
        message: 'the training split does not fill one batch',
        expected: `at least ${lastBatch === 'drop' ? batchSize : 1} sequences, or a smaller batch_size`,
        got: `${count} sequences`,
      });
    }
    this.order = range(count);
    this.generator = RandomStream.of(seed, 'data/shuffle');
    this.beforeShuffle = this.generator.state;
  }

  /**
   * The order that stood at `state`: it hands out what that one would have handed out next.
   * @throws UserError (exit 5) if `state` is none of an order of these `options`.
   */
  static restore(options: BatchOptions, state: BatchOrderState): BatchOrder {
    const restored = new BatchOrder(options);
    const { epoch, position, generator, count } = state;
    const valid =
      Number.isSafeInteger(epoch) &&
      epoch >= 0 &&
      Number.isInteger(position) &&
      position >= 0 &&
      position < restored.batchesPerEpoch &&
      // a new epoch is drawn from whatever data there are
      (count === options.count || position === 0) &&
      isGeneratorState(generator);
    if (!valid) {
      throw damagedError({
        code: 'data/batch-state',
        message: 'the saved position does not fit this dataset',
        expected: `${options.count} sequences in ${restored.batchesPerEpoch} batches`,
        got: `epoch ${epoch}, batch ${position} of ${count} sequences`,
      });
    }
    restored.generator = RandomStream.restore(generator);
    restored.beforeShuffle = restored.generator.state;
    restored.currentEpoch = epoch;
    restored.currentPosition = position;
    return restored;
  }

  /** 0-based epoch of the batch that {@link next} hands out. */
  get epoch(): number {
    return this.currentEpoch;
  }

  /** 0-based place of that batch in its epoch: 0 right after an epoch has ended. */
  get position(): number {
    return this.currentPosition;
  }

  get state(): BatchOrderState {
    return {
      epoch: this.currentEpoch,
      position: this.currentPosition,
      generator: [...this.beforeShuffle],
      count: this.options.count,
    };
  }

  /**
   * Sequence indices of the next batch, going on to the next epoch at the end. A view, valid until
   * the next call.
   */
  next(): Uint32Array {
    this.arrangeOnce();
    const from = this.currentPosition * this.options.batchSize;
    const batch = this.order.subarray(from, from + this.options.batchSize);
    this.currentPosition++;
    if (this.currentPosition === this.batchesPerEpoch) this.endEpoch();
    return batch;
  }

  /**
   * Every epoch's order begins with 0..N-1, not with the order before, so that its generator state
   * rebuilds it.
   */
  private arrangeOnce(): void {
    if (this.arranged) return;
    const { shuffle, bucketByLength, lengths } = this.options;
    for (let i = 0; i < this.order.length; i++) this.order[i] = i;
    if (shuffle) this.generator.shuffle(this.order);
    if (bucketByLength && lengths !== undefined) this.bucket(lengths);
    this.arranged = true;
  }

  /**
   * Sorts the sequences of each pool by length, ties in the order they are in, and shuffles the
   * batches; without `shuffle` all are one pool. A last batch that is not full keeps its sequences
   * and its place, so that which ones `last_batch: drop` leaves out does not depend on their
   * length.
   */
  private bucket(lengths: Int32Array): void {
    const { batchSize, shuffle } = this.options;
    const batches = Math.floor(this.order.length / batchSize);
    const full = this.order.subarray(0, batches * batchSize);
    const poolSize = shuffle ? POOL_BATCHES * batchSize : Math.max(1, full.length);
    for (let from = 0; from < full.length; from += poolSize) {
      const pool = Array.from(full.subarray(from, from + poolSize));
      full.set(
        pool.sort((a, b) => lengths[a] - lengths[b]),
        from,
      );
    }
    if (!shuffle) return;
    const sorted = full.slice();
    this.generator.shuffle(range(batches)).forEach((batch, place) => {
      full.set(sorted.subarray(batch * batchSize, (batch + 1) * batchSize), place * batchSize);
    });
  }

  private endEpoch(): void {
    this.currentEpoch++;
    this.currentPosition = 0;
    this.beforeShuffle = this.generator.state;
    this.arranged = false;
  }
}

/** The batches of an evaluation: all of 0..N-1 in order, the last one as short as it comes. */
export function* sequentialBatches(
  count: number,
  batchSize: number,
): Generator<Uint32Array, void, undefined> {
  const order = range(count);
  for (let from = 0; from < count; from += batchSize) yield order.subarray(from, from + batchSize);
}

function isGeneratorState(state: RandomState): boolean {
  return (
    Array.isArray(state) &&
    state.length === 4 &&
    state.every(word => word === (word | 0)) &&
    state.some(word => word !== 0)
  );
}
