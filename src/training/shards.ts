/**
 * The shards of a batch, each computed by one of a fixed number of threads. Parameters, inputs and results lie in memory
 * that the threads share; a message only says which shard is to be computed.
 */
import { Worker } from 'node:worker_threads';
import type { Backend } from '../engine/backend.js';
import type { Engine } from '../engine/index.js';
import { type LossName, losses } from '../losses/index.js';
import { ParameterLayout } from '../model/parameters.js';
import type { ModelSpec } from '../model/spec.js';
import { paddedSize } from '../optimizers/program.js';
import { shardRows } from './batch.js';
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

/** What a thread is started with. */
export interface WorkerStart {
  readonly job: ShardJob;
  readonly parameters: Float32Array;
  readonly memories: readonly ShardMemory[];
}

export type WorkerReply = { readonly report: ShardReport } | { readonly error: Error };

/** All shards of a batch. `compute` runs them and resolves when the last is done. */
export interface ShardGroup {
  readonly memories: readonly ShardMemory[];
  compute(): Promise<ShardReport>;
  close(): Promise<void>;
}

/** Shards in this thread, one after the other: for webgpu, which has threads of its own. */
export class LocalShards implements ShardGroup {
  private readonly computer: ShardComputer;

  constructor(
    engine: Engine,
    job: ShardJob,
    private readonly parameters: Float32Array,
    readonly memories: readonly ShardMemory[],
  ) {
    this.computer = new ShardComputer(engine, job);
  }

  async compute(): Promise<ShardReport> {
    let report: ShardReport = { executor: null, fallbacks: [] };
    for (const memory of this.memories) report = await this.computer.compute(this.parameters, memory);
    return report;
  }

  async close(): Promise<void> {}
}

/** Shards in worker threads; shard s always goes to thread s modulo the number of threads. */
export class ThreadedShards implements ShardGroup {
  private readonly workers: Worker[];

  constructor(
    job: ShardJob,
    parameters: Float32Array,
    readonly memories: readonly ShardMemory[],
    threads: number,
  ) {
    const start: WorkerStart = { job, parameters, memories };
    this.workers = Array.from(
      { length: Math.min(threads, memories.length) },
      () => new Worker(new URL('./worker.js', import.meta.url), { workerData: start }),
    );
    // idle threads don't keep the process
    for (const worker of this.workers) worker.unref();
  }

  async compute(): Promise<ShardReport> {
    const reports = await Promise.all(this.workers.map((worker, w) => this.ask(worker, w)));
    return { executor: reports[0].executor, fallbacks: reports.flatMap(report => report.fallbacks) };
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map(worker => worker.terminate()));
  }

  private ask(worker: Worker, w: number): Promise<ShardReport> {
    const mine = this.memories.map((_, s) => s).filter(s => s % this.workers.length === w);
    return new Promise((resolve, reject) => {
      const settle = () => {
        worker.unref();
        worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      };
      const onMessage = (reply: WorkerReply) => {
        settle();
        if ('error' in reply) reject(reply.error);
        else resolve(reply.report);
      };
      const onError = (error: Error) => {
        settle();
        reject(error);
      };
      const onExit = (code: number) => onError(new Error(`a computing thread ended with code ${code}`));
      worker.on('message', onMessage).on('error', onError).on('exit', onExit);
      worker.ref();
      worker.postMessage(mine);
    });
  }
}

/** How a batch of `batchSize` is cut for `run`, and what each shard computes. */
export function planShards(
  run: ModelRun,
  batchSize: number,
  withGradient: boolean,
): { shards: number; job: ShardJob } {
  const { backend, spec, loss, sequenceLength } = run;
  const { shards, rows } = shardRows(batchSize, backend !== 'webgpu');
  const variableLength = run.variableLength && spec.head === 'last';
  return {
    shards,
    job: { backend, spec, loss, shape: { batch: rows, sequenceLength, variableLength }, withGradient },
  };
}

/** Memory for `count` shards, and the threads that compute on it. */
export function startShards(
  engine: Engine,
  job: ShardJob,
  count: number,
  parameters: Float32Array,
  threads: number,
): ShardGroup {
  const memories = allocateShards(job, count);
  return job.backend === 'webgpu'
    ? new LocalShards(engine, job, parameters, memories)
    : new ThreadedShards(job, parameters, memories, threads);
}

/** A flat array for all parameters, padded to whole rows, that threads can share. */
export function allocateParameters({ size }: ParameterLayout): Float32Array {
  return sharedFloats(paddedSize(size));
}

function sharedFloats(size: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(size * Float32Array.BYTES_PER_ELEMENT));
}

function allocateShards(job: ShardJob, count: number): ShardMemory[] {
  const { spec, shape, loss } = job;
  const predictions = spec.head === 'every' ? shape.sequenceLength : 1;
  const perRow = losses[loss].target === 'class' ? 1 : spec.outputSize;
  return Array.from({ length: count }, () => ({
    batch: {
      x: sharedFloats(shape.sequenceLength * shape.batch * spec.inputSize),
      target: sharedFloats(predictions * shape.batch * perRow),
      weight: sharedFloats(predictions * shape.batch),
      ...(shape.variableLength && { ends: sharedFloats(shape.sequenceLength * shape.batch) }),
    },
    rows: sharedFloats(predictions * shape.batch),
    predictions: sharedFloats(predictions * shape.batch * spec.outputSize),
    gradient: sharedFloats(job.withGradient ? paddedSize(new ParameterLayout(spec).size) : 0),
  }));
}
