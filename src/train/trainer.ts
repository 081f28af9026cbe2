/** A model in training and one optimizer step, without files or schedules. */
import type { Split } from '../data/core/dataset.js';
import type { Executable } from '../engine/executable.js';
import { sizeOf } from '../math/graph/shape.js';
import type { ParameterLayout } from '../math/model/parameters.js';
import { carriedStates } from '../math/model/walk.js';
import type { Optimizer } from '../math/optimizers/optimizer.js';
import { gradientSumProgram, paddedSize } from '../math/optimizers/program.js';
import type { Tensor } from '../run/safetensors.js';
import { Evaluator } from './evaluator.js';
import { ShardPool } from './pool.js';
import { loadBatch, type ModelRun, passOn, ShardedBatches, SLOTS, type SplitBatch } from './shards.js';
import { batchMetrics, type MetricSums, NO_METRICS } from './training-metrics.js';
import { clipFactor, createUpdater, gradientNorm, type Updater, WeightAverage } from './updater.js';

export interface TrainerOptions extends ModelRun {
  readonly train: Split;
  readonly batchSize: number;
  readonly gradientClipNorm?: number;
  readonly weightDecayOn?: 'all' | 'weights';
  /** Keep a moving average of the parameters; each update keeps this fraction of it. */
  readonly averageDecay?: number;
}

export interface PreparedBatch extends SplitBatch {
  readonly slot: number;
  /** True if the states carried from batch to batch start from zero. */
  readonly startsEpoch: boolean;
}

export interface StepResult {
  /** Mean loss over the batch's predictions. */
  readonly loss: number;
  readonly gradientNorm: number;
  /** False if the loss, gradient, updated parameters or optimizer state were not finite. */
  readonly updated: boolean;
  readonly metrics: MetricSums;
  /** Parameters whose gradient or update has a value that is not finite. */
  readonly notFinite: readonly string[];
}

export class Trainer {
  private readonly gradient: Float32Array;
  /** Undefined if there is only one shard. */
  private readonly gradientSum: Executable | undefined;
  private readonly averaged: WeightAverage | undefined;
  private readonly updater: Updater;
  private readonly batches: ShardedBatches;
  private evaluates: Evaluator | undefined;
  private slot = 0;

  private constructor(
    private readonly options: TrainerOptions,
    private readonly pool: ShardPool,
    makeUpdater: () => Updater,
  ) {
    const { engine, parameters, layout } = pool;
    this.gradient = engine.heap.allocate(parameters.length);
    const { averageDecay } = options;
    this.averaged =
      averageDecay === undefined ? undefined : new WeightAverage(parameters.length, averageDecay);
    // the pool's threads start while this one compiles
    this.batches = new ShardedBatches(pool, options, options.batchSize, true);
    this.updater = makeUpdater();
    const { length: shards } = this.batches.shards(0);
    if (shards > 1) this.gradientSum = engine.compile(gradientSumProgram(layout.size, shards));
  }

  /** `pool` is closed with the trainer. */
  static async create<S>(
    options: TrainerOptions,
    optimizer: Optimizer<S>,
    settings: S,
    pool?: ShardPool,
  ): Promise<Trainer> {
    const own = pool ?? (await ShardPool.open(options));
    const { layout, engine } = own;
    const decayed = options.weightDecayOn === 'weights' ? weightMask(layout) : undefined;
    const makeUpdater = () => createUpdater(engine, optimizer, settings, layout.size, decayed);
    return new Trainer(options, own, makeUpdater);
  }

  get layout(): ParameterLayout {
    return this.pool.layout;
  }

  get parameters(): Float32Array {
    return this.pool.parameters;
  }

  get optimizerState(): Readonly<Record<string, Float32Array>> {
    return this.updater.state;
  }

  get average(): Float32Array | undefined {
    return this.averaged?.values;
  }

  /** Until the returned function is called. No step may be running. */
  useAverage(): () => void {
    if (this.average === undefined) return () => {};
    const trained = this.parameters.slice();
    this.parameters.set(this.average);
    return () => this.parameters.set(trained);
  }

  /** The kernel whose 256-bit code failed its check, if any. */
  get refuted(): string | undefined {
    return this.pool.engine.refuted;
  }

