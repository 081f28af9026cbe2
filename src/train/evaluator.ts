/** Evaluates a model on a split in batches: loss and metrics. */
import { setImmediate } from 'node:timers/promises';
import type { Split } from '../data/core/dataset.js';
import { range } from '../data/core/selection.js';
import { lossOf, targetSize, taskOf } from '../math/losses/index.js';
import type { Loss } from '../math/losses/loss.js';
import { accumulator, type MeasuredMetric } from '../math/metrics/index.js';
import type { Accumulator } from '../math/metrics/metric.js';
import { predictionsOf } from '../math/model/inputs.js';
import type { SplitMetrics } from '../run/summary.js';
import { type Forwarded, ForwardPass, inTurn, type SplitBatch } from './forward.js';
import { type PredictedSequence, type PredictionObserver, Readout } from './predictions.js';
import type { ModelRun, ShardPool } from './shards.js';

export interface Evaluation {
  readonly loss: number;
  readonly metrics: SplitMetrics;
  readonly count: number;
}

export interface EvaluationProgress {
  readonly kind: 'progress';
  readonly done: number;
  readonly total: number;
}

export interface EvaluationOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with each sequence of the split in order; after an abort, not with the rest. */
  readonly observe?: PredictionObserver;
}

export class Evaluator {
  private readonly forward: ForwardPass;
  private readonly loss: Loss;
  private warm: Promise<void> | undefined;

  /** Reads the current parameters of `pool` at each evaluation. */
  constructor(
    pool: ShardPool,
    private readonly run: ModelRun,
    readonly batchSize: number,
  ) {
    this.forward = new ForwardPass(pool, run, batchSize);
    this.loss = lossOf(run.loss);
  }

  /** Called first, so that a run allocates all its memory at the start. */
  warmUp(): Promise<void> {
    this.warm ??= this.forward.warmUp();
    return this.warm;
  }

  /**
   * Means over the predictions of `split` that count, summed in float64 in the order of the data,
   * so independent of the number of threads; null if `signal` is aborted before the last batch.
   */
  async evaluate(
    split: Split,
    { progress, ...options }: EvaluationOptions & { progress?: (so: EvaluationProgress) => void } = {},
  ): Promise<Evaluation | null> {
    const events = this.progress(split, options);
    for (;;) {
      const { done, value } = await events.next();
      if (done) return value;
      progress?.(value);
    }
  }

  async *progress(
    split: Split,
    { signal, observe }: EvaluationOptions = {},
  ): AsyncGenerator<EvaluationProgress, Evaluation | null> {
    const { forward } = this;
    const totals = new Totals(this.run, this.loss);
    forward.resetStates();
    const batches = batchesOf(split, this.batchSize, signal);
    const targets = predictionsOf(this.run.spec, this.run.sequenceLength);
    let done = 0;
    for await (const { batch, slot } of inTurn(batches, (to, one) => forward.compute(to, one))) {
      const readout = new Readout(this.loss, batch.split.targets);
      batch.indices.forEach((index, at) => {
        const predictions = forward.predictions(slot, at, batch.split.lengths?.[index]);
        const sequence = withTargets(split, batch.position(index), {
          first: index * targets,
          predictions,
          readout,
        });
        totals.add(sequence);
        observe?.(sequence);
      });
      done += batch.indices.length;
      yield { kind: 'progress', done, total: split.count };
    }
    return done < split.count ? null : totals.means();
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
    const [loaded] = await Promise.all([split.load?.(indices), setImmediate()]);
    yield loaded
      ? { split: loaded, indices: range(length), position: index => from + index }
      : { split, indices, position: index => index };
  }
}

interface OfSequence {
  /** Index of its first target among the readout's targets. */
  readonly first: number;
  readonly predictions: readonly Forwarded[];
  readonly readout: Readout;
}

function withTargets(
  { id, errorScale }: Split,
  position: number,
  { first, predictions, readout }: OfSequence,
): PredictedSequence {
  return {
    index: position,
    ...(id && { id: id(position) }),
    predictions: predictions.map(one => ({
      ...one,
      point: readout.point(one.outputs, first + one.step),
      target: readout.target(first + one.step),
      errorScale: errorScale?.(position),
    })),
  };
}

class Totals {
  private loss = 0;
  private weight = 0;
  private count = 0;
  private readonly outputSize: number;
  private readonly metrics: readonly (readonly [MeasuredMetric, Accumulator])[];

  constructor(
    { loss, metrics, spec }: ModelRun,
    private readonly of: Loss,
  ) {
    const task = taskOf(loss);
    this.metrics = metrics.map(name => [name, accumulator(task, name, targetSize(loss, spec.outputSize))]);
    this.outputSize = spec.outputSize;
  }

  add({ predictions }: PredictedSequence): void {
    for (const prediction of predictions) {
      if (!prediction.counts) continue;
      this.loss += prediction.loss;
      this.weight += this.of.weight(this.outputSize, prediction.target[0]);
      this.count++;
      for (const [, metric] of this.metrics) metric.add(prediction);
    }
  }

  means(): Evaluation {
    const metrics = this.metrics.flatMap(([name, { value }]) => (value === undefined ? [] : [[name, value]]));
    return { loss: this.loss / this.weight, metrics: Object.fromEntries(metrics), count: this.count };
  }
}
