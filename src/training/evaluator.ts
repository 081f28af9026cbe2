/** Loss and metric of a model over a split, in batches; one is written while another is computed. */
import type { Split } from '../data/dataset.js';
import { losses } from '../losses/index.js';
import { BatchWriter } from './batch.js';
import {
  type ModelRun,
  planShards,
  type ShardGroup,
  type ShardJob,
  type ShardPool,
  type ShardReport,
} from './shards.js';

export interface Evaluation {
  readonly loss: number;
  /** The loss's metric: accuracy in 0..1, or mean absolute error. */
  readonly metric: number;
  /** Predictions that counted. */
  readonly count: number;
}

/** One batch is computed while the next is written and waits for the threads that are done first. */
const SLOTS = 2;

/** A batch that is being computed. */
interface Running {
  readonly slot: number;
  readonly computed: Promise<ShardReport>;
}

export class Evaluator {
  private readonly shards: ShardGroup;
  private readonly job: ShardJob;
  private report: ShardReport = { executor: null, fallbacks: [] };

  /** The parameters of `pool` are read anew at each evaluation. */
  constructor(
    pool: ShardPool,
    private readonly run: ModelRun,
    private readonly batchSize: number,
  ) {
    const { shards, job } = planShards(run, batchSize, false);
    this.job = job;
    this.shards = pool.group(job, { shards, slots: SLOTS });
  }

  /** What executes the kernels; known after the first evaluation. */
  get execution(): ShardReport {
    return this.report;
  }

  /**
   * Compiles, by computing whatever the batch's memory holds. An evaluation does so by itself; ahead of it, a run takes all the
   * memory that it will need at its beginning.
   */
  async warmUp(): Promise<void> {
    await this.shards.compute(0);
  }

  /**
   * Means over the predictions of `split` that count, summed in float64 in the order of the data; null where `signal` is aborted
   * before the last batch.
   */
  async evaluate(split: Split, signal?: AbortSignal): Promise<Evaluation | null> {
    const { spec, loss } = this.run;
    const writer = new BatchWriter(split, spec, loss, this.job.shape);
    const write = (slot: number, from: number) => {
      const length = Math.min(this.batchSize, split.count - from);
      const indices = Uint32Array.from({ length }, (_, i) => from + i);
      writer.write(
        indices,
        this.shards.slots[slot].map(memory => memory.batch),
      );
    };
    const total = { loss: 0, metric: 0, count: 0 };
    const finish = async ({ slot, computed }: Running) => {
      this.report = await computed;
      this.addUp(slot, total);
    };
    let before: Running | undefined;
    let from = 0;
    for (let slot = 0; from < split.count && !signal?.aborted; from += this.batchSize) {
      write(slot, from);
      const running = { slot, computed: this.shards.compute(slot) };
      // where the one before fails, that is what is thrown
      running.computed.catch(() => {});
      if (before) await finish(before);
      before = running;
      slot = 1 - slot;
    }
    if (before) await finish(before);
    if (from < split.count) return null;
    const numbers = losses[loss].target === 'class' ? 1 : spec.outputSize;
    return {
      loss: total.loss / (total.count * numbers),
      metric: total.metric / total.count,
      count: total.count,
    };
  }

  private addUp(slot: number, total: { loss: number; metric: number; count: number }): void {
    const { metric, target } = losses[this.run.loss];
    const width = this.run.spec.outputSize;
    const targetWidth = target === 'class' ? 1 : width;
    for (const { rows, predictions, batch } of this.shards.slots[slot]) {
      for (let i = 0; i < rows.length; i++) {
        if (batch.weight[i] === 0) continue;
        total.loss += rows[i];
        total.count++;
        total.metric += metric.of(
          predictions.subarray(i * width, (i + 1) * width),
          batch.target.subarray(i * targetWidth, (i + 1) * targetWidth),
        );
      }
    }
  }
}
