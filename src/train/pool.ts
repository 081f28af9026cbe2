/** Computes shards in this thread, or in worker threads that share all arrays with it. */
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
  type ShardMemory,
  type ShardPool,
  type ShardSpans,
} from './shards.js';
import { CalibrationKernel, calibrationProgram } from './timing.js';

let inThreads = true;

/** For tests: a thread takes longer to start than a test's run takes to train. */
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

export type WorkerRequest =
  | { readonly group: number; readonly job: ShardJob; readonly slots: readonly (readonly ShardSpans[])[] }
  | { readonly group: number; readonly plans: readonly (readonly [key: string, plan: LinkedPlan])[] }
  | { readonly group: number; readonly slot: number; readonly shards: readonly number[] }
  | { readonly calibrate: LinkedPlan | undefined };

/** The reply to a request for shards (null), or for calibration (milliseconds). */
export type WorkerReply = { readonly result: number | null } | { readonly error: Error };

/** With Node's default, each thread would keep 50 MB of garbage before collecting. */
const YOUNG_GENERATION_MB = 8;

export class ThreadPool implements ShardPool {
  private readonly computers: Computer[] = [];
  private groups = 0;

  /** Uses at most `threads` threads, and starts only as many as a group has shards. */
  constructor(
    private readonly engine: Engine,
    private readonly parameters: Float32Array,
    private readonly threads: number,
  ) {}

  /** Shard s of a group always goes to the same thread, so that its data stay cached. */
  group(job: ShardJob, size: GroupSize): ShardGroup {
    const { heap, links } = this.engine;
    const slots = allocateShards(job, size, heap);
    const group = this.groups++;
    const count = Math.min(this.threads, size.shards);
    while (this.computers.length < count) this.computers.push(this.start());
    const own = this.computers.slice(0, count);
    const shares = own.map((_, w) => [...slots[0].keys()].filter(s => s % count === w));
    const post = (request: WorkerRequest) => {
      for (const computer of own) computer.post(request);
    };
    post({ group, job, slots: slots.map(shards => shards.map(memory => describeShard(memory, heap))) });
    const known = new Set<string>();
    const compute = async (slot: number) => {
      // compiles the programs for the steps of the batch, once for all threads
      const missing = links ? programsOf(job, slots[slot]).filter(({ key }) => !known.has(key)) : [];
      for (const { key } of missing) known.add(key);
      const plans = missing.map(({ key, make }) => [key, this.engine.link(make())] as const);
      if (plans.length > 0) post({ group, plans });
      await Promise.all(own.map((computer, w) => computer.ask({ group, slot, shards: shares[w] })));
    };
    return { slots, compute };
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
    return new Computer({ backend, links, memory: heap.memory, parameters });
  }
}

/** The shards of a batch have the same number of steps. */
function programsOf({ spec, loss, shape, withGradient }: ShardJob, [{ batch }]: readonly ShardMemory[]) {
  return batchPrograms(spec, lossOf(loss), shape, batch.steps[0], withGradient);
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

  /** A closing thread must end: otherwise code that awaits it would never run. */
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
