/** Runs linked plans in this thread. Does not load gpu.js, so that computing threads stay small. */
import type { Heap, WasmMemory } from './heap.js';
import type { LinkedInput, LinkedOutput, LinkedPlan } from './link.js';
import type { KernelCode, WasmModule } from './simd-kernel.js';

/** A tensor (row-major) or, for an input of shape [], a number. */
export type Value = Float32Array | number;

type Run = (...operands: number[]) => void;

/**
 * The part of WebAssembly's interface that is used here; its types belong to the browser's library.
 */
declare const WebAssembly: {
  Memory: new (limits: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  Instance: new (module: WasmModule, imports: object) => { readonly exports: { readonly run: Run } };
};

/** Modules instantiated over one heap, and the memory that plans share while they run. */
export class LinkedRuntime {
  private readonly instances = new Map<KernelCode, Run>();
  private scratch = { at: 0, bytes: 0 };
  private spare = { at: 0, bytes: 0 };

  constructor(readonly heap: Heap) {}

  /** A function that runs `code`; its last argument is the address of memory for copies. */
  instance(code: KernelCode): Run {
    let run = this.instances.get(code);
    if (!run) {
      run = code.kind === 'own' ? ownKernel(code.module, this.heap.memory) : foreignKernel(code, this.heap);
      this.instances.set(code, run);
    }
    return run;
  }

  /** The address of scratch memory of at least `bytes`; one plan runs at a time. */
  scratchAt(bytes: number): number {
    if (bytes > this.scratch.bytes) this.scratch = { at: this.heap.reserve(bytes), bytes };
    return this.scratch.at;
  }

  spareAt(bytes: number): number {
    if (bytes > this.spare.bytes) this.spare = { at: this.heap.reserve(bytes), bytes };
    return this.spare.at;
  }
}

function ownKernel(module: WasmModule, memory: WasmMemory): Run {
  return new WebAssembly.Instance(module, { env: { memory } }).exports.run;
}

/** gpu.js's own code: its arguments are copied into its memory, and its result out of it. */
function foreignKernel(code: Extract<KernelCode, { kind: 'foreign' }>, heap: Heap): Run {
  const { module, initial, maximum, mathImports, offsets, types, sizes, outputOffset, cells } = code;
  const memory = new WebAssembly.Memory({ initial, maximum });
  const math = mathImports.map(name => [`math_${name}`, Math[name as 'sin']]);
  const { run } = new WebAssembly.Instance(module, {
    env: { memory, ...Object.fromEntries(math) },
  }).exports;
  const floats = new Float32Array(memory.buffer);
  const integers = new Int32Array(memory.buffer);
  return (...operands) => {
    types.forEach((type, i) => {
      const at = offsets[i] / Float32Array.BYTES_PER_ELEMENT;
      if (type === 'Input') floats.set(heap.open({ at: operands[i], length: sizes[i] }), at);
      else if (type === 'Float') floats[at] = operands[i];
      else integers[at] = operands[i];
    });
    run(0, cells, 0);
    const from = outputOffset / Float32Array.BYTES_PER_ELEMENT;
    heap.open({ at: operands[types.length], length: cells }).set(floats.subarray(from, from + cells));
  };
}

interface BoundStep {
  readonly run: Run;
  readonly slots: readonly number[];
  /** The values of its slots, and the address of memory for copies. */
  readonly operands: number[];
}

interface BoundOutput extends LinkedOutput {
  /** Where it is written by default; undefined if the plan stores it elsewhere. */
  readonly scratch: number | undefined;
}

export class LinkedExecutable {
  private readonly slots: number[];
  private readonly steps: readonly BoundStep[];
  private readonly outputs: readonly BoundOutput[];
  /**
   * If set, how often the plan ran, and milliseconds of each step in the run in which it was
   * fastest.
   */
  profile: { readonly times: Float64Array; runs: number } | undefined;
  /** Copies of inputs that are outside of the heap. */
  private readonly staged = new Map<string, Float32Array>();

  constructor(
    private readonly runtime: LinkedRuntime,
    private readonly plan: LinkedPlan,
  ) {
    const { inputs, numbers, offsets, scratchBytes, codes, steps, outputs } = plan;
    const scratch = runtime.scratchAt(scratchBytes);
    const arrays = offsets.map(offset => scratch + offset);
    this.slots = [...inputs.map(() => 0), ...numbers, ...arrays];
    const spare = runtime.spareAt(
      Math.max(0, ...codes.map(code => (code.kind === 'own' ? code.spareBytes : 0))),
    );
    this.steps = steps.map(({ code, slots }) => ({
      run: runtime.instance(codes[code]),
      slots,
      operands: [...slots.map(() => 0), spare],
    }));
    const taken = new Set<number>();
    this.outputs = outputs.map(output => {
      const isOwn = output.slot >= inputs.length && !taken.has(output.slot);
      taken.add(output.slot);
      return { ...output, scratch: isOwn ? this.slots[output.slot] : undefined };
    });
  }

  /**
   * Runs the plan on `values`, one for each input. A result is written to its array in `into`, if
   * there is one: an array of the heap that is no input. Results without are valid until the next
   * run of a plan in this thread.
   */
  run(
    values: Readonly<Record<string, Value>>,
    into: Readonly<Record<string, Float32Array>> = {},
  ): Record<string, Float32Array> {
    const { plan, slots, runtime } = this;
    plan.inputs.forEach((input, slot) => {
      slots[slot] = this.operand(input, values[input.name]);
    });
    for (const { name, slot, scratch } of this.outputs) {
      if (scratch !== undefined) slots[slot] = this.address(into[name]) ?? scratch;
    }
    const times = this.profile?.times;
    this.steps.forEach(({ run, slots: own, operands }, step) => {
      for (let i = 0; i < own.length; i++) operands[i] = slots[own[i]];
      const began = times ? performance.now() : 0;
      run.apply(undefined, operands);
      if (times) times[step] = Math.min(times[step], performance.now() - began);
    });
    if (this.profile) this.profile.runs++;
    const results: Record<string, Float32Array> = {};
    for (const { name, slot, size, scratch } of this.outputs) {
      const place = into[name];
      const result = () => runtime.heap.open({ at: slots[slot], length: size });
      if (place && scratch === undefined) place.set(result());
      results[name] = place ?? result();
    }
    return results;
  }

  private operand({ name, size }: LinkedInput, value: Value | undefined): number {
    if (size === undefined && typeof value === 'number') return value;
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
    return this.address(copy) as number;
  }
}
