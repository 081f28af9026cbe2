/** Evaluates a model on a split in batches: predictions in the units of the data, loss, metrics. */

import type { Experiment } from '../config/index.js';
import type { Dataset, Split } from '../data/core/dataset.js';
import { joinedGroup } from '../data/core/held-out.js';
import { setImmediate } from '../host/index.js';
import { targetSize, taskOf } from '../math/losses/index.js';
import { accumulators } from '../math/metrics/index.js';
import { predictionsOf } from '../math/model/inputs.js';
import { numbersPerStep, outputSizes, stepsRead } from '../math/model/spec.js';
import type { SplitMetrics } from '../run/summary.js';
import type { Decisions } from '../tasks/core/confidence.js';
import type { PredictedSequence, Prediction, TaskModel } from '../tasks/core/prediction.js';
import type { ScorerOf, SequenceFacts } from '../tasks/core/task.js';
import { partsOf } from '../tasks/index.js';
import type { ShardPool } from './pool.js';
import { loadBatch, type ModelRun, ShardedBatches, type SplitBatch } from './shards.js';

export interface Evaluation {
  readonly loss: number;
  readonly metrics: SplitMetrics;
  readonly count: number;
}

/** Maximum rows per thread: measured, with more the sequences of a batch leave the caches. */
const MOST_ROWS = 100;
/** Maximum numbers of a batch that is larger than those of training: 64 MiB in float32. */
const MAX_NUMBERS = 2 ** 24;

/**
 * Sequences per batch in the evaluation of `count` sequences. Predictions do not depend on it,
 * unless states are carried from batch to batch: row b continues row b of the batch before.
 */
export function evaluationRows(
  { spec, threads, sequenceLength, targetLength }: ModelRun,
  { batch_size, eval_batch_size }: Pick<Experiment['training'], 'batch_size' | 'eval_batch_size'>,
  count: number,
): number {
  if (eval_batch_size !== undefined) return eval_batch_size;
  if (spec.carriesState) return batch_size;
  const steps = stepsRead(spec.steps, sequenceLength);
  const widths = [numbersPerStep(spec), ...spec.layers.flatMap((_, layer) => outputSizes(spec, layer))];
  const outputs = predictionsOf(spec, steps, targetLength) * spec.outputSize;
  const numbers = steps * widths.reduce((sum, width) => sum + width) + outputs;
  const most = Math.min(MOST_ROWS * threads, Math.max(batch_size, Math.floor(MAX_NUMBERS / numbers)));
  // equal batches: the rows that fill up the last one are computed too
  return Math.ceil(count / Math.ceil(count / most));
}

export interface EvaluationProgress {
  readonly done: number;
  readonly total: number;
}

interface EvaluationOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with each sequence of the split in order; after an abort, not with the rest. */
  readonly observe?: ((sequence: PredictedSequence) => void) | undefined;
  /** Called after each batch. */
  readonly progress?: ((progress: EvaluationProgress) => void) | undefined;
  /** Absent: those of the model. */
  readonly decisions?: Decisions | undefined;
  /** Returns the name of a sequence's group, by its index; coverage is measured for each group. */
  readonly groupOf?: ((index: number) => string | undefined) | undefined;
  /** How the `scores` of predictions are computed; absent: they have none. */
  readonly conformity?: 'split' | 'quantile' | undefined;
}

/** The value of `test.group` of each sequence of a split, or its series; undefined without both. */
export function groupsOf({ groupedBy }: Dataset, { valueIn, forecast }: Split) {
  const columns = groupedBy?.[0];
  if (columns && valueIn)
    return (index: number) => joinedGroup([columns].flat().map(column => valueIn(column, index) ?? ''));
  return forecast && ((index: number) => forecast(index).series);
}

export class Evaluator {
  private readonly batches: ShardedBatches;
  private warm: Promise<void> | undefined;

  /** Reads the current parameters of `pool` at each evaluation. */
  constructor(
    pool: ShardPool,
    private readonly run: ModelRun,
    readonly batchSize: number,
  ) {
    this.batches = new ShardedBatches(pool, run, batchSize);
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
    { signal, observe, progress, decisions = this.run.decisions, ...options }: EvaluationOptions = {},
  ): Promise<Evaluation | null> {
    const scores = new Scores({ ...this.run, decisions }, options);
    let done = 0;
    this.batches.resetStates();
    const all = batchesOf(split, this.batchSize, signal);
    for await (const { batch, slot } of inTurn(all, () => this.batches)) {
      const positionOf = (index: number) => batch.position(index);
      scores.add(
        this.batches,
        { batch, slot },
        index => ({
          errorScale: split.errorScale?.(positionOf(index)),
          group: options.groupOf?.(positionOf(index)),
          window: split.forecast?.(positionOf(index)),
        }),
        (index, predictions) => {
          const position = positionOf(index);
          observe?.({ index: position, ...(split.id && { id: split.id(position) }), predictions });
        },
      );
      done += batch.indices.length;
      progress?.({ done, total: split.count });
    }
    return done < split.count ? null : scores.evaluation;
  }
}

/** Loss and metrics of predictions that count, summed in float64 in the order of the calls. */
export class Scores {
  private readonly metrics: ReturnType<typeof accumulators>;
  private sum = 0;
  private weight = 0;
  private count = 0;
  /** Inputs that have been counted; equal inputs count once. */
  private readonly inputs = new Set<string>();
  private readonly scorer: ReturnType<ScorerOf>;

  constructor(
    run: Pick<TaskModel, 'loss' | 'metrics' | 'spec' | 'decisions'>,
    { conformity }: Pick<EvaluationOptions, 'conformity'> = {},
  ) {
    const { loss, metrics, spec } = run;
    this.metrics = accumulators(taskOf(loss), metrics, targetSize(loss, spec.outputSize));
    this.scorer = partsOf(loss).scorer(run, conformity);
  }

  /** Adds a computed batch. @param factsOf what is known of a sequence by its index in the split */
  add(
    pass: ShardedBatches,
    { batch, slot }: InSlot<SplitBatch>,
    factsOf: (index: number) => SequenceFacts,
    observe?: (index: number, predictions: readonly Prediction[]) => void,
  ): void {
    const scorerOf = this.scorer(batch.split, pass.model.sequenceLength);
    batch.indices.forEach((index, row) => {
      const scored = scorerOf(index, factsOf(index));
      const predictions = pass.predictions(slot, batch, row).map(scored);
      for (const prediction of predictions) {
        if (!prediction.counts) continue;
        if (prediction.weight > 0) this.sum += prediction.loss;
        this.weight += prediction.weight;
        const { input } = prediction;
        if (input === undefined || !this.inputs.has(input)) this.count++;
        if (input !== undefined) this.inputs.add(input);
        this.metrics.add(prediction);
      }
      observe?.(index, predictions);
    });
  }

  get evaluation(): Evaluation {
    return { loss: this.sum / this.weight, metrics: this.metrics.values, count: this.count };
  }
}

/** The sequences of `split` in their order, until `signal` is aborted. */
export async function* batchesOf(split: Split, batchSize: number, signal?: AbortSignal) {
  for (let from = 0; from < split.count && !signal?.aborted; from += batchSize) {
    const length = Math.min(batchSize, split.count - from);
    const indices = Uint32Array.from({ length }, (_, i) => from + i);
    // results that threads return quickly would keep signals and timers waiting
    const [batch] = await Promise.all([loadBatch(split, indices), setImmediate()]);
    const first = batch.split === split ? 0 : from;
    yield { ...batch, position: (index: number) => first + index };
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
