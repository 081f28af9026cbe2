/** Runs the programs of a model's blocks in this thread. */
import type { KeyedProgram, Program } from '../math/graph/node.js';
import type { Executable } from './executable.js';
import type { Heap } from './heap.js';

type Arrays = Readonly<Record<string, Float32Array>>;

/** What runs programs over a heap: an engine, or a thread that is sent linked programs. */
export interface ProgramCompiler {
  readonly heap: Heap;
  compile(program: Program): Executable;
}

export class KernelMachine {
  private readonly known = new Map<string, Executable>();

  constructor(private readonly compiler: ProgramCompiler) {}

  /** Adds a program that was compiled elsewhere. */
  add(key: string, executable: Executable): void {
    this.known.set(key, executable);
  }

  allocate(size: number): Float32Array {
    return this.compiler.heap.allocate(size);
  }

  run({ key, make }: KeyedProgram, values: Arrays, into: Arrays): Promise<Record<string, Float32Array>> {
    const executable = this.known.get(key) ?? this.compiler.compile(make());
    this.known.set(key, executable);
    return executable.run(values, into);
  }
}
