/**
 * Checks 256-bit kernels before use: runs a kernel compiled for 256 bits and the same kernel
 * compiled for 128 bits by V8's baseline compiler, which merges nothing. Both must write identical
 * bytes. V8's merging is experimental. It has lost the start of a sum in the upper half of a merged
 * vector (test/engine/miscompilation.test.ts); this finds any other miscompilation before the first
 * step.
 */
import { sizeOf } from '../math/graph/shape.js';
import { ALIGNMENT, type Heap, type WasmModule, WebAssembly } from './heap.js';
import type { Step } from './plan.js';

/** A prime, so that no two rows of an array are equal. */
const PATTERN_LENGTH = 4093;
const SCALAR = 0.375;
const FLOAT_BYTES = Float32Array.BYTES_PER_ELEMENT;

let pattern: Float32Array | undefined;

/** Distinct numbers in -1..1 from a multiplicative hash (Knuth, 6.4). */
function sampleValues(): Float32Array {
  pattern ??= Float32Array.from(
    { length: PATTERN_LENGTH },
    (_, i) => (Math.imul(i + 1, 0x9e3779b1) >> 8) / 2 ** 23,
  );
  return pattern;
}

/** Two modules of one kernel, and how much memory each needs for copies. */
export interface KernelPair {
  readonly modules: readonly [WasmModule, WasmModule];
  readonly spareBytes: number;
}

export class KernelChecker {
  constructor(
    private readonly heap: Heap,
    /** The address of scratch memory of at least this many bytes. */
    private readonly scratchAt: (bytes: number) => number,
  ) {}

  /** Whether both modules of `step`'s kernel write identical bytes for the same operands. */
  agree(step: Step, { modules, spareBytes }: KernelPair): boolean {
    let bytes = 0;
    const reserve = (size: number) => {
      const at = bytes;
      bytes += Math.ceil(size / ALIGNMENT) * ALIGNMENT;
      return at;
    };
    const arrays = step.operands.map(operand =>
      typeof operand === 'number' || operand.shape.length === 0
        ? undefined
        : { at: reserve(sizeOf(operand.shape) * FLOAT_BYTES), operand },
    );
    const size = sizeOf(step.node.shape);
    const outputs = modules.map(() => reserve(size * FLOAT_BYTES));
    const spare = reserve(spareBytes);
    const base = this.scratchAt(bytes);
    this.fill(base, bytes / FLOAT_BYTES);
    const operands = step.operands.map((operand, i) => {
      const array = arrays[i];
      if (!array) return typeof operand === 'number' ? operand : SCALAR;
      const { symbols } = array.operand;
      if (symbols !== undefined) this.fillSymbols(base + array.at, sizeOf(array.operand.shape), symbols);
      return base + array.at;
    });
    modules.forEach((module, i) => {
      const { exports } = new WebAssembly.Instance(module, { env: { memory: this.heap.memory } });
      exports.run(...operands, base + outputs[i], base + spare);
    });
    const [one, other] = outputs.map(at => this.heap.open({ at: base + at, length: size }));
    return one.every((value, i) => Object.is(value, other[i]));
  }

  private fill(at: number, length: number): void {
    const values = sampleValues();
    const all = this.heap.open({ at, length });
    for (let from = 0; from < length; from += values.length) {
      all.set(values.subarray(0, Math.min(values.length, length - from)), from);
    }
  }

  private fillSymbols(at: number, length: number, count: number): void {
    const all = this.heap.open({ at, length });
    for (let i = 0; i < length; i++) all[i] = (i * 7) % count;
  }
}
