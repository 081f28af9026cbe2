/** Runs linked plans in this thread. Does not load gpu.js, so that computing threads stay small. */

import { type ArrayOperations, HostArrays } from '../math/graph/arrays.js';
import type { KeyedProgram, Program, ProgramPart } from '../math/graph/node.js';
import { sizeOf } from '../math/graph/shape.js';
import { WebAssembly } from '../util/webassembly.js';
import type { Executable, Value } from './backend.js';
import { ALIGNMENT, type Heap } from './heap.js';
import type { KernelModule, KernelPair } from './kernels.js';
import type { LinkedPlan } from './link.js';
import { machineFunction } from './machine-code.js';
import type { Step } from './plan.js';

type Run = (...operands: number[]) => void;

/** A prime, so that no two rows of an array are equal. */
const PATTERN_LENGTH = 4093;
const SCALAR = 0.375;
const FLOAT_BYTES = Float32Array.BYTES_PER_ELEMENT;

/** Distinct numbers in -1..1 from a multiplicative hash (Knuth, 6.4). */
const pattern = Float32Array.from(
  { length: PATTERN_LENGTH },
  (_, i) => (Math.imul(i + 1, 0x9e3779b1) >> 8) / 2 ** 23,
);

/** The last argument of a kernel that is to make its copies. */
const PACKS = 1;

function functionOf(heap: Heap, { machine, module }: KernelModule): Run {
  const imports = { env: { memory: heap.memory } };
  const rest: Run | undefined = module && new WebAssembly.Instance(module, imports).exports.run;
  if (!machine) return rest as Run;
  const sums = machineFunction(heap.memory, machine);
  return (...operands) => {
    sums(operands);
    rest?.(...operands);
  };
}

/** Code instantiated over one heap, and the memory that plans share while they run. */
export class LinkedRuntime<C = KernelModule> {
  private readonly instances = new Map<C, Run>();
  /** Addresses of kept results, by the addresses that they were computed from. */
  private readonly kept = new Map<Run, Map<string, number>>();
  private scratch = { at: 0, bytes: 0 };
  private spare = { at: 0, bytes: 0 };

  constructor(
    readonly heap: Heap,
    private readonly instantiate: (code: C) => Run,
    readonly arrays: ArrayOperations<Float32Array> = new HostArrays(),
    /** Whether parameters never change, so that what depends on them alone is computed once. */
    readonly keeps = false,
  ) {}

  static ofHeap(heap: Heap, keeps = false): LinkedRuntime {
    return new LinkedRuntime(heap, code => functionOf(heap, code), new HostArrays(), keeps);
  }

  /** A function that runs `code`. */
  instance(code: C): Run {
    const run = this.instances.get(code) ?? this.instantiate(code);
    this.instances.set(code, run);
    return run;
  }

  /** The address of scratch memory of at least `bytes`; one plan runs at a time. */
  scratchAt(bytes: number): number {
    if (bytes > this.scratch.bytes) this.scratch = { at: this.heap.reserve(bytes), bytes };
    return this.scratch.at;
  }

  /** The address of a kept result of `size` numbers. @param read addresses, and numbers */
  keptAt(run: Run, read: readonly number[], size: number): number {
    const known = this.kept.get(run) ?? new Map<string, number>();
    this.kept.set(run, known);
    const key = read.join();
    const at = known.get(key) ?? this.heap.reserve(size * FLOAT_BYTES);
    if (!known.has(key)) run(...read, at, 0, PACKS);
    known.set(key, at);
    return at;
  }

  spareAt(bytes: number): number {
    if (bytes > this.spare.bytes) this.spare = { at: this.heap.reserve(bytes), bytes };
    return this.spare.at;
  }

