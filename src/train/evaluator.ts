/** Evaluates a model on a split in batches: loss and metrics. */
import { setImmediate } from 'node:timers/promises';
import type { Split } from '../data/core/dataset.js';
import { lossOf, targetSize, taskOf } from '../math/losses/index.js';
import type { Loss } from '../math/losses/loss.js';
import { accumulator } from '../math/metrics/index.js';
import { predictionsOf } from '../math/model/inputs.js';
import type { SplitMetrics } from '../run/summary.js';
import type { ShardPool } from './pool.js';
import { type PredictionObserver, Readout } from './predictions.js';
import { loadBatch, type ModelRun, ShardedBatches, type SplitBatch } from './shards.js';

export interface Evaluation {
  readonly loss: number;
  readonly metrics: SplitMetrics;
  readonly count: number;
}

export interface EvaluationProgress {
  readonly done: number;
  readonly total: number;
}

export interface EvaluationOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with each sequence of the split in order; after an abort, not with the rest. */
  readonly observe?: PredictionObserver;
  /** Called after each batch. */
  readonly progress?: ((so: EvaluationProgress) => void) | undefined;
}

export class Evaluator {
  private readonly batches: ShardedBatches;
  private readonly loss: Loss;
  private warm: Promise<void> | undefined;

  /** Reads the current parameters of `pool` at each evaluation. */
  constructor(
    pool: ShardPool,
    private readonly run: ModelRun,
    readonly batchSize: number,
  ) {
    this.batches = new ShardedBatches(pool, run, batchSize);
    this.loss = lossOf(run.loss);
  }

  /** Called first, so that a run allocates all its memory at the start. */
  warmUp(): Promise<void> {
    this.warm ??= this.batches.compute(0);
    return this.warm;
  }

  /**
   * Means over the predictions of `split` that count, summed in float64 in the order of the data,
   * so independent of the number of threads; null if `signal` is aborted before the last batch.
   */
  async evaluate(
    split: Split,
    { signal, observe, progress }: EvaluationOptions = {},
  ): Promise<Evaluation | null> {
    const { spec, metrics, loss: settings, sequenceLength } = this.run;
    const size = targetSize(settings, spec.outputSize);
    const measured = metrics.map(name => [name, accumulator(taskOf(settings), name, size)] as const);
    const targets = predictionsOf(spec, sequenceLength);
    let [loss, weight, count, done] = [0, 0, 0, 0];
    this.batches.resetStates();
    const all = batchesOf(split, this.batchSize, signal);
    for await (const { batch, slot } of inTurn(all, () => this.batches)) {
      const readout = new Readout(this.loss, batch.split.targets);
      batch.indices.forEach((index, at) => {
        const position = batch.position(index);
        const errorScale = split.errorScale?.(position);
        const predictions = this.batches.predictions(slot, at, batch.split.lengths?.[index]).map(one => {
          const from = index * targets + one.step;
          return {
            ...one,
            point: readout.point(one.outputs, from),
            target: readout.target(from),
            errorScale,
          };
        });
        for (const prediction of predictions) {
          if (!prediction.counts) continue;
          loss += prediction.loss;
          weight += this.loss.weight(spec.outputSize, prediction.target[0]);
          count++;
          for (const [, metric] of measured) metric.add(prediction);
        }
        observe?.({ index: position, ...(split.id && { id: split.id(position) }), predictions });
      });
      done += batch.indices.length;
      progress?.({ done, total: split.count });
    }
    if (done < split.count) return null;
    const found = measured.flatMap(([name, { value }]) => (value === undefined ? [] : [[name, value]]));
    return { loss: loss / weight, metrics: Object.fromEntries(found), count };
  }
}

export interface LoadedBatch extends SplitBatch {
  position(index: number): number;
}

/** The sequences of `split` in their order, until `signal` is aborted. */
export async function* batchesOf(
  split: Split,
  batchSize: number,
  signal?: AbortSignal,
): AsyncGenerator<LoadedBatch> {
  for (let from = 0; from < split.count && !signal?.aborted; from += batchSize) {
    const length = Math.min(batchSize, split.count - from);
    const indices = Uint32Array.from({ length }, (_, i) => from + i);
    // results that threads return quickly would keep signals and timers waiting
    const [batch] = await Promise.all([loadBatch(split, indices), setImmediate()]);
    const first = batch.split === split ? 0 : from;
    yield { ...batch, position: index => first + index };
  }
}

export interface InSlot<B> {
  readonly batch: B;
  readonly slot: number;
}

/**
 * Computes `batches` in two alternating slots and yields each in order, as soon as it is computed.
 * A yielded batch is valid until the next is requested. If the source fails, the batches computed
 * before are yielded before its error is thrown.
 */
export async function* inTurn<B extends SplitBatch>(
  batches: AsyncIterable<B>,
  computerOf: (batch: B) => ShardedBatches,
): AsyncGenerator<InSlot<B>, void> {
  const source = batches[Symbol.asyncIterator]();
  const ask = () => Promise.allSettled([source.next()]);
  let running: (InSlot<B> & { readonly computed: Promise<void> }) | undefined;
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
        running = { batch, slot, computed: computerOf(batch).run(slot, batch) };
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
