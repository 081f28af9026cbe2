/**
 * The forward pass of a model over batches of sequences; one is written while another is computed.
 */
import type { Split } from '../../data/dataset.js';
import type { ExecutionReport } from '../../engine/machine.js';
import { predictionsOf } from '../../model/inputs.js';
import { BatchWriter } from './batch.js';
import {
  type ModelRun,
  planShards,
  type ShardGroup,
  type ShardJob,
  type ShardPool,
  startAnew,
} from './shards.js';

/** Sequences that are computed together: some of a split. */
export interface SplitBatch {
  readonly split: Split;
  readonly indices: Uint32Array;
}

/**
 * What comes out of a prediction; `outputs` [C] is a view that holds until its slot is written
 * again.
 */
export interface Forwarded {
  /** Step of its sequence, from 0; 0 if the model answers once a sequence. */
  readonly step: number;
  /** Whether its target counts. */
  readonly counts: boolean;
  /** Before weighting; says nothing if the target does not count. */
  readonly loss: number;
  readonly outputs: Float32Array;
}

/**
 * One batch is computed while the next is written and waits for the threads that are done first.
 */
const SLOTS = 2;

/**
 * A model compiled for batches of one shape: `batchSize` sequences of up to `run.sequenceLength`
 * steps.
 */
export class ForwardPass {
  private readonly shards: ShardGroup;
  private readonly job: ShardJob;
  private readonly writer: BatchWriter;
  private report: ExecutionReport = { executor: null, fallbacks: [] };

  /** The parameters of `pool` are read anew at each batch. */
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

  /** T of the longest sequences. */
  get steps(): number {
    return this.run.sequenceLength;
  }

  /** What executes the kernels; known after the first batch. */
  get execution(): ExecutionReport {
    return this.report;
  }

  /** Compiles, by computing whatever the batch's memory holds. */
  async warmUp(): Promise<void> {
    await this.shards.compute(0);
  }

  /** Makes states that pass from batch to batch start from zero. */
  startAnew(): void {
    for (const { carried } of this.shards.slots[0]) startAnew(carried);
  }

  /**
   * Writes a batch into `slot` and computes it; resolves when that is done. Batches are computed in
   * the order of the calls.
   */
  async compute(slot: number, { split, indices }: SplitBatch): Promise<void> {
    this.writer.write(
      split,
      indices,
      this.shards.slots[slot].map(memory => memory.batch),
    );
    this.report = await this.shards.compute(slot);
  }

  /**
   * The predictions of number `at` of the batch in `slot`, which is a sequence of `length` steps.
   */
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

/** A batch that has been computed in `slot`. */
export interface Computed<B> {
  readonly batch: B;
  readonly slot: number;
}

interface Running<B> extends Computed<B> {
  readonly computed: Promise<void>;
}

/** What a source has next: a batch, or its end, which may be an error. */
type Next<B> = { readonly batch: B } | { readonly end: readonly unknown[] };

/**
 * Computes `batches` in two slots that take turns, and yields each in their order, as soon as it is
 * computed; it holds until the next is asked for. If the source fails, what was computed before is
 * yielded before that is thrown.
 */
export async function* inTurn<B>(
  batches: AsyncIterable<B>,
  compute: (slot: number, batch: B) => Promise<void>,
): AsyncGenerator<Computed<B>, void> {
  const source = batches[Symbol.asyncIterator]();
  const ask = (): Promise<Next<B>> =>
    source.next().then(
      ({ value, done }) => (done ? { end: [] } : { batch: value }),
      (error: unknown) => ({ end: [error] }),
    );
  let running: Running<B> | undefined;
  let slot = 0;
  let next = ask();
  try {
    for (;;) {
      // who waits for the source is told meanwhile of what is done
      if (running && (await isDoneBefore(running, next))) {
        yield await finished(running);
        running = undefined;
      }
      const arrived = await next;
      if ('end' in arrived) {
        if (running) yield await finished(running);
        for (const error of arrived.end) throw error;
        return;
      }
      const before = running;
      running = { batch: arrived.batch, slot, computed: compute(slot, arrived.batch) };
      // if the one before fails, that is what is thrown
      running.computed.catch(() => {});
      slot = 1 - slot;
      next = ask();
      if (before) yield await finished(before);
    }
  } finally {
    // whoever stops listening may write the slots again
    await running?.computed.catch(() => {});
    // not awaited: a source that waits for its next batch ends only with that
    source.return?.().catch(() => {});
  }
}

function isDoneBefore<B>({ computed }: Running<B>, next: Promise<unknown>): Promise<boolean> {
  const done = computed.then(
    () => true,
    () => true,
  );
  return Promise.race([next.then(() => false), done]);
}

async function finished<B>(running: Running<B>): Promise<Running<B>> {
  await running.computed;
  return running;
}
