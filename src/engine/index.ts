/** What the rest of the program uses of the engine. */
import type { GPU } from 'gpu.js';
import type { Program } from '../graph/node.js';
import type { Backend } from './backend.js';
import { type Executable, PipelineExecutable } from './executable.js';
import { gpuLibrary, installWebGpu } from './gpu.js';
import { Heap } from './heap.js';
import { type LinkedPlan, linkPlan } from './link.js';
import { LinkedExecutable, LinkedRuntime } from './linked-executable.js';
import { makePlan } from './plan.js';
import { simdKernelClass } from './simd/kernel.js';
import { machineTarget, type Target } from './simd/target.js';

/** A kernel that runs gpu.js's own code instead of ours, and why. */
export interface Fallback {
  readonly source: string;
  readonly reason: string;
}

export interface EngineOptions {
  /** The memory that programs compute in; one of its own by default. */
  readonly heap?: Heap;
  /** What kernels are compiled for on webasm; what suits this machine by default. */
  readonly target?: Target;
}

/** gpu.js opened on one backend; compiles programs until it is closed. */
export class Engine {
  /**
   * Whether engines that start from now on run gpu.js's own code in its own pipelines on webasm too:
   * a benchmark compares with it.
   */
  static asShipped = false;

  private readonly open = new Set<Executable>();
  private readonly runtime: LinkedRuntime;
  private readonly linked = new WeakMap<Program, LinkedPlan>();
  readonly fallbacks: Fallback[] = [];

  private constructor(
    readonly backend: Backend,
    readonly heap: Heap,
    private readonly gpu: GPU,
    /** Whether programs are linked: compiled once, and run over the heap by any thread. */
    readonly links: boolean,
  ) {
    this.runtime = new LinkedRuntime(heap);
  }

  static async start(backend: Backend, { heap = new Heap(), target }: EngineOptions = {}): Promise<Engine> {
    if (backend === 'webgpu') await installWebGpu();
    const { GPU } = gpuLibrary();
    const gpu = new GPU({ mode: backend });
    const engine = new Engine(backend, heap, gpu, backend === 'webasm' && !Engine.asShipped);
    if (engine.links) {
      const kernel = simdKernelClass(target ?? machineTarget(), (source, reason) =>
        engine.fallbacks.push({ source, reason }),
      );
      Object.assign(gpu, { Kernel: kernel });
    }
    return engine;
  }

  compile(program: Program): Executable {
    if (this.links) {
      const linked = new LinkedExecutable(this.runtime, this.link(program));
      return {
        run: async (values, into) => linked.run(values, into),
        destroy: async () => {},
      };
    }
    const executable = new PipelineExecutable(this.gpu, this.backend, makePlan(program));
    this.open.add(executable);
    return executable;
  }

  /** The program compiled for the heap; only if the engine `links`. */
  link(program: Program): LinkedPlan {
    const plan = this.linked.get(program) ?? linkPlan(this.gpu, makePlan(program));
    this.linked.set(program, plan);
    return plan;
  }

  /** Releases all compiled programs and, on webgpu, the device: the process can end. */
  async close(): Promise<void> {
    for (const executable of this.open) await executable.destroy();
    this.open.clear();
    await this.gpu.destroy();
  }
}
