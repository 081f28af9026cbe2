/**
 * Where the shards of a run are computed: in this thread, or in worker threads that share
 * parameters, inputs and results with it. A message only names the shards to compute.
 */
import { Worker } from 'node:worker_threads';
import type { Backend } from '../engine/backend-names.js';
import type { HeapSpan } from '../engine/heap.js';
import type { Engine } from '../engine/index.js';
import type { LinkedPlan } from '../engine/link.js';
import { KernelMachine } from '../engine/machine.js';
import type { WasmMemory } from '../engine/web-assembly.js';
import { lossOf } from '../math/losses/index.js';
import { batchPrograms } from '../math/model/walk.js';
import { programFile } from '../util/root.js';
import {
  allocateShards,
  describeShard,
  type GroupSize,
  type ModelRun,
  ShardComputer,
  type ShardGroup,
  type ShardJob,
  type ShardPool,
  type ShardSpans,
} from './shards.js';
import { CalibrationKernel, calibrationProgram } from './timing.js';

let inThreads = true;

/**
 * Sets whether later runs compute in worker threads; returns the previous setting. For tests: a
 * thread takes longer to start than a test's run takes to train. Results are byte-identical.
 */
export function computeInThreads(isOn: boolean): boolean {
  const before = inThreads;
  inThreads = isOn;
  return before;
}

/** Worker threads for `run`, or this thread: webgpu has threads of its own. */
export function createPool(engine: Engine, run: ModelRun, parameters: Float32Array): ShardPool {
  return run.backend === 'webgpu' || !inThreads
    ? new LocalPool(engine, parameters)
    : new ThreadPool(engine, parameters, run.threads);
}

export function createLocalPool(engine: Engine, _run: ModelRun, parameters: Float32Array): ShardPool {
  return new LocalPool(engine, parameters);
}

class LocalPool implements ShardPool {
  private readonly kernel: CalibrationKernel;

  constructor(
    private readonly engine: Engine,
    private readonly parameters: Float32Array,
  ) {
    this.kernel = new CalibrationKernel(engine.backend, engine.compile(calibrationProgram()));
  }

  group(job: ShardJob, size: GroupSize): ShardGroup {
    const slots = allocateShards(job, size, this.engine.heap);
    const computer = new ShardComputer(new KernelMachine(this.engine), job);
    const computeNow = async (slot: number) => {
      for (const memory of slots[slot]) await computer.compute(this.parameters, memory);
    };
    let last: Promise<unknown> = Promise.resolve();
    const compute = (slot: number) => {
      const computed = last.then(() => computeNow(slot));
      last = computed.catch(() => {});
      return computed;
    };
    return { slots, compute };
  }

  calibrate(): Promise<number> {
    return this.kernel.measure();
  }

  async close(): Promise<void> {}
}

export interface WorkerSetup {
  readonly backend: Backend;
  /** True if the thread is sent linked programs; otherwise it compiles them itself. */
  readonly links: boolean;
  readonly memory: WasmMemory;
  readonly parameters: HeapSpan;
}

export interface LinkedPrograms {
  readonly group: number;
  readonly plans: readonly (readonly [key: string, plan: LinkedPlan])[];
}

export type WorkerRequest =
  | { readonly group: number; readonly job: ShardJob; readonly slots: readonly (readonly ShardSpans[])[] }
  | LinkedPrograms
  | { readonly group: number; readonly slot: number; readonly shards: readonly number[] }
  | { readonly calibrate: LinkedPlan | undefined };

/** The reply to a request for shards (null), or for calibration (milliseconds). */
export type WorkerReply = { readonly result: number | null } | { readonly error: Error };

/**
 * A computing thread creates little garbage, and its large arrays are outside this heap. With
 * Node's default, each thread would keep 50 MB of garbage before collecting.
 */
const YOUNG_GENERATION_MB = 8;

export class ThreadPool implements ShardPool {
  private readonly computers: Computer[] = [];
  /** Messages posted to every thread, repeated for threads that start later. */
  private readonly posted: WorkerRequest[] = [];
  private groups = 0;

  /** Uses at most `threads` threads, and starts only as many as a group has shards. */
  constructor(
    private readonly engine: Engine,
    private readonly parameters: Float32Array,
    private readonly threads: number,
  ) {}

