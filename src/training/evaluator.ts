/**
 * Loss and metric of a model over a split, in batches; one is written while another is computed.
 */

import { lossFacts, type MeasuredMetric, targetSize } from '../config/index.js';
import type { Split } from '../data/dataset.js';
import type { ExecutionReport } from '../engine/machine.js';
import type { SplitMetrics } from '../experiment/summary.js';
import { lossOf } from '../losses/index.js';
import type { Loss } from '../losses/loss.js';
import { accumulator } from '../metrics/index.js';
import type { Accumulator } from '../metrics/metric.js';
import { predictionsOf } from '../model/inputs.js';
import { BatchWriter } from './batch.js';
import type { PredictedSequence, Prediction, PredictionWatcher } from './predictions.js';
import { Readout } from './readout.js';
import {
  type ModelRun,
  planShards,
  type ShardGroup,
  type ShardJob,
  type ShardPool,
  startAnew,
} from './shards.js';

export interface Evaluation {
  readonly loss: number;
  /** By name; the loss is not among them. */
  readonly metrics: SplitMetrics;
  /** Predictions that counted. */
  readonly count: number;
}

/**
 * One batch is computed while the next is written and waits for the threads that are done first.
 */
const SLOTS = 2;

export interface EvaluationOptions {
  /** Aborted where the evaluation is to stop. */
  readonly signal?: AbortSignal | undefined;
  /** Told of each sequence of the split, in their order; but for those that an abort leaves out. */
  readonly watch?: PredictionWatcher;
}

/** A batch that is being computed: the sequences of the split from `from` on. */
interface Running {
  readonly slot: number;
  readonly from: number;
  readonly computed: Promise<ExecutionReport>;
}

export class Evaluator {
  private readonly shards: ShardGroup;
  private readonly job: ShardJob;
  private readonly loss: Loss;
  private report: ExecutionReport = { executor: null, fallbacks: [] };

  /** The parameters of `pool` are read anew at each evaluation. */
  constructor(
    pool: ShardPool,
    private readonly run: ModelRun,
    private readonly batchSize: number,
  ) {
    const { shards, job } = planShards(run, batchSize, false);
    this.job = job;
    this.loss = lossOf(run.loss);
    this.shards = pool.group(job, { shards, slots: SLOTS });
  }

  /** What executes the kernels; known after the first evaluation. */
  get execution(): ExecutionReport {
    return this.report;
  }

  /**
   * Compiles, by computing whatever the batch's memory holds. An evaluation does so by itself;
   * ahead of it, a run takes all the memory that it will need at its beginning.
   */
  async warmUp(): Promise<void> {
    await this.shards.compute(0);
  }

  /**
   * Means over the predictions of `split` that count, summed in float64 in the order of the data,
   * which is the same for any number of threads; null where `signal` is aborted before the last
   * batch.
   */
  async evaluate(split: Split, { signal, watch }: EvaluationOptions = {}): Promise<Evaluation | null> {
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
    const totals = new Totals(this.run, this.loss);
    const readout = new Readout(this.loss, split.targets);
    const finish = async ({ slot, from, computed }: Running) => {
      this.report = await computed;
      for (let index = from; index < Math.min(from + this.batchSize, split.count); index++) {
        const sequence = this.sequence(split, readout, index, { slot, at: index - from });
        totals.add(sequence);
        watch?.(sequence);
      }
    };
    for (const { carried } of this.shards.slots[0]) startAnew(carried);
    let before: Running | undefined;
    let from = 0;
    for (let slot = 0; from < split.count && !signal?.aborted; from += this.batchSize) {
      write(slot, from);
      const running = { slot, from, computed: this.shards.compute(slot) };
      // where the one before fails, that is what is thrown
      running.computed.catch(() => {});
      if (before) await finish(before);
      before = running;
      slot = 1 - slot;
    }
    if (before) await finish(before);
    return from < split.count ? null : totals.means();
  }

  /** What came out for sequence `index`, which is number `at` of the batch in `slot`. */
  private sequence(
    { lengths, id }: Split,
    readout: Readout,
    index: number,
    { slot, at }: { readonly slot: number; readonly at: number },
  ): PredictedSequence {
    const { spec, sequenceLength } = this.run;
    const { batch: rowsOfShard } = this.job.shape;
    const { rows, predictions, batch } = this.shards.slots[slot][Math.floor(at / rowsOfShard)];
    const width = spec.outputSize;
    const first = index * predictionsOf(spec, sequenceLength);
    const steps = predictionsOf(spec, lengths?.[index] ?? sequenceLength);
    const { weight } = batch.inputs;
    const told = Array.from({ length: steps }, (_, step): Prediction => {
      const i = step * rowsOfShard + (at % rowsOfShard);
      const outputs = predictions.subarray(i * width, (i + 1) * width);
      return {
        step,
        counts: weight[i] !== 0,
        loss: rows[i],
        outputs,
        point: readout.point(outputs),
        target: readout.target(first + step),
      };
    });
    return { index, ...(id && { id: id(index) }), predictions: told };
  }
}

class Totals {
  private loss = 0;
  private share = 0;
  private count = 0;
  private readonly outputSize: number;
  private readonly metrics: readonly (readonly [MeasuredMetric, Accumulator])[];

  constructor(
    { loss, metrics, spec }: ModelRun,
    private readonly of: Loss,
  ) {
    const { task } = lossFacts(loss);
    this.metrics = metrics.map(name => [name, accumulator(task, name, targetSize(loss, spec.outputSize))]);
    this.outputSize = spec.outputSize;
  }

  add({ predictions }: PredictedSequence): void {
    for (const prediction of predictions) {
      if (!prediction.counts) continue;
      this.loss += prediction.loss;
      this.share += this.of.share(this.outputSize, prediction.target[0]);
      this.count++;
      for (const [, metric] of this.metrics) metric.add(prediction);
    }
  }

  means(): Evaluation {
    const metrics = this.metrics.flatMap(([name, { value }]) => (value === undefined ? [] : [[name, value]]));
    return { loss: this.loss / this.share, metrics: Object.fromEntries(metrics), count: this.count };
  }
}
