/** Programs computed by kernels: each is compiled when it is first run, and kept. */
import type { Program } from '../graph/node.js';
import type { Executable } from './executable.js';
import type { Engine } from './index.js';

export class KernelMachine {
  private readonly compiled = new Map<string, Executable>();

  constructor(private readonly engine: Engine) {}

  /** gpu.js's name for what executes the programs; null before the first has run. */
  get executor(): string | null {
    return [...this.compiled.values()].find(executable => executable.executor)?.executor ?? null;
  }

  allocate(size: number): Float32Array {
    return new Float32Array(size);
  }

  /**
   * Runs the program of `key`, which `make` makes the first time; results are the caller's to keep.
   */
  run(
    key: string,
    make: () => Program,
    values: Readonly<Record<string, Float32Array>>,
  ): Promise<Record<string, Float32Array>> {
    let executable = this.compiled.get(key);
    if (!executable) {
      executable = this.engine.compile(make());
      this.compiled.set(key, executable);
    }
    return executable.run(values);
  }
}
