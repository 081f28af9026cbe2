/** Machines that run the programs of a model's blocks in this thread. */
import type { KeyedProgram } from '../math/graph/node.js';
import type { Executable } from './executable.js';
import type { Engine } from './index.js';
import type { LinkedPlan } from './link.js';
import { LinkedExecutable, type LinkedRuntime } from './linked-executable.js';

type Arrays = Readonly<Record<string, Float32Array>>;

export class KernelMachine {
  private readonly compiled = new Map<string, Executable>();

  constructor(private readonly engine: Engine) {}

  allocate(size: number): Float32Array {
    return this.engine.heap.allocate(size);
  }

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

  add(key: string, plan: LinkedPlan): void {
    this.linked.set(key, new LinkedExecutable(this.runtime, plan));
  }

  allocate(size: number): Float32Array {
    return this.runtime.heap.allocate(size);
  }

  async run({ key }: KeyedProgram, values: Arrays, into: Arrays): Promise<Record<string, Float32Array>> {
    const executable = this.linked.get(key);
    if (!executable) throw new Error('a program was not sent to this thread');
    return executable.run(values, into);
  }
}