  /**
   * Whether both codes of `step`'s kernel write identical bytes for the same operands: the wide one
   * and that for 128 bits by V8's baseline compiler, which merges nothing. V8's merging is
   * experimental. It has lost the start of a sum in the upper half of a merged vector
   * (test/engine/miscompilation.test.ts); this finds any other miscompilation before the first
   * step.
   */
  agree(step: Step, { codes, spareBytes }: KernelPair): boolean {
    const { heap } = this;
    let bytes = 0;
    const reserve = (size: number) => {
      const at = bytes;
      bytes += Math.ceil(size / ALIGNMENT) * ALIGNMENT;
      return at;
    };
    const places = step.operands.map(operand =>
      typeof operand === 'number' ? 0 : reserve(sizeOf(operand.shape) * FLOAT_BYTES),
    );
    const size = sizeOf(step.node.shape);
    const outputs = codes.map(() => reserve(size * FLOAT_BYTES));
    const spare = reserve(spareBytes);
    const base = this.scratchAt(bytes);
    const all = heap.open({ at: base, length: bytes / FLOAT_BYTES });
    for (let from = 0; from < all.length; from += PATTERN_LENGTH)
      all.set(pattern.subarray(0, all.length - from), from);
    const operands = step.operands.map((operand, i) => {
      if (typeof operand === 'number') return operand;
      if (operand.shape.length === 0) return SCALAR;
      const { symbols } = operand;
      const at = base + places[i];
      if (symbols !== undefined)
        heap.open({ at, length: sizeOf(operand.shape) }).forEach((_, k, array) => {
          array[k] = (k * 7) % symbols;
        });
      return at;
    });
    codes.forEach((code, i) => {
      functionOf(heap, code)(...operands, base + outputs[i], base + spare, PACKS);
    });
    const [first, other] = outputs.map(at => heap.open({ at: base + at, length: size }));
    return first.every((value, i) => Object.is(value, other[i]));
  }
}

interface BoundStep {
  readonly run: Run;
  readonly slots: readonly number[];
  /** The last step before with the same copies; -1 if there is none. */
  readonly copiedBy: number;
  /** The size of its result if that is kept. */
  readonly kept: number | undefined;
  /** The values of its slots, the address of memory for copies, and whether to make them. */
  readonly operands: number[];
}

type LinkedOutput = LinkedPlan['outputs'][number];

interface BoundOutput extends LinkedOutput {
  /** False if it is an input or has been written as another result. */
  readonly isOwn: boolean;
}

/** A linked plan, whatever compiled its kernels. */
export type RunnablePlan<C = KernelModule> = Omit<LinkedPlan, 'codes'> & { readonly codes: readonly C[] };

export class LinkedExecutable<C = KernelModule> implements Executable {
  private readonly slots: number[];
  private readonly scratch: number;
  private readonly steps: readonly BoundStep[];
  private readonly outputs: readonly BoundOutput[];
  /** If set, how often the plan ran, and the fewest milliseconds of each step. */
  profile: { readonly times: Float64Array; runs: number } | undefined;
  /** Copies of inputs that are outside of the heap. */
  private readonly staged = new Map<string, Float32Array>();

  constructor(
    private readonly runtime: LinkedRuntime<C>,
    private readonly plan: RunnablePlan<C>,
  ) {
    const { inputs, numbers, offsets, scratchBytes, spareBytes, codes, steps, outputs } = plan;
    this.scratch = runtime.scratchAt(scratchBytes);
    this.slots = [...inputs.map(() => 0), ...numbers, ...offsets];
    const copies = runtime.spareAt(spareBytes);
    this.steps = steps.map(({ code, slots, spare, copiedBy, kept }) => ({
      run: runtime.instance(codes[code]),
      slots,
      copiedBy,
      kept: runtime.keeps ? kept : undefined,
      operands: [...slots.map(() => 0), copies + spare, PACKS],
    }));
    const taken = new Set<number>();
    this.outputs = outputs.map(output => {
      const isOwn = output.slot >= inputs.length && !taken.has(output.slot);
      taken.add(output.slot);
      return { ...output, isOwn };
    });
  }

  get keptSize(): number {
    return this.plan.keptBytes / FLOAT_BYTES;
  }

