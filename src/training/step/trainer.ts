/** A model in training: its parameters and one optimizer step. Knows no files and no schedule. */
import type { Split } from '../../data/dataset.js';
import { range } from '../../data/selection.js';
import type { Executable } from '../../engine/executable.js';
import { Engine } from '../../engine/index.js';
import type { ExecutionReport } from '../../engine/machine.js';
import type { Tensor } from '../../experiment/checkpoints/safetensors.js';
import { sizeOf } from '../../graph/shape.js';
import { ParameterLayout } from '../../model/parameters.js';
import { carriedStates } from '../../model/walk.js';
import type { Optimizer } from '../../optimizers/optimizer.js';
import { gradientSumProgram, paddedSize } from '../../optimizers/program.js';
import { Evaluator } from '../evaluation/evaluator.js';
import { WeightAverage } from './average.js';
import { BatchWriter } from './batch.js';
import { BatchMetrics, type MetricSums, NO_METRICS } from './batch-metrics.js';
import { createPool } from './pool.js';
import {
  allocateParameters,
  type ModelRun,
  passOn,
  planShards,
  type ShardGroup,
  type ShardPool,
  startAnew,
} from './shards.js';
import { clipFactor, gradientNorm, Updater } from './updater.js';

export interface TrainerOptions extends ModelRun {
  readonly train: Split;
  readonly batchSize: number;
  readonly gradientClipNorm?: number;
  /** What weight decay applies to; all parameters by default. */
  readonly weightDecayOn?: 'all' | 'weights';
  /** Keep an average of the parameters, of which each update keeps this share. */
  readonly averageDecay?: number;
}

export interface TrainerParts {
  readonly engine?: Engine;
  readonly makePool?: typeof createPool;
}

/** One batch is computed while the next is written. */
const SLOTS = 2;

/** A batch that has been written; good for one step. */
export interface PreparedBatch {
  /** Its sequences, and the split that they belong to. */
  readonly indices: Uint32Array;
  readonly split: Split;
  readonly slot: number;
  /** Whether states that are carried from batch to batch start from zero. */
  readonly startsEpoch: boolean;
}

export interface StepResult {
  /** Mean loss over the batch's predictions. */
  readonly loss: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  /**
   * Whether the update was made: not where loss, gradient, updated parameters or optimizer state
   * are not finite.
   */
  readonly updated: boolean;
  /** Of the batch, before the update; empty if none was made. */
  readonly metrics: MetricSums;
  /**
   * Parameters whose gradient, or whose update, has a value that is not finite; looked for only
   * where no update was made.
   */
  readonly notFinite: readonly string[];
}

export class Trainer {
  readonly layout: ParameterLayout;
  /** Flat, padded to whole rows. */
  readonly parameters: Float32Array;
  private readonly gradient: Float32Array;
  /** Undefined if there is only one shard. */
  private readonly gradientSum: Executable | undefined;
  private readonly averaged: WeightAverage | undefined;
  private readonly updater: Updater;
  private readonly pool: ShardPool;
  private readonly shards: ShardGroup;
  private readonly writer: BatchWriter;
  private readonly measured: BatchMetrics;
  private slot = 0;
  private report: ExecutionReport = { executor: null, fallbacks: [] };

  private constructor(
    private readonly options: TrainerOptions,
    private readonly engine: Engine,
    makePool: typeof createPool,
    makeUpdater: () => Updater,
  ) {
    this.layout = new ParameterLayout(options.spec);
    this.parameters = allocateParameters(this.layout, engine.heap);
    this.gradient = engine.heap.allocate(this.parameters.length);
    const { averageDecay } = options;
    this.averaged =
      averageDecay === undefined ? undefined : new WeightAverage(this.parameters.length, averageDecay);
    const { shards, job } = planShards(options, options.batchSize, true);
    this.pool = makePool(engine, options, this.parameters);
    // its threads start while this one compiles
    this.shards = this.pool.group(job, { shards, slots: SLOTS });
    this.updater = makeUpdater();
    if (shards > 1) this.gradientSum = engine.compile(gradientSumProgram(this.layout.size, shards));
    this.measured = new BatchMetrics(options, job.shape.batch);
    this.writer = new BatchWriter(options.spec, options.loss, job.shape, options.seed);
  }

  /** `engine` is closed with the trainer; `makePool` decides who computes the shards. */
  static async create<S>(
    options: TrainerOptions,
    optimizer: Optimizer<S>,
    settings: S,
    { engine, makePool = createPool }: TrainerParts = {},
  ): Promise<Trainer> {
    const own = engine ?? (await Engine.start(options.backend, { width: options.width }));
    const layout = new ParameterLayout(options.spec);
    const decayed = options.weightDecayOn === 'weights' ? weightMask(layout) : undefined;
    const makeUpdater = () => Updater.create(own, optimizer, settings, layout.size, decayed);
    return new Trainer(options, own, makePool, makeUpdater);
  }

  get optimizerState(): Readonly<Record<string, Float32Array>> {
    return this.updater.state;
  }

  /** The average of the parameters, laid out like them; undefined if none is kept. */
  get average(): Float32Array | undefined {
    return this.averaged?.values;
  }

