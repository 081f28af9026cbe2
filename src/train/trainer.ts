/** A model in training and one optimizer step, without files or schedules. */

import type { Split } from '../data/core/dataset.js';
import type { Executable, Value } from '../engine/backend.js';
import type { Engine } from '../engine/index.js';
import type { ArrayOperations } from '../math/graph/arrays.js';
import { sizeOf } from '../math/graph/shape.js';
import { taskOf } from '../math/losses/index.js';
import { trainedMetrics } from '../math/metrics/index.js';
import type { ParameterLayout } from '../math/model/parameters.js';
import { carriedStates } from '../math/model/walk.js';
import type { ElementFactors, Optimizer } from '../math/optimizers/optimizer.js';
import { gradientSumProgram, paddedSize, TOTAL, updateProgram } from '../math/optimizers/program.js';
import type { Tensor } from '../run/safetensors.js';
import { readoutOf } from '../tasks/readouts.js';
import { Evaluator } from './evaluator.js';
import type { ParameterGroups } from './groups.js';
import { ShardPool } from './pool.js';
import { loadBatch, type ModelRun, passOn, ShardedBatches, SLOTS, type SplitBatch } from './shards.js';
import { dividedLogits } from './weights.js';

export interface TrainerOptions extends ModelRun {
  readonly train: Split;
  readonly batchSize: number;
  readonly gradientClipNorm?: number | undefined;
  readonly groups?: ParameterGroups;
  /** Keep a moving average of the parameters; each update keeps this fraction of it. */
  readonly averageDecay?: number | undefined;
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
  /** The sum over the shards; of a single one, its own. */
  private readonly gradient: Float32Array;
  /** Undefined if there is only one shard. */
  private readonly gradientSum: Executable | undefined;
  readonly average: Float32Array | undefined;
  /** The parameters while their average is used. */
  private trained: Float32Array | undefined;
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
    const { averageDecay } = options;
    this.average = averageDecay === undefined ? undefined : engine.heap.allocate(parameters.length);
    // the pool's threads start while this one compiles
    this.batches = new ShardedBatches(pool, options, options.batchSize, true);
    this.updater = makeUpdater();
    const { length: shards, 0: shard } = this.batches.shards(0);
    this.gradient = shards > 1 ? engine.heap.allocate(parameters.length) : shard.gradient;
    if (shards > 1) this.gradientSum = engine.compile(gradientSumProgram(layout.size, shards));
  }

  /** `pool` is closed with the trainer. */
  static async create<S>(
    options: TrainerOptions,
    optimizer: Optimizer<S>,
    settings: S,
    pool?: ShardPool,
  ): Promise<Trainer> {
    const shardPool = pool ?? (await ShardPool.open(options));
    const { layout, engine } = shardPool;
    const factors = options.groups?.factors;
    const makeUpdater = () => createUpdater(engine, optimizer, settings, layout.size, factors);
    return new Trainer(options, shardPool, makeUpdater);
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

  /** Until the returned function is called. No step may be running. */
  useAverage(): () => void {
    const { average, parameters, arrays } = this;
    if (average === undefined) return () => {};
    this.trained ??= this.pool.engine.heap.allocate(parameters.length);
    const { trained } = this;
    arrays.copy(parameters, trained);
    arrays.copy(average, parameters);
    return () => arrays.copy(trained, parameters);
  }

  /** Shows the state of the training to this thread: a GPU has it in its own memory. */
  read(): Promise<void> {
    return this.arrays.read(...this.state);
  }

  /** Trains with the state that this thread has written. */
  write(): void {
    this.arrays.write(...this.state);
  }

  writeWeights(): void {
    this.arrays.write(...this.weights);
  }

  /** Divides the logits of the weights that are evaluated, and of no other ones. */
  async divideLogits(temperatures: readonly number[]): Promise<void> {
    await this.read();
    const flat = this.average ?? this.parameters;
    const named = (name: string) => this.layout.parameters.find(parameter => parameter.name === name)!;
    const data = (name: string) => this.layout.read(named(name), flat);
    const weights = new Map(
      this.layout.parameters.map(({ name, shape }) => [
        name,
        { dtype: 'F32', shape, data: data(name) } as const,
      ]),
    );
    for (const [name, { data }] of dividedLogits(weights, temperatures))
      this.layout.write(named(name), Float32Array.from(data as Float32Array), flat);
    this.writeWeights();
  }

  private get weights(): Float32Array[] {
    return [this.parameters, ...(this.average ? [this.average] : [])];
  }

  private get state(): Float32Array[] {
    const carried = this.batches.shards(0).flatMap(shard => Object.values(shard.carried.before));
    return [...this.weights, ...Object.values(this.optimizerState), ...carried];
  }

  private get arrays(): ArrayOperations<Float32Array> {
    return this.pool.arrays;
  }

  /** Why vectors are narrower than they could be, if they are. */
  get narrowed(): string | undefined {
    return this.pool.engine.narrowed;
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
    const { batches, arrays, gradient, parameters, average } = this;
    const { averageDecay, gradientClipNorm } = this.options;
    if (batch.startsEpoch) batches.resetStates();
    await batches.compute(batch.slot);
    await this.sumGradients();
    const clipping = arrays.clip(gradient, gradientClipNorm);
    const { scale } = clipping;
    const proposed = await this.updater.propose(parameters, gradient, { step: update, learningRate, scale });
    const isMeasured = measuredIn(batches.model).length > 0;
    const results = batches
      .shards(batch.slot)
      .flatMap(({ rows, predictions }) => (isMeasured ? [rows, predictions] : [rows]));
    await arrays.read(proposed.total, ...clipping.values, ...results);
    const loss = batches.loss(batch.slot);
    const norm = clipping.norm();
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
      await arrays.read(gradient);
      const notFinite = this.notFiniteIn([gradient]);
      return { loss, gradientNorm: norm, updated: false, metrics: NO_METRICS, notFinite };
    }
    const bad = await proposed.notFinite();
    const updated = bad.length === 0;
    if (updated) {
      proposed.accept();
      // like torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn
      if (average && update === 1) arrays.copy(parameters, average);
      else if (average) arrays.approach(parameters, average, 1 - averageDecay!);
      for (const { carried } of batches.shards(0)) passOn(arrays, carried);
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
    const values = Object.fromEntries(parts.map((part, s) => [`shard.${s}`, part]));
    await gradientSum?.run(values, { gradient });
    for (const { offset, size } of this.options.groups?.frozen ?? []) {
      this.arrays.fill(gradient.subarray(offset, offset + size), 0);
    }
  }
}

