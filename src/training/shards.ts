/**
 * The shards of a batch: what each computes, the memory that it works on, and who computes it. Which thread that is changes no
 * result; the number of shards would, so it depends on the batch size alone.
 */
import type { MeasuredMetric } from '../config/index.js';
import type { Backend } from '../engine/backend.js';
import type { Engine } from '../engine/index.js';
import { KernelMachine } from '../engine/machine.js';
import { type LossSettings, lossOf } from '../losses/index.js';
import { declaredInputs, predictionsOf, widthOf } from '../model/inputs.js';
import { ParameterLayout } from '../model/parameters.js';
import type { ModelSpec } from '../model/spec.js';
import { carriedStates, ScheduleWalk, type WalkShape } from '../model/walk.js';
import { paddedSize } from '../optimizers/program.js';
import { evaluationShards, type ShardRows, trainingShards } from './batch.js';

/** A model, and where it runs. */
export interface ModelRun {
  readonly backend: Backend;
  readonly threads: number;
  readonly spec: ModelSpec;
  readonly loss: LossSettings;
  /** What evaluations measure beside the loss. */
  readonly metrics: readonly MeasuredMetric[];
  /** The experiment's; decides what dropout drops. */
  readonly seed: number;
  /** T. */
  readonly sequenceLength: number;
  /** Whether any split has sequences of different lengths. */
  readonly variableLength: boolean;
}

/** The size of a shard and of its sequences. */
export type ShardShape = WalkShape;

/** What to compute, everything a thread needs to know to compile it. */
export interface ShardJob {
  readonly backend: Backend;
  readonly spec: ModelSpec;
  readonly loss: LossSettings;
  readonly shape: ShardShape;
  readonly withGradient: boolean;
}

/**
 * What one shard computes on. Rows of weight 0 count for nothing: they fill up a last partial
 * batch.
 */
export interface ShardBatch {
  /** The model's declared inputs by name, each for all steps of the longest sequence. */
  readonly inputs: Readonly<Record<string, Float32Array>>;
  /** [1]: the steps of this batch. */
  readonly steps: Int32Array;
}

/**
 * States that pass from batch to batch, by name: those that the next batch starts with, and those
 * that the last one ended with.
 */
export interface CarriedStates {
  readonly before: Readonly<Record<string, Float32Array>>;
  readonly after: Readonly<Record<string, Float32Array>>;
}

/** The memory of one shard. */
export interface ShardMemory {
  readonly batch: ShardBatch;
  /** [S, B]. */
  readonly rows: Float32Array;
  /** [S, B, C]. */
  readonly predictions: Float32Array;
  /** Flat and padded like the parameters; empty without gradients. */
  readonly gradient: Float32Array;
  readonly carried: CarriedStates;
}

/** How the work was done, for the manifest and the log. */
export interface ShardReport {
  readonly executor: string | null;
  /** Kernels that ran gpu.js's own code instead of ours, and why. */
  readonly fallbacks: readonly { readonly source: string; readonly reason: string }[];
}

/** Computes one shard in this thread. */
export class ShardComputer {
  private readonly machine: KernelMachine;
  private readonly walk: ScheduleWalk<Float32Array>;

  constructor(
    private readonly engine: Engine,
    private readonly job: ShardJob,
  ) {
    this.machine = new KernelMachine(engine);
    this.walk = new ScheduleWalk(job.spec, lossOf(job.loss), job.shape, this.machine);
  }

  async compute(parameters: Float32Array, memory: ShardMemory): Promise<ShardReport> {
    const { rows, predictions, gradient, carried } = memory;
    const batch = { steps: memory.batch.steps[0], inputs: memory.batch.inputs, states: carried.before };
    const result = { rows, predictions, states: carried.after };
    gradient.fill(0);
    if (this.job.withGradient) await this.walk.addGradient(parameters, batch, result, gradient);
    else {
      await this.walk.evaluate(parameters, batch, result);
      // training keeps the states of a batch only if its update is made; an evaluation always goes
      // on from them
      passOn(carried);
    }
    return { executor: this.machine.executor, fallbacks: this.engine.fallbacks };
  }
}