  /** For optimizer step `step`, from 1, at most one ahead of the running one. */
  async prepare(indices: Uint32Array, step: number, startsEpoch: boolean): Promise<PreparedBatch> {
    this.slot = (this.slot + 1) % SLOTS;
    const { slot } = this;
    // copied: the order may overwrite its indices with the next epoch's before the step runs
    const batch = await loadBatch(this.options.train, indices.slice());
    this.batches.write(slot, batch, step);
    return { ...batch, slot, startsEpoch };
  }

  /** `update` counts from 1 without skipped steps. A skipped update changes nothing. */
  async step(batch: PreparedBatch, update: number, learningRate: number): Promise<StepResult> {
    const { batches } = this;
    if (batch.startsEpoch) batches.resetStates();
    await batches.compute(batch.slot);
    const loss = batches.loss(batch.slot);
    await this.sumGradients();
    const norm = gradientNorm(this.gradient);
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
      const notFinite = this.notFiniteIn([this.gradient]);
      return { loss, gradientNorm: norm, updated: false, metrics: NO_METRICS, notFinite };
    }
    const scale = clipFactor(norm, this.options.gradientClipNorm);
    const bad = await this.updater.apply(this.parameters, this.gradient, {
      step: update,
      learningRate,
      scale,
    });
    const updated = bad.length === 0;
    if (updated) {
      this.averaged?.add(this.parameters, update);
      for (const { carried } of batches.shards(0)) passOn(carried);
    }
    const metrics = updated ? batchMetrics(batches, batch) : NO_METRICS;
    return { loss, gradientNorm: norm, updated, metrics, notFinite: this.notFiniteIn(bad) };
  }

  /** Initial states of the next batch by name, [B, size]; empty unless the model carries them. */
  get carriedStates(): ReadonlyMap<string, Tensor> {
    const shards = this.batches.shards(0).map(({ carried }) => carried.before);
    return new Map(
      carriedStates(this.options.spec).map(({ name, size }) => {
        const rows = shards.flatMap(states => [...states[name]]);
        const shape = [this.options.batchSize, size];
        // without the rows that fill up the last shard
        return [name, { dtype: 'F32', shape, data: Float32Array.from(rows.slice(0, sizeOf(shape))) }];
      }),
    );
  }

  restoreCarriedStates(states: ReadonlyMap<string, Tensor>): void {
    this.batches.shards(0).forEach(({ carried }, shard) => {
      for (const [name, before] of Object.entries(carried.before)) {
        const { data } = states.get(name) as { data: Float32Array };
        before.set(data.subarray(shard * before.length, (shard + 1) * before.length));
      }
    });
  }

  evaluator(batchSize: number): Evaluator {
    if (this.evaluates?.batchSize !== batchSize)
      this.evaluates = new Evaluator(this.pool, this.options, batchSize);
    return this.evaluates;
  }

  /** Milliseconds of the calibration kernel on the threads that train. No step may be running. */
  calibrate(): Promise<number> {
    return this.pool.calibrate(this.batches.shards(0).length);
  }

  close(): Promise<void> {
    return this.pool.close();
  }

  private notFiniteIn(arrays: readonly Float32Array[]): string[] {
    return this.layout.parameters
      .filter(({ offset, size }) =>
        arrays.some(array => !array.subarray(offset, offset + size).every(Number.isFinite)),
      )
      .map(({ name }) => name);
  }

  /** Sums in shard order, so byte-identical for any number of threads. */
  private async sumGradients(): Promise<void> {
    const { gradient, gradientSum } = this;
    const parts = this.batches.shards(0).map(memory => memory.gradient);
    if (gradientSum) {
      const values = Object.fromEntries(parts.map((part, s) => [`shard.${s}`, part]));
      await gradientSum.run(values, { gradient });
    } else gradient.set(parts[0]);
  }
}

/** 1 for each element of a matrix, 0 for biases and gains; padded to whole rows. */
function weightMask(layout: ParameterLayout): Float32Array {
  const mask = new Float32Array(paddedSize(layout.size));
  for (const { shape, offset, size } of layout.parameters)
    if (shape.length > 1) mask.fill(1, offset, offset + size);
  return mask;
}
