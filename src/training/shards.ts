/**
 * The shards of a batch: what each computes, the memory that it works on, and who computes it. Which thread that is changes no
 * result; the number of shards would, so it depends on the batch size alone.
 */
import type { Backend } from '../engine/backend.js';
import type { Engine } from '../engine/index.js';
import { type LossName, losses } from '../losses/index.js';
import { ParameterLayout } from '../model/parameters.js';
import type { ModelSpec } from '../model/spec.js';
import { paddedSize } from '../optimizers/program.js';
import { evaluationShards, type ShardRows, trainingShards } from './batch.js';
import { Shard, type ShardBatch, type ShardShape } from './shard.js';

/** A model, and where it runs. */
export interface ModelRun {
  readonly backend: Backend;
  readonly threads: number;
  readonly spec: ModelSpec;
  readonly loss: LossName;
  /** T. */
  readonly sequenceLength: number;
  /** Whether any split has sequences of different lengths. */
  readonly variableLength: boolean;
}

/** What to compute, everything a thread needs to know to compile it. */
export interface ShardJob {
  readonly backend: Backend;
  readonly spec: ModelSpec;
  readonly loss: LossName;
  readonly shape: ShardShape;
  readonly withGradient: boolean;
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
}

/** How the work was done, for the manifest and the log. */
export interface ShardReport {
  readonly executor: string | null;
  /** Kernels that ran gpu.js's own code instead of ours, and why. */
  readonly fallbacks: readonly { readonly source: string; readonly reason: string }[];
}

/** Computes one shard in this thread. */
export class ShardComputer {
  private readonly shard: Shard;

  constructor(
    private readonly engine: Engine,
    private readonly job: ShardJob,
  ) {
    this.shard = new Shard(engine, job.spec, job.loss, job.shape);
  }

  async compute(parameters: Float32Array, memory: ShardMemory): Promise<ShardReport> {
    const { batch, gradient } = memory;
    gradient.fill(0);
    const result = this.job.withGradient
      ? await this.shard.addGradient(parameters, batch, gradient)
      : await this.shard.evaluate(parameters, batch);
    memory.rows.set(result.rows);
    memory.predictions.set(result.predictions);
    return { executor: this.shard.executor, fallbacks: this.engine.fallbacks };
  }
}

/** The shards of one kind of batch, each with as many batches and their results as there are slots. */
export interface ShardGroup {
  /** By slot, then by shard; a shard's slots share one gradient. */
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
  const { backend, threads, spec, loss, sequenceLength } = run;
  const { shards, rows } = cut(backend, threads, batchSize, withGradient);
  const variableLength = run.variableLength && spec.head === 'last';
  return {
    shards,
    job: { backend, spec, loss, shape: { batch: rows, sequenceLength, variableLength }, withGradient },
  };
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
  const predictions = spec.head === 'every' ? shape.sequenceLength : 1;
  const gradients = Array.from({ length: shards }, () =>
    sharedFloats(job.withGradient ? paddedSize(new ParameterLayout(spec).size) : 0),
  );
  return Array.from({ length: slots }, () =>
    gradients.map(gradient => ({
      batch: allocateBatch(job, predictions),
      rows: sharedFloats(predictions * shape.batch),
      predictions: sharedFloats(predictions * shape.batch * spec.outputSize),
      gradient,
    })),
  );
}

function allocateBatch({ spec, shape, loss }: ShardJob, predictions: number): ShardBatch {
  const perRow = losses[loss].target === 'class' ? 1 : spec.outputSize;
  return {
    x: sharedFloats(shape.sequenceLength * shape.batch * spec.inputSize),
    target: sharedFloats(predictions * shape.batch * perRow),
    weight: sharedFloats(predictions * shape.batch),
    ...(shape.variableLength && { ends: sharedFloats(shape.sequenceLength * shape.batch) }),
  };
}