/** Makes the states that a batch ended with those that the next one starts with. */
export function passOn({ before, after }: CarriedStates): void {
  for (const [name, state] of Object.entries(before)) state.set(after[name]);
}

/** Makes the next batch start from zero. */
export function startAnew({ before }: CarriedStates): void {
  for (const state of Object.values(before)) state.fill(0);
}

/** The shards of one kind of batch, each with as many batches and their results as there are slots. */
export interface ShardGroup {
  /**
   * By slot, then by shard; a shard's slots share one gradient, and the states that pass from batch
   * to batch.
   */
  readonly slots: readonly (readonly ShardMemory[])[];
  /**
   * Computes all shards of `slot` and resolves when the last is done. Slots are computed in the order in which they are asked for;
   * a thread that is done with one begins the next without waiting for the others.
   */
  compute(slot: number): Promise<ShardReport>;
}

export interface GroupSize {
  readonly shards: number;
  readonly slots: number;
}

/** Where shards are computed; all groups work with the same parameters, which are read anew each time. */
export interface ShardPool {
  group(job: ShardJob, plan: GroupSize): ShardGroup;
  /**
   * Milliseconds of the calibration kernel, run at once by as many threads as compute that many `shards`: those of the slowest, for
   * which a training step would wait. Nothing else may be under way.
   */
  calibrate(shards: number): Promise<number>;
  close(): Promise<void>;
}

/** How a batch of `batchSize` is cut for `run`, and what each shard computes. */
export function planShards(
  run: ModelRun,
  batchSize: number,
  withGradient: boolean,
): { shards: number; job: ShardJob } {
  const { backend, threads, spec, loss, sequenceLength, variableLength } = run;
  const { shards, rows } = cut(backend, threads, batchSize, withGradient);
  const shape = { batch: rows, sequenceLength, variableLength, training: withGradient };
  return { shards, job: { backend, spec, loss, shape, withGradient } };
}

function cut(backend: Backend, threads: number, batchSize: number, withGradient: boolean): ShardRows {
  // a GPU divides the work by itself
  if (backend === 'webgpu') return { shards: 1, rows: batchSize };
  return withGradient ? trainingShards(batchSize) : evaluationShards(batchSize, threads);
}

/** A flat array for all parameters, padded to whole rows, that threads can share. */
export function allocateParameters({ size }: ParameterLayout): Float32Array {
  return sharedFloats(paddedSize(size));
}

function sharedFloats(size: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(size * Float32Array.BYTES_PER_ELEMENT));
}

/** Memory that threads can share. */
export function allocateShards(job: ShardJob, { shards, slots }: GroupSize): ShardMemory[][] {
  const { spec, shape } = job;
  const predictions = predictionsOf(spec, shape.sequenceLength);
  const parameters = job.withGradient ? paddedSize(new ParameterLayout(spec).size) : 0;
  const shared = Array.from({ length: shards }, () => ({
    gradient: sharedFloats(parameters),
    carried: { before: allocateStates(job), after: allocateStates(job) },
  }));
  return Array.from({ length: slots }, () =>
    shared.map(one => ({
      batch: allocateBatch(job),
      rows: sharedFloats(predictions * shape.batch),
      predictions: sharedFloats(predictions * shape.batch * spec.outputSize),
      ...one,
    })),
  );
}

function allocateStates({ spec, shape }: ShardJob): Record<string, Float32Array> {
  return Object.fromEntries(
    carriedStates(spec).map(({ name, size }) => [name, sharedFloats(shape.batch * size)]),
  );
}

function allocateBatch({ spec, shape, loss }: ShardJob): ShardBatch {
  const steps = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  steps[0] = shape.sequenceLength;
  const inputs = declaredInputs(spec, lossOf(loss), shape).map(input => {
    const count = input.per === 'step' ? shape.sequenceLength : predictionsOf(spec, shape.sequenceLength);
    return [input.name, sharedFloats(count * shape.batch * widthOf(input))];
  });
  return { steps, inputs: Object.fromEntries(inputs) };
}