  /**
   * Runs `work` with the average of the parameters in their place, or as they are if none is kept.
   * No step may be under way.
   */
  async withAverage<T>(work: () => Promise<T>): Promise<T> {
    if (this.average === undefined) return work();
    const trained = this.parameters.slice();
    this.parameters.set(this.average);
    try {
      return await work();
    } finally {
      this.parameters.set(trained);
    }
  }

  /**
   * What executes the kernels, and the kernels that gpu.js's own code runs; known after the first
   * step.
   */
  get execution(): ExecutionReport {
    return this.report;
  }

  /**
   * Writes the sequences `indices` as the batch of optimizer step `step`, from 1 and counting those
   * that are skipped; at most one ahead of the step under way. Sequences on the disk are read
   * meanwhile.
   * @throws UserError exit 2 or 5 if they cannot be read
   */
  async prepare(indices: Uint32Array, step: number, startsEpoch: boolean): Promise<PreparedBatch> {
    this.slot = (this.slot + 1) % SLOTS;
    const { slot } = this;
    const { train } = this.options;
    const loaded = await train.load?.(indices);
    const split = loaded ?? train;
    // the order may write the next epoch over its own before the step is made
    const written = loaded ? range(loaded.count) : indices.slice();
    this.writer.write(
      split,
      written,
      this.shards.slots[slot].map(memory => memory.batch),
      step,
    );
    return { split, indices: written, slot, startsEpoch };
  }

  /**
   * One optimizer step; `update` is 1 for the first, and goes on from the last that was made.
   * Nothing is changed if none is made.
   */
  async step(
    { split, indices, slot, startsEpoch }: PreparedBatch,
    update: number,
    learningRate: number,
  ): Promise<StepResult> {
    const shards = this.shards.slots[slot];
    if (startsEpoch) for (const { carried } of shards) startAnew(carried);
    this.report = await this.shards.compute(slot);
    const loss = this.weightedLoss(slot);
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
      for (const { carried } of shards) passOn(carried);
    }
    const metrics = updated ? this.measured.of(split, indices, shards) : NO_METRICS;
    return { loss, gradientNorm: norm, updated, metrics, notFinite: this.notFiniteIn(bad) };
  }

  /**
   * The states that the next batch starts with, by name, [B, size] each; none unless the model
   * carries them over.
   */
  get carriedStates(): ReadonlyMap<string, Tensor> {
    const shards = this.shards.slots[0].map(({ carried }) => carried.before);
    return new Map(
      carriedStates(this.options.spec).map(({ name, size }) => {
        const rows = shards.flatMap(states => [...states[name]]);
        const shape = [this.options.batchSize, size];
        // rows that only fill up the last shard are left out
        return [name, { dtype: 'F32', shape, data: Float32Array.from(rows.slice(0, sizeOf(shape))) }];
      }),
    );
  }

  /** Puts back what `carriedStates` was. */
  restoreCarriedStates(states: ReadonlyMap<string, Tensor>): void {
    this.shards.slots[0].forEach(({ carried }, shard) => {
      for (const [name, before] of Object.entries(carried.before)) {
        const { data } = states.get(name) as { data: Float32Array };
        before.set(data.subarray(shard * before.length, (shard + 1) * before.length));
      }
    });
  }

  /** An evaluator of this model as it is at each evaluation. */
  evaluator(batchSize: number): Evaluator {
    return new Evaluator(this.pool, this.options, batchSize);
  }

  /** Milliseconds of the calibration kernel where training computes. No step may be under way. */
  calibrate(): Promise<number> {
    return this.pool.calibrate(this.shards.slots[0].length);
  }

  async close(): Promise<void> {
    await this.pool.close();
    await this.engine.close();
  }

  /** Names of the parameters at whose places one of `arrays`, laid out like them, is not finite. */
  private notFiniteIn(arrays: readonly Float32Array[]): string[] {
    return this.layout.parameters
      .filter(({ offset, size }) =>
        arrays.some(array => !array.subarray(offset, offset + size).every(Number.isFinite)),
      )
      .map(({ name }) => name);
  }

  private weightedLoss(slot: number): number {
    let loss = 0;
    for (const { rows, batch } of this.shards.slots[slot]) {
      const { weight } = batch.inputs;
      for (let i = 0; i < rows.length; i++) {
        // a row that fills up the batch weighs nothing, whatever came out of it
        if (weight[i] !== 0) loss += rows[i] * weight[i];
      }
    }
    return loss;
  }

  /**
   * In the order of the shards, whoever computed them: the same bytes for any number of threads.
   */
  private async sumGradients(): Promise<void> {
    const { gradient, gradientSum } = this;
    const parts = this.shards.slots[0].map(memory => memory.gradient);
    if (gradientSum) {
      const values = Object.fromEntries(parts.map((part, s) => [`shard.${s}`, part]));
      await gradientSum.run(values, { gradient });
    } else gradient.set(parts[0]);
  }
}

/**
 * 1 for each element of a matrix, 0 for biases and the gains of layer normalization; flat and
 * padded.
 */
function weightMask(layout: ParameterLayout): Float32Array {
  const mask = new Float32Array(paddedSize(layout.size));
  for (const { shape, offset, size } of layout.parameters)
    if (shape.length > 1) mask.fill(1, offset, offset + size);
  return mask;
}
