/** Runs linked plans in this thread. Does not load gpu.js, so that computing threads stay small. */
import type { Executable } from './executable.js';
import type { Heap } from './heap.js';
import { WebAssembly } from './heap.js';
import type { LinkedInput, LinkedOutput, LinkedPlan } from './link.js';
import type { KernelCode } from './simd-kernel.js';

/** A tensor (row-major) or, for an input of shape [], a number. */
export type Value = Float32Array | number;

type Run = (...operands: number[]) => void;

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
      run = new WebAssembly.Instance(code.module, { env: { memory: this.heap.memory } }).exports.run;
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

export class LinkedExecutable implements Executable {
  private readonly slots: number[];
  private readonly steps: readonly BoundStep[];
  private readonly outputs: readonly BoundOutput[];
  /** If set, how often the plan ran, and the fewest milliseconds of each step. */
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
    const spare = runtime.spareAt(Math.max(0, ...codes.map(({ spareBytes }) => spareBytes)));
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

  async run(
    values: Readonly<Record<string, Value>>,
    into: Readonly<Record<string, Float32Array>> = {},
  ): Promise<Record<string, Float32Array>> {
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
