/**
 * Assigns sequences to batches: reshuffled in each epoch, optionally bucketed by length, and
 * resumable in the middle of an epoch.
 */
import { damagedError, usageError } from '../util/errors.js';
import { type RandomState, RandomStream } from '../util/random.js';
import { range } from './core/drawing.js';

export interface BatchOptions {
  /** N, sequences in the split. */
  readonly count: number;
  readonly batchSize: number;
  /** If false, every epoch uses the order of the data. */
  readonly shuffle: boolean;
  /** How to treat the last batch of an epoch if it is not full. */
  readonly lastBatch: 'train' | 'drop';
  readonly seed: number;
  /** Steps of each sequence `[N]`; absent if all have the same number. */
  readonly lengths?: Int32Array | undefined;
  /** Symbols of each target `[N]`; absent unless targets are sequences. */
  readonly targetLengths?: Int32Array | undefined;
  /** True to batch sequences of similar length together. */
  readonly bucketByLength?: boolean;
}

/**
 * Number of full batches in a pool whose sequences are sorted by length. A larger pool means less
 * padding, but sequences of a batch that are less independent of each other.
 */
const POOL_BATCHES = 50;

/** Plain JSON. Excludes the permutation of the current epoch, which follows from `generator`. */
export interface BatchOrderState {
  /** 0-based. */
  readonly epoch: number;
  /** Number of batches of this epoch that were returned. */
  readonly position: number;
  /** State of the generator before this epoch's shuffle. */
  readonly generator: RandomState;
  /** N of the dataset. */
  readonly count: number;
}

export class BatchOrder {
  readonly batchesPerEpoch: number;
  /** Sequences that each epoch skips because its last batch is dropped. */
  readonly droppedPerEpoch: number;
  private readonly order: Uint32Array;
  private generator: RandomStream;
  private beforeShuffle: RandomState;
  /** 0-based epoch of the batch that {@link next} returns. */
  epoch = 0;
  /** 0-based position of that batch in its epoch; 0 right after the end of an epoch. */
  position = 0;
  private arranged = false;

  constructor(private readonly options: BatchOptions) {
    const { count, batchSize, lastBatch, seed } = options;
    const batches = count / batchSize;
    this.batchesPerEpoch = lastBatch === 'drop' ? Math.floor(batches) : Math.ceil(batches);
    this.droppedPerEpoch = lastBatch === 'drop' ? count % batchSize : 0;
    if (!(this.batchesPerEpoch >= 1)) {
      throw usageError('data/no-batch', 'the training split does not fill one batch', {
        expected: `at least ${lastBatch === 'drop' ? batchSize : 1} sequences, or a smaller batch_size`,
        got: `${count} sequences`,
      });
    }
    this.order = range(count);
    this.generator = RandomStream.of(seed, 'data/shuffle');
    this.beforeShuffle = this.generator.state;
  }

  /**
   * Restores an order from `state`; its next batches are those that the saved order would have
   * returned.
   */
  static restore(options: BatchOptions, state: BatchOrderState): BatchOrder {
    const restored = new BatchOrder(options);
    const { epoch, position, generator, count } = state;
    // a new epoch can be drawn from data of any size
    const valid = position < restored.batchesPerEpoch && (count === options.count || position === 0);
    if (!valid) {
      throw damagedError('data/batch-state', 'the saved position does not fit this dataset', {
        expected: `${options.count} sequences in ${restored.batchesPerEpoch} batches`,
        got: `epoch ${epoch}, batch ${position} of ${count} sequences`,
      });
    }
    restored.generator = RandomStream.restore(generator);
    restored.beforeShuffle = restored.generator.state;
    restored.epoch = epoch;
    restored.position = position;
    return restored;
  }

  get state(): BatchOrderState {
    return {
      epoch: this.epoch,
      position: this.position,
      generator: [...this.beforeShuffle],
      count: this.options.count,
    };
  }

  /**
   * Returns the sequence indices of the next batch; continues with the next epoch at the end of
   * one. A view, valid until the next call.
   */
  next(): Uint32Array {
    this.arrangeOnce();
    const from = this.position * this.options.batchSize;
    const batch = this.order.subarray(from, from + this.options.batchSize);
    this.position++;
    if (this.position === this.batchesPerEpoch) this.endEpoch();
    return batch;
  }

  /**
   * Each epoch starts from 0..N-1, not from the previous order, so that the generator state alone
   * determines it.
   */
  private arrangeOnce(): void {
    if (this.arranged) return;
    const { shuffle, bucketByLength, lengths, targetLengths } = this.options;
    for (let i = 0; i < this.order.length; i++) this.order[i] = i;
    if (shuffle) this.generator.shuffle(this.order);
    const all = [lengths, targetLengths].filter(list => list !== undefined);
    if (bucketByLength && all.length > 0) this.bucket(all);
    this.arranged = true;
  }

  /**
   * Sorts the sequences of each pool by length (stable), and those that are equally long by the
   * length of their targets, and shuffles the batches; without `shuffle`
   * all sequences are one pool. A last batch that is not full keeps its sequences and its position,
   * so that the choice of those that `last_batch: drop` drops does not depend on their length.
   */
  private bucket([lengths, others = lengths]: readonly Int32Array[]): void {
    const { batchSize, shuffle } = this.options;
    const batches = Math.floor(this.order.length / batchSize);
    const full = this.order.subarray(0, batches * batchSize);
    const poolSize = shuffle ? POOL_BATCHES * batchSize : Math.max(1, full.length);
    for (let from = 0; from < full.length; from += poolSize) {
      const pool = Array.from(full.subarray(from, from + poolSize));
      full.set(
        pool.sort((a, b) => lengths[a] - lengths[b] || others[a] - others[b]),
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
    this.epoch++;
    this.position = 0;
    this.beforeShuffle = this.generator.state;
    this.arranged = false;
  }
}
