/** Chooses where the shards of a run are computed: in this thread or in worker threads. */
import type { Engine } from '../../engine/index.js';
import { type ExecutionReport, KernelMachine } from '../../engine/machine.js';
import { CalibrationKernel, calibrationProgram } from '../timing/calibration-kernel.js';
import {
  allocateShards,
  type GroupSize,
  type ModelRun,
  ShardComputer,
  type ShardGroup,
  type ShardJob,
  type ShardPool,
} from './shards.js';
import { ThreadPool } from './thread-pool.js';

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

/** Computes in this thread, regardless of the run's settings. */
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
      let report: ExecutionReport = { executor: null, fallbacks: [] };
      for (const memory of slots[slot]) report = await computer.compute(this.parameters, memory);
      return report;
    };
    let last: Promise<unknown> = Promise.resolve();
    const compute = (slot: number) => {
      const report = last.then(() => computeNow(slot));
      last = report.catch(() => {});
      return report;
    };
    return { slots, compute };
  }

  calibrate(): Promise<number> {
    return this.kernel.measure();
  }

  async close(): Promise<void> {}
}
