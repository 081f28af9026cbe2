/** A forward pass over batches: one is written while another is computed. */
import type { Split } from '../data/core/dataset.js';
import { predictionsOf } from '../math/model/inputs.js';
import { BatchWriter } from './batch.js';
import {
  type ModelRun,
  planShards,
  resetStates,
  type ShardGroup,
  type ShardJob,
  type ShardPool,
} from './shards.js';

export interface SplitBatch {
  readonly split: Split;
  readonly indices: Uint32Array;
}

/** A computed prediction. `outputs` [C] is a view that is valid until its slot is written again. */
export interface Forwarded {
  readonly step: number;
  readonly counts: boolean;
  /** Before weighting; meaningless if the target does not count. */
  readonly loss: number;
  readonly outputs: Float32Array;
}

/** One batch is computed while the next is written and queued for threads that finish early. */
const SLOTS = 2;

/** A model compiled for batches of up to `run.sequenceLength` steps. */
export class ForwardPass {
  private readonly shards: ShardGroup;
  private readonly job: ShardJob;
  private readonly writer: BatchWriter;

  /** Reads the current parameters of `pool` at each batch. */
  constructor(
    pool: ShardPool,
    private readonly run: ModelRun,
    batchSize: number,
  ) {
    const { shards, job } = planShards(run, batchSize, false);
    this.job = job;
    this.writer = new BatchWriter(run.spec, run.loss, job.shape);
    this.shards = pool.group(job, { shards, slots: SLOTS });
  }

  get steps(): number {
    return this.run.sequenceLength;
  }

  async warmUp(): Promise<void> {
    await this.shards.compute(0);
  }

  resetStates(): void {
    for (const { carried } of this.shards.slots[0]) resetStates(carried);
  }

  /** Batches are computed in the order of the calls. */
  async compute(slot: number, { split, indices }: SplitBatch): Promise<void> {
    this.writer.write(
      split,
      indices,
      this.shards.slots[slot].map(memory => memory.batch),
    );
    await this.shards.compute(slot);
  }

  predictions(slot: number, at: number, length = this.run.sequenceLength): Forwarded[] {
    const { spec } = this.run;
    const { batch: rowsOfShard } = this.job.shape;
    const { rows, predictions, batch } = this.shards.slots[slot][Math.floor(at / rowsOfShard)];
    const width = spec.outputSize;
    const { weight } = batch.inputs;
    return Array.from({ length: predictionsOf(spec, length) }, (_, step) => {
      const i = step * rowsOfShard + (at % rowsOfShard);
      const outputs = predictions.subarray(i * width, (i + 1) * width);
      return { step, counts: weight[i] !== 0, loss: rows[i], outputs };
    });
  }
}

export interface Computed<B> {
  readonly batch: B;
  readonly slot: number;
}

/**
 * Computes `batches` in two alternating slots and yields each in order, as soon as it is computed.
 * A yielded batch is valid until the next is requested. If the source fails, the batches computed
 * before are yielded before its error is thrown.
 */
export async function* inTurn<B>(
  batches: AsyncIterable<B>,
  compute: (slot: number, batch: B) => Promise<void>,
): AsyncGenerator<Computed<B>, void> {
  const source = batches[Symbol.asyncIterator]();
  const ask = () => Promise.allSettled([source.next()]);
  let running: (Computed<B> & { readonly computed: Promise<void> }) | undefined;
  let slot = 0;
  let next = ask();
  try {
    for (;;) {
      const before = running;
      const computed = before?.computed.catch(() => {}).then(() => true);
      // yield a finished batch while the source is still producing the next one
      if (before && (await Promise.race([next.then(() => false), computed]))) {
        running = undefined;
        await before.computed;
        yield before;
        continue;
      }
      const [arrived] = await next;
      const isEnd = arrived.status === 'rejected' || arrived.value.done === true;
      if (!isEnd) {
        const batch: B = arrived.value.value;
        running = { batch, slot, computed: compute(slot, batch) };
        // if the previous batch fails, its error is the one thrown
        running.computed.catch(() => {});
        slot = 1 - slot;
        next = ask();
      }
      await before?.computed;
      if (before) yield before;
      if (arrived.status === 'rejected') throw arrived.reason;
      if (isEnd) return;
    }
  } finally {
    // a consumer that stops early may reuse the slots
    await running?.computed.catch(() => {});
    // not awaited: a source waiting for its next batch ends only when that arrives
    source.return?.().catch(() => {});
  }
}
