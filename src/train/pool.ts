/** Computes shards in worker threads that share all arrays with this thread, or in this thread. */

import { Engine } from '../engine/index.js';
import { keptSize } from '../engine/plan.js';
import { decodingShape, stepOf } from '../math/decoding/decoder.js';
import type { ArrayOperations } from '../math/graph/arrays.js';
import { lossOf } from '../math/losses/index.js';
import { ParameterLayout } from '../math/model/parameters.js';
import { batchPrograms } from '../math/model/runs.js';
import { paddedSize } from '../math/optimizers/program.js';
import { mayUseThreads, Thread } from '../util/thread.js';
import {
  allocateShards,
  decoderSettings,
  type ModelRun,
  type ShardComputers,
  type ShardGroup,
  type ShardJob,
  type ShardMemory,
  type ShardRequest,
  ShardServer,
  SLOTS,
  sizeOf,
  type ThreadSetup,
} from './shards.js';
import { CALIBRATION } from './timing.js';

export interface PoolOptions {
  /** Closed with the pool; by default a new one. */
  readonly engine?: Engine;
  /** Whether to compute in this thread. */
  readonly isLocal?: boolean;
}

/** The parameters of a model, and what computes its shards with them. */
export class ShardPool implements ShardComputers {
  readonly layout: ParameterLayout;
  /** Flat, padded to whole rows. */
  readonly parameters: Float32Array;
  private readonly computers: ShardComputing[] = [];
  private own: ShardComputing | undefined;
  private groups = 0;

  private constructor(
    readonly engine: Engine,
    private readonly run: ModelRun,
    private readonly isLocal: boolean,
  ) {
    this.layout = new ParameterLayout(run.spec);
    this.parameters = engine.heap.allocate(paddedSize(this.layout.size));
  }

  get arrays(): ArrayOperations<Float32Array> {
    return this.engine.arrays;
  }

  static async open(
    run: ModelRun,
    { engine, isLocal = !mayUseThreads() }: PoolOptions = {},
  ): Promise<ShardPool> {
    const started = engine ?? (await Engine.start(run.backend, run));
    // webgpu has threads of its own
    return new ShardPool(started, run, isLocal || run.backend === 'webgpu');
  }

  /**
   * Uses at most `run.threads` threads, and starts only as many as a group has shards. Shard s of a
   * group always goes to the same thread, so that its data stay cached. A small one alone stays in
   * this thread, whose cache has the parameters.
   */
  group(job: ShardJob, shards: number): ShardGroup {
    const slots = allocateShards(job, { shards, slots: SLOTS }, this.engine.heap);
    const group = this.groups++;
    const isOwn = this.isLocal || (this.engine.links && shards === 1 && isSmall(job, this.layout));
    const count = isOwn ? 1 : Math.min(this.run.threads, shards);
    while (!isOwn && this.computers.length < count) this.computers.push(this.start());
    const computers = isOwn ? [this.ownComputer] : this.computers.slice(0, count);
    const links = this.engine.links && !isOwn;
    const shardsOf = computers.map((_, w) => [...slots[0].keys()].filter(s => s % count === w));
    const askAll = (request: ShardRequest) => Promise.all(computers.map(computer => computer.ask(request)));
    const opened = askAll({ group, job, slots });
    // the first computation throws it
    opened.catch(() => {});
    const known = new Set<string>();
    const sizes = new Set<string>();
    const compute = async (slot: number) => {
      // compiles the programs for the steps of the batch, once for all threads
      const size = slots[slot][0].batch.steps.join();
      const needed = links && !sizes.has(size) ? programsOf(job, slots[slot]) : [];
      const missing = needed.filter(({ key }) => !known.has(key));
      sizes.add(size);
      for (const { key } of missing) known.add(key);
      const plans = missing.map(({ key, make }) => [key, this.engine.link(make())] as const);
      await Promise.all([
        opened,
        plans.length > 0 && askAll({ group, plans }),
        ...computers.map((computer, w) => computer.ask({ group, slot, shards: shardsOf[w] })),
      ]);
    };
    return { slots, compute };
  }

  /** The slowest thread's milliseconds of the calibration kernel. Nothing else may be running. */
  async calibrate(shards: number): Promise<number> {
    const threads = this.computers.slice(0, shards);
    const isOwn = threads.length === 0;
    const plan = this.engine.links && !isOwn ? this.engine.link(CALIBRATION.make()) : undefined;
    const busy = isOwn ? [this.ownComputer] : threads;
    const times = await Promise.all(busy.map(computer => computer.ask({ calibrate: plan })));
    return Math.max(...times.map(Number));
  }

  async close(): Promise<void> {
    await Promise.all(this.computers.map(computer => computer.end()));
    await this.engine.close();
  }

  /** Computes in this thread. */
  private get ownComputer(): ShardComputing {
    const { engine, parameters } = this;
    this.own ??= serving(new ShardServer(engine.backend, engine.runtime, parameters, async () => engine));
    return this.own;
  }

  private start(): ShardComputing {
    const { engine, parameters } = this;
    // threads are sent linked programs; otherwise each of them compiles them
    const { backend, heap, links } = engine;
    const setup: ThreadSetup = { backend, links, memory: heap.memory, parameters };
    return new Thread<ShardRequest, number | null>('train/worker.js', setup);
  }
}

/** Multiply-adds of a forward pass that take less than some milliseconds on webasm. */
const MOST_OWN_WORK = 2 ** 24;

/** Whether signals and timers of a thread can wait for `job`: decoding may take seconds. */
function isSmall({ decode, shape }: ShardJob, { size }: ParameterLayout): boolean {
  return decode === undefined && size * shape.batch * shape.sequenceLength <= MOST_OWN_WORK;
}

function serving(server: ShardServer): ShardComputing {
  return { ask: request => server.handle(request), end: async () => {} };
}

/** The shards of a batch have the same number of steps. */
function programsOf(job: ShardJob, [{ batch }]: readonly ShardMemory[]) {
  const { spec, shape, withGradient } = job;
  const loss = lossOf(job.loss);
  const size = sizeOf(batch);
  const settings = decoderSettings(job);
  return [
    ...batchPrograms(spec, loss, shape, size, withGradient, keptSize),
    ...(settings ? batchPrograms(spec, loss, decodingShape(shape, settings), stepOf(size.steps), false) : []),
  ];
}

/** Handles requests in order; several may be pending. */
interface ShardComputing {
  ask(request: ShardRequest): Promise<number | null>;
  end(): Promise<unknown>;
}
