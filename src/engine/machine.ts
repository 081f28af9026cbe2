/** Runs the programs of a model's blocks in this thread; each is compiled once. */
import type { KeyedProgram } from '../math/graph/node.js';
import { EXECUTORS, type Executable } from './executable.js';
import type { Engine, Fallback } from './index.js';
import type { LinkedPlan } from './link.js';
import { LinkedExecutable, type LinkedRuntime } from './linked-executable.js';

type Arrays = Readonly<Record<string, Float32Array>>;

/** How programs were run, for the manifest and the log. */
export interface ExecutionReport {
  /** Null before the first run. */
  readonly executor: string | null;
  /** Kernels that ran gpu.js's own code instead of ours. */
  readonly fallbacks: readonly Fallback[];
  /** The kernel whose 256-bit code failed its check, if any. */
  readonly refuted?: string | undefined;
}

/** Compiles a program when it is first run. */
export class KernelMachine {
  private readonly compiled = new Map<string, Executable>();

  constructor(private readonly engine: Engine) {}

  get report(): ExecutionReport {
    const { backend, fallbacks, refuted } = this.engine;
    return { executor: this.compiled.size > 0 ? EXECUTORS[backend] : null, fallbacks, refuted };
  }

  allocate(size: number): Float32Array {
    return this.engine.heap.allocate(size);
  }

  /** As `Executable.run`. */
  run({ key, make }: KeyedProgram, values: Arrays, into: Arrays): Promise<Record<string, Float32Array>> {
    const executable = this.compiled.get(key) ?? this.engine.compile(make());
    this.compiled.set(key, executable);
    return executable.run(values, into);
  }
}

/** Runs programs that another thread has linked. */
export class LinkedMachine {
  private readonly linked = new Map<string, LinkedExecutable>();

  constructor(private readonly runtime: LinkedRuntime) {}

  /** The linking thread reports kernels that our compiler could not compile */
  get report(): ExecutionReport {
    return { executor: EXECUTORS.webasm, fallbacks: [] };
  }

  add(key: string, plan: LinkedPlan): void {
    this.linked.set(key, new LinkedExecutable(this.runtime, plan));
  }

  allocate(size: number): Float32Array {
    return this.runtime.heap.allocate(size);
  }

  /** As `LinkedExecutable.run`. */
  async run({ key }: KeyedProgram, values: Arrays, into: Arrays): Promise<Record<string, Float32Array>> {
    const executable = this.linked.get(key);
    if (!executable) throw new Error('a program was not sent to this thread');
    return executable.run(values, into);
  }
}
