/** Loss and metric of a model over a split, in batches; one is written while another is computed. */
import { inDataUnits, type Split } from '../data/index.js';
import type { SplitMetrics } from '../experiment/summary.js';
import { losses } from '../losses/index.js';
import { meanDivisor } from '../losses/loss.js';
import { predictionsOf } from '../model/inputs.js';
import { BatchWriter } from './batch.js';
import type { PredictedSequence, Prediction, PredictionWatcher } from './predictions.js';
import {
  type ModelRun,
  planShards,
  type ShardGroup,
  type ShardJob,
  type ShardPool,
  type ShardReport,
  startAnew,
} from './shards.js';

export interface Evaluation {
  readonly loss: number;
  /** By name; the loss is not among them. */
  readonly metrics: SplitMetrics;
  /** Predictions that counted. */
  readonly count: number;
}

/** One batch is computed while the next is written and waits for the threads that are done first. */
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
   * Means over the predictions of `split` that count, summed in float64 in the order of the data, which is the same for any number of
   * threads; null where `signal` is aborted before the last batch.
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
    const totals = new Totals(this.run);
    const finish = async ({ slot, from, computed }: Running) => {
      this.report = await computed;
      for (let index = from; index < Math.min(from + this.batchSize, split.count); index++) {
        const sequence = this.sequence(split, index, { slot, at: index - from });
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
    split: Split,
    index: number,
    { slot, at }: { readonly slot: number; readonly at: number },
  ): PredictedSequence {
    const { spec, loss, sequenceLength } = this.run;
    const { lengths, targets } = split;
    const { batch: rowsOfShard } = this.job.shape;
    const { rows, predictions, batch } = this.shards.slots[slot][Math.floor(at / rowsOfShard)];
    const width = spec.outputSize;
    const targetWidth = losses[loss].targetWidth(width) ?? 1;
    const steps = predictionsOf(spec, lengths?.[index] ?? sequenceLength);
    const { weight, target } = batch.inputs;
    const scaling = targets.kind === 'value' ? targets.scaling : undefined;
    const told = Array.from({ length: steps }, (_, step): Prediction => {
      const i = step * rowsOfShard + (at % rowsOfShard);
      return {
        step,
        counts: weight[i] !== 0,
        loss: rows[i],
        values: inDataUnits(predictions.subarray(i * width, (i + 1) * width), scaling),
        target: inDataUnits(target.subarray(i * targetWidth, (i + 1) * targetWidth), scaling),
      };
    });
    return { index, ...(split.id && { id: split.id(index) }), predictions: told };
  }
}

class Totals {
  private loss = 0;
  private metric = 0;
  private count = 0;

  constructor(private readonly run: ModelRun) {}

  add({ predictions }: PredictedSequence): void {
    const { metric } = losses[this.run.loss];
    for (const { counts, loss, values, target } of predictions) {
      if (!counts) continue;
      this.loss += loss;
      this.metric += metric.of(values, target);
      this.count++;
    }
  }

  means(): Evaluation {
    const { loss, spec } = this.run;
    return {
      loss: this.loss / meanDivisor(losses[loss], this.count, spec.outputSize),
      metrics: { [losses[loss].metric.name]: this.metric / this.count },
      count: this.count,
    };
  }
}
