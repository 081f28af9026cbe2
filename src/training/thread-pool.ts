/**
 * Worker threads that compute shards. Parameters, inputs and results lie in memory that the threads share; a message only says
 * which shards of which group are to be computed.
 */
import { Worker } from 'node:worker_threads';
import {
  allocateShards,
  type GroupSize,
  type ShardGroup,
  type ShardJob,
  type ShardPool,
  type ShardReport,
} from './shards.js';

/** What a thread is told. */
export type WorkerRequest =
  | { readonly group: number; readonly job: ShardJob; readonly slots: ShardGroup['slots'] }
  | { readonly group: number; readonly slot: number; readonly shards: readonly number[] };

/** What it answers to a request for shards. */
export type WorkerReply = { readonly report: ShardReport } | { readonly error: Error };

/**
 * A computing thread makes little garbage, and its large arrays lie outside this. The default lets each thread keep fifty megabytes
 * of it before looking.
 */
const YOUNG_GENERATION_MB = 8;

export class ThreadPool implements ShardPool {
  private readonly workers: Worker[] = [];
  private readonly setups: WorkerRequest[] = [];

  /** At most `threads` threads; only those are started that a group has shards for. */
  constructor(
    private readonly parameters: Float32Array,
    private readonly threads: number,
  ) {}

  /** Shard s of a group always goes to thread s modulo the number of threads, which keeps its caches. */
  group(job: ShardJob, size: GroupSize): ShardGroup {
    const slots = allocateShards(job, size);
    const setup: WorkerRequest = { group: this.setups.length, job, slots };
    for (const worker of this.workers) worker.postMessage(setup);
    this.setups.push(setup);
    while (this.workers.length < Math.min(this.threads, size.shards)) this.workers.push(this.start());
    return { slots, compute: slot => this.compute(setup.group, slot, size.shards) };
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map(worker => worker.terminate()));
  }

  private start(): Worker {
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: this.parameters,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    worker.unref(); // an idle thread does not keep the process
    for (const setup of this.setups) worker.postMessage(setup);
    return worker;
  }

  private async compute(group: number, slot: number, count: number): Promise<ShardReport> {
    const threads = Math.min(this.workers.length, count);
    const shares = Array.from({ length: threads }, (_, w) =>
      Array.from({ length: count }, (_, s) => s).filter(s => s % threads === w),
    );
    const reports = await Promise.all(
      shares.map((shards, w) => ask(this.workers[w], { group, slot, shards })),
    );
    return { executor: reports[0].executor, fallbacks: reports.flatMap(report => report.fallbacks) };
  }
}

function ask(worker: Worker, request: WorkerRequest): Promise<ShardReport> {
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
    worker.postMessage(request);
  });
}