  async run(
    values: Readonly<Record<string, Value>>,
    into: Readonly<Record<string, Float32Array>> = {},
    part?: ProgramPart<Float32Array>,
  ): Promise<Record<string, Float32Array>> {
    const { plan, slots, steps, runtime } = this;
    const isRun = ({ isEarly }: { readonly isEarly: boolean }) => isEarly || !part?.isFirst;
    plan.inputs.forEach((input, slot) => {
      if (isRun(input)) slots[slot] = this.operand(input, values[input.name]);
    });
    this.placeArrays(into, part);
    const times = this.profile?.times;
    const [from, to] = part?.isFirst ? [0, plan.first] : [part ? plan.first : 0, steps.length];
    for (let step = from; step < to; step++) {
      const { run, slots: inHeap, copiedBy, operands, kept } = steps[step];
      if (kept !== undefined) {
        const read = inHeap.slice(0, -1).map(slot => slots[slot]);
        slots[inHeap[read.length]] = runtime.keptAt(run, read, kept);
        continue;
      }
      for (let i = 0; i < inHeap.length; i++) operands[i] = slots[inHeap[i]];
      // another plan may have run between the two parts
      operands[inHeap.length + 1] = copiedBy < from ? PACKS : 0;
      const began = times ? performance.now() : 0;
      run.apply(undefined, operands);
      if (times) times[step] = Math.min(times[step], performance.now() - began);
    }
    if (this.profile && to === steps.length) this.profile.runs++;
    const results: Record<string, Float32Array> = {};
    for (const { name, slot, size, isOwn } of this.outputs.filter(isRun)) {
      const place = into[name];
      const result = () => runtime.heap.open({ at: slots[slot], length: size });
      if (place && !isOwn) runtime.arrays.copy(result(), place);
      results[name] = place ?? result();
    }
    return results;
  }

  /** Writes the addresses of all arrays that steps write. */
  private placeArrays(
    into: Readonly<Record<string, Float32Array>>,
    part: ProgramPart<Float32Array> | undefined,
  ): void {
    const { plan, slots, scratch } = this;
    const kept = this.address(part?.kept) ?? scratch;
    const first = slots.length - plan.offsets.length;
    plan.offsets.forEach((offset, i) => {
      slots[first + i] = offset + (offset < plan.keptBytes ? kept : scratch);
    });
    for (const { name, slot, isOwn } of this.outputs) {
      if (isOwn) slots[slot] = this.address(into[name]) ?? slots[slot];
    }
  }

  private operand({ name, size }: LinkedPlan['inputs'][number], value: Value | undefined): number {
    if (typeof value === 'number') {
      if (size === undefined) return value;
      if (size === 1) return this.stage(name, Float32Array.of(value));
    }
    if (value === undefined || typeof value === 'number' || value.length !== size) {
      const given = typeof value === 'number' ? 'one' : value?.length;
      throw new RangeError(`input '${name}' needs ${size ?? 'one'} numbers, got ${given}`);
    }
    return this.address(value) ?? this.stage(name, value);
  }

  private address(array: Float32Array | undefined): number | undefined {
    return array && this.runtime.heap.spanOf(array)?.at;
  }

  private stage(name: string, values: Float32Array): number {
    const copy = this.staged.get(name) ?? this.runtime.heap.allocate(values.length);
    this.staged.set(name, copy);
    copy.set(values);
    this.runtime.arrays.write(copy);
    return this.address(copy) as number;
  }
}

type Arrays = Readonly<Record<string, Float32Array>>;

/** What runs programs over a heap: an engine, or a thread that is sent linked programs. */
export interface ProgramCompiler {
  readonly heap: Heap;
  readonly arrays: ArrayOperations<Float32Array>;
  /** Returns a program that is linked already; absent if all are compiled. */
  linkedAs?(program: KeyedProgram): Executable | undefined;
  compile(program: Program): Executable;
}

export class KernelMachine {
  private readonly known = new Map<string, Executable>();

  constructor(private readonly compiler: ProgramCompiler) {}

  get arrays(): ArrayOperations<Float32Array> {
    return this.compiler.arrays;
  }

  /** Adds a program that was compiled elsewhere. */
  add(key: string, executable: Executable): void {
    this.known.set(key, executable);
  }

  allocate(size: number): Float32Array {
    return this.compiler.heap.allocate(size);
  }

  run(
    program: KeyedProgram,
    values: Arrays,
    into: Arrays,
    part?: ProgramPart<Float32Array>,
  ): Promise<Record<string, Float32Array>> {
    return this.executable(program).run(values, into, part);
  }

  keptSize(program: KeyedProgram): number | undefined {
    return this.executable(program).keptSize;
  }

  private executable(program: KeyedProgram): Executable {
    const { key, make } = program;
    const { compiler } = this;
    const executable = this.known.get(key) ?? compiler.linkedAs?.(program) ?? compiler.compile(make());
    this.known.set(key, executable);
    return executable;
  }
}
