/** What the rest of the program uses of the engine. */
import type { GPU } from 'gpu.js';
import type { Program } from '../graph/node.js';
import type { Backend } from './backend.js';
import { Executable } from './executable.js';
import { gpuLibrary, installWebGpu } from './gpu.js';
import { makePlan } from './plan.js';
import { simdKernelClass } from './simd/kernel.js';

/** gpu.js opened on one backend; compiles programs until it is closed. */
export class Engine {
  private readonly open = new Set<Executable>();
  /** Kernels that run gpu.js's own code instead of ours, and why. */
  readonly fallbacks: { readonly source: string; readonly reason: string }[] = [];

  private constructor(
    readonly backend: Backend,
    private readonly gpu: GPU,
  ) {}

  static async start(backend: Backend): Promise<Engine> {
    if (backend === 'webgpu') await installWebGpu();
    const { GPU } = gpuLibrary();
    const gpu = new GPU({ mode: backend });
    const engine = new Engine(backend, gpu);
    if (backend === 'webasm') {
      const kernel = simdKernelClass((source, reason) => engine.fallbacks.push({ source, reason }));
      Object.assign(gpu, { Kernel: kernel });
    }
    return engine;
  }

  compile(program: Program): Executable {
    const executable = new Executable(this.gpu, this.backend, makePlan(program));
    this.open.add(executable);
    return executable;
  }

  /** Releases all compiled programs and, on webgpu, the device: the process can end. */
  async close(): Promise<void> {
    for (const executable of this.open) await executable.destroy();
    this.open.clear();
    await this.gpu.destroy();
  }
}
