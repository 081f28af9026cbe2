/** Batches in the form that shards compute on: time-major, in float32, their loss weights ready. */
import { IGNORED, type Split } from '../data/dataset.js';
import { type LossName, losses } from '../losses/index.js';
import type { ModelSpec } from '../model/spec.js';
import type { ShardBatch, ShardShape } from './shard.js';

/** Rows that one shard gets at least: fewer would not fill the tiles of the kernels. */
const LEAST_ROWS = 16;
/** More shards than this serve no machine at hand and cost a gradient each. */
const MOST_SHARDS = 8;

export interface ShardRows {
  readonly shards: number;
  readonly rows: number;
}

/**
 * How a batch is cut into shards for training. It depends on nothing but the batch size, so the sums that make a gradient are the
 * same whatever the number of threads.
 */
export function trainingShards(batchSize: number): ShardRows {
  const shards = Math.max(1, Math.min(MOST_SHARDS, Math.floor(batchSize / LEAST_ROWS)));
  // powers of two divide evenly among threads
  const even = 2 ** Math.floor(Math.log2(shards));
  return { shards: even, rows: Math.ceil(batchSize / even) };
}

/** One for each thread: nothing is summed over rows here, and each shard costs a copy of the parameters. */
export function evaluationShards(batchSize: number, threads: number): ShardRows {
  const shards = Math.max(1, Math.min(threads, Math.floor(batchSize / LEAST_ROWS)));
  return { shards, rows: Math.ceil(batchSize / shards) };
}

/** What the rows of a batch are: where their sequences stand in the split, and how the shards lie in memory. */
export class BatchWriter {
  private readonly predictions: number;
  private readonly targetSize: number;

  constructor(
    private readonly split: Split,
    private readonly spec: ModelSpec,
    private readonly loss: LossName,
    private readonly shape: ShardShape,
  ) {
    this.predictions = spec.head === 'every' ? shape.sequenceLength : 1;
    this.targetSize = losses[loss].target === 'class' ? 1 : spec.outputSize;
  }

  /**
   * Writes the sequences `indices` into `shards`, filling one after the other; rows that are left over are zero and weigh
   * nothing. Gives the number of predictions that count.
   */
  write(indices: Uint32Array, shards: readonly ShardBatch[]): number {
    const counted = this.count(indices);
    const weight = counted === 0 ? 0 : losses[this.loss].weight(counted, this.targetSize);
    shards.forEach((shard, s) => {
      for (let row = 0; row < this.shape.batch; row++) {
        const at = s * this.shape.batch + row;
        if (at < indices.length) this.writeRow(indices[at], shard, row, weight);
        else this.clearRow(shard, row);
      }
    });
    return counted;
  }

  /** Predictions of `indices` that count in the loss: not ignored, and not past the end of their sequence. */
  private count(indices: Uint32Array): number {
    let counted = 0;
    for (const index of indices) {
      for (let t = 0; t < this.predictions; t++) if (this.counts(index, t)) counted++;
    }
    return counted;
  }

  private counts(index: number, t: number): boolean {
    const { targets, lengths } = this.split;
    if (this.predictions > 1 && lengths && t >= lengths[index]) return false;
    return targets.kind === 'value' || targets.values[index * this.predictions + t] !== IGNORED;
  }

  private writeRow(index: number, { x, target, weight, ends }: ShardBatch, row: number, each: number): void {
    const { batch, sequenceLength } = this.shape;
    const { targets, lengths } = this.split;
    const { inputSize } = this.spec;
    this.split.read(index, x, row * inputSize, batch * inputSize);
    for (let t = 0; t < this.predictions; t++) {
      const at = t * batch + row;
      weight[at] = this.counts(index, t) ? each : 0;
      for (let c = 0; c < this.targetSize; c++) {
        target[at * this.targetSize + c] =
          targets.values[(index * this.predictions + t) * this.targetSize + c];
      }
    }
    if (!ends) return;
    const length = lengths?.[index] ?? sequenceLength;
    for (let t = 0; t < sequenceLength; t++) ends[t * batch + row] = t === length - 1 ? 1 : 0;
  }

  private clearRow({ x, target, weight, ends }: ShardBatch, row: number): void {
    const { batch, sequenceLength } = this.shape;
    const { inputSize } = this.spec;
    for (let t = 0; t < sequenceLength; t++) {
      const at = (t * batch + row) * inputSize;
      x.fill(0, at, at + inputSize);
      if (ends) ends[t * batch + row] = 0;
    }
    for (let t = 0; t < this.predictions; t++) {
      const at = t * batch + row;
      weight[at] = 0;
      target.fill(0, at * this.targetSize, (at + 1) * this.targetSize);
    }
  }
}
