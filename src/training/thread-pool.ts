/**
 * Worker threads that compute shards. Parameters, inputs and results lie in memory that the threads share; a message only says
 * which shards of which group are to be computed.
 */
import { Worker } from 'node:worker_threads';
import type { Backend } from '../engine/backend.js';
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
  | { readonly group: number; readonly slot: number; readonly shards: readonly number[] }
  | { readonly calibrate: Backend };

/** What it answers: a report to a request for shards, milliseconds to one for calibration, nothing to a job. */
export type WorkerReply = { readonly answer: ShardReport | number } | { readonly error: Error };

/**
 * A computing thread makes little garbage, and its large arrays lie outside this. The default lets each thread keep fifty megabytes
 * of it before looking.
 */
const YOUNG_GENERATION_MB = 8;

export class ThreadPool implements ShardPool {
  private readonly computers: Computer[] = [];
  private readonly setups: WorkerRequest[] = [];

  /** At most `threads` threads; only those are started that a group has shards for. */
  constructor(
    private readonly parameters: Float32Array,
    private readonly threads: number,
    private readonly backend: Backend,
  ) {}

  /** Shard s of a group always goes to thread s modulo the number of threads, which keeps its caches. */
  group(job: ShardJob, size: GroupSize): ShardGroup {
    const slots = allocateShards(job, size);
    const setup: WorkerRequest = { group: this.setups.length, job, slots };
    for (const computer of this.computers) computer.setUp(setup);
    this.setups.push(setup);
    while (this.computers.length < Math.min(this.threads, size.shards)) this.computers.push(this.start());
    return { slots, compute: slot => this.compute(setup.group, slot, size.shards) };
  }

  async calibrate(shards: number): Promise<number> {
    const busy = this.computers.slice(0, shards);
    const request = { calibrate: this.backend };
    return Math.max(...(await Promise.all(busy.map(computer => computer.ask<number>(request)))));
  }

  async close(): Promise<void> {
    await Promise.all(this.computers.map(computer => computer.terminate()));
  }

  private start(): Computer {
    const computer = new Computer(this.parameters);
    for (const setup of this.setups) computer.setUp(setup);
    return computer;
  }

  private async compute(group: number, slot: number, count: number): Promise<ShardReport> {
    const threads = Math.min(this.computers.length, count);
    const shares = Array.from({ length: threads }, (_, w) =>
      Array.from({ length: count }, (_, s) => s).filter(s => s % threads === w),
    );
    const reports = await Promise.all(
      shares.map((shards, w) => this.computers[w].ask<ShardReport>({ group, slot, shards })),
    );
    return { executor: reports[0].executor, fallbacks: reports.flatMap(report => report.fallbacks) };
  }
}

interface Waiting {
  resolve(answer: ShardReport | number): void;
  reject(error: Error): void;
}

/** A thread that answers its requests in their order, several of which may be under way. */
class Computer {
  private readonly waiting: Waiting[] = [];
  private readonly worker: Worker;

  constructor(parameters: Float32Array) {
    this.worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: parameters,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    this.worker.unref(); // an idle thread does not keep the process
    this.worker.on('message', (reply: WorkerReply) => {
      const one = this.waiting.shift();
      if (this.waiting.length === 0) this.worker.unref();
      if ('error' in reply) one?.reject(reply.error);
      else one?.resolve(reply.answer);
    });
    this.worker.on('error', error => this.fail(error));
    this.worker.on('exit', code => this.fail(new Error(`a computing thread ended with code ${code}`)));
  }

  setUp(setup: WorkerRequest): void {
    this.worker.postMessage(setup);
  }

  /** `T` is what the thread answers to such a request. */
  ask<T extends ShardReport | number>(request: WorkerRequest): Promise<T> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve: answer => resolve(answer as T), reject });
      this.worker.ref();
      this.worker.postMessage(request);
    });
  }

  async terminate(): Promise<void> {
    await this.worker.terminate();
  }

  private fail(error: Error): void {
    this.worker.unref();
    for (const one of this.waiting.splice(0)) one.reject(error);
  }
}