  /**
   * Shard s of a group always goes to thread s modulo the number of threads, so its data stay
   * cached.
   */
  group(job: ShardJob, size: GroupSize): ShardGroup {
    const { heap } = this.engine;
    const slots = allocateShards(job, size, heap);
    const group = this.groups++;
    const described = slots.map(shards => shards.map(memory => describeShard(memory, heap)));
    this.post({ group, job, slots: described });
    while (this.computers.length < Math.min(this.threads, size.shards)) this.computers.push(this.start());
    const known = new Set<string>();
    const compute = (slot: number) => {
      for (const { batch } of slots[slot]) this.provide(group, job, batch.steps[0], known);
      return this.compute(group, slot, size.shards);
    };
    return { slots, compute };
  }

  /** Compiles the programs for a batch of `steps` steps, once for all threads. */
  private provide(group: number, job: ShardJob, steps: number, known: Set<string>): void {
    if (!this.engine.links) return;
    const { spec, loss, shape, withGradient } = job;
    const programs = batchPrograms(spec, lossOf(loss), shape, steps, withGradient);
    const missing = programs.filter(({ key }) => !known.has(key));
    if (missing.length === 0) return;
    for (const { key } of missing) known.add(key);
    this.post({ group, plans: missing.map(({ key, make }) => [key, this.engine.link(make())]) });
  }

  private post(request: WorkerRequest): void {
    for (const computer of this.computers) computer.post(request);
    this.posted.push(request);
  }

  async calibrate(shards: number): Promise<number> {
    const busy = this.computers.slice(0, shards);
    const { engine } = this;
    const request = { calibrate: engine.links ? engine.link(calibrationProgram()) : undefined };
    const times = await Promise.all(busy.map(computer => computer.ask(request)));
    return Math.max(...times.map(Number));
  }

  async close(): Promise<void> {
    await Promise.all(this.computers.map(computer => computer.terminate()));
  }

  private start(): Computer {
    const { backend, links, heap } = this.engine;
    const parameters = heap.spanOf(this.parameters) as HeapSpan;
    const computer = new Computer({ backend, links, memory: heap.memory, parameters });
    for (const request of this.posted) computer.post(request);
    return computer;
  }

  private async compute(group: number, slot: number, count: number): Promise<void> {
    const threads = Math.min(this.computers.length, count);
    const shares = Array.from({ length: threads }, (_, w) =>
      Array.from({ length: count }, (_, s) => s).filter(s => s % threads === w),
    );
    await Promise.all(shares.map((shards, w) => this.computers[w].ask({ group, slot, shards })));
  }
}

interface Waiting {
  resolve(result: number | null): void;
  reject(error: Error): void;
}

/** A worker thread. It handles requests in order; several may be pending. */
class Computer {
  private readonly waiting: Waiting[] = [];
  private readonly worker: Worker;
  /** Why the thread has ended; later requests are rejected with this. */
  private ended: Error | undefined;
  private isClosing = false;

  constructor(setup: WorkerSetup) {
    this.worker = new Worker(programFile('train/worker.js'), {
      workerData: setup,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    this.worker.unref(); // an idle thread does not keep the process alive
    this.worker.on('message', (reply: WorkerReply) => {
      const one = this.waiting.shift();
      if (this.waiting.length === 0) this.rest();
      if ('error' in reply) one?.reject(reply.error);
      else one?.resolve(reply.result);
    });
    this.worker.on('error', error => this.fail(error));
    this.worker.on('messageerror', error => this.fail(error));
    this.worker.on('exit', code => this.fail(new Error(`a computing thread ended with code ${code}`)));
  }

  post(request: WorkerRequest): void {
    this.worker.postMessage(request);
  }

  ask(request: WorkerRequest): Promise<number | null> {
    return new Promise((resolve, reject) => {
      if (this.ended !== undefined) return reject(this.ended);
      this.waiting.push({ resolve, reject });
      this.worker.ref();
      this.worker.postMessage(request);
    });
  }

  async terminate(): Promise<void> {
    this.isClosing = true;
    await this.worker.terminate();
  }

  /**
   * Called when no request is pending. A closing thread keeps the process alive until it has ended:
   * otherwise code that awaits its end, such as printing an error, would never run.
   */
  private rest(): void {
    if (!this.isClosing) this.worker.unref();
  }

  private fail(error: Error): void {
    // an 'exit' event, which says less, follows an 'error' event
    this.ended ??= error;
    this.rest();
    for (const one of this.waiting.splice(0)) one.reject(error);
  }
}