export type Updater = ReturnType<typeof createUpdater>;

/**
 * @param size parameters without padding
 * @param factors of each element; padded
 */
export function createUpdater<S>(
  engine: Engine,
  optimizer: Optimizer<S>,
  settings: S,
  size: number,
  factors: ElementFactors<Float32Array> = {},
) {
  const names = Object.keys(factors) as (keyof typeof factors)[];
  const program = updateProgram(optimizer, settings, size, names);
  const executable = engine.compile(program);
  const { arrays, heap } = engine;
  const ofHeap = (values: Float32Array) => {
    const copy = heap.allocate(values.length);
    copy.set(values);
    arrays.write(copy);
    return copy;
  };
  const placed = Object.fromEntries(names.map(name => [name, ofHeap(factors[name]!)]));
  const state = Object.fromEntries(
    optimizer.state(settings).map(name => [name, heap.allocate(paddedSize(size))]),
  );
  return {
    /** The optimizer's buffers by name, each flat and padded like the parameters. */
    state,

    /**
     * Computes the update of `parameter` and the state with `gradient` times `scale`. All arrays
     * are flat and padded to whole rows (`paddedSize`); `step` is 1 for the first update. No other
     * program may run before the update is accepted.
     */
    async propose(
      parameter: Float32Array,
      gradient: Float32Array,
      { step, learningRate, scale }: { step: number; learningRate: number; scale: Value },
    ) {
      const values: Record<string, Value> = {
        ...optimizer.scalars(settings, step, learningRate),
        ...placed,
        gradient_scale: scale,
        parameter,
        gradient,
      };
      for (const [name, buffer] of Object.entries(state)) values[`state.${name}`] = buffer;
      const { [TOTAL]: total, ...out } = await executable.run(values);
      const results = Object.values(out);
      return {
        /** Finite only if the update is; to be read first. */
        total,

        async notFinite(): Promise<readonly Float32Array[]> {
          if (isFiniteThroughout(total)) return [];
          // the total may overflow float32 although no result does
          await arrays.read(...results);
          return results.filter(array => !isFiniteThroughout(array));
        },

        accept(): void {
          arrays.copy(out.parameter, parameter);
          for (const [name, buffer] of Object.entries(state)) arrays.copy(out[`state.${name}`], buffer);
        },
      };
    },
  };
}

/** A sum is finite only if every term is; sums of float32 do not overflow float64. */
function isFiniteThroughout(values: Float32Array): boolean {
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < values.length; i += 4) {
    a += values[i];
    b += values[i + 1];
    c += values[i + 2];
    d += values[i + 3];
  }
  return Number.isFinite(a + b + (c + d));
}

/** Sums over predictions; the metrics are their means. */
export interface MetricSums {
  readonly sums: Readonly<Record<string, number>>;
  readonly predictions: number;
}

export const NO_METRICS: MetricSums = { sums: {}, predictions: 0 };

/** The metrics that need the predictions of a training step. */
export function measuredIn({ loss, metrics }: Pick<ModelRun, 'loss' | 'metrics'>) {
  return trainedMetrics(taskOf(loss), metrics);
}

/** Summed in batch order, so byte-identical for any number of threads and shards. */
function batchMetrics(batches: ShardedBatches, batch: PreparedBatch): MetricSums {
  const metrics = measuredIn(batches.model);
  if (metrics.length === 0) return NO_METRICS;
  const readout = readoutOf(batches.model, batch.split.targets);
  const sums = metrics.map(() => 0);
  let predictions = 0;
  batch.indices.forEach((_, row) => {
    for (const { at, counts, outputs } of batches.predictions(batch.slot, batch, row)) {
      if (!counts) continue;
      const scored = readout.scored(outputs, at);
      for (let m = 0; m < sums.length; m++) sums[m] += metrics[m][1](scored);
      predictions++;
    }
  });
  return { sums: Object.fromEntries(metrics.map(([name], m) => [name, sums[m]])), predictions };
}
