/**
 * The memory that kernels compute in: one WebAssembly memory that all threads of a run share, so
 * that parameters, batches, gradients and results are used in place.
 */
import type { WasmMemory } from '../util/webassembly.js';

/** The location of an array of floats in a heap, which can be sent to another thread. */
export interface HeapSpan {
  readonly at: number;
  readonly length: number;
}

const PAGE_BYTES = 65536;
/** The range of 32-bit addresses. */
export const MAX_PAGES = 65536;
/** Arrays start at a cache line, so that threads never write to the same one. */
export const ALIGNMENT = 64;
/** Vectors at the end of an array are loaded whole; elements beyond it are unused. */
const OVERREAD_BYTES = 64;
/** Growing takes a system call, and a new view in each thread. */
const GROWTH_PAGES = 64;
const FLOAT_BYTES = Float32Array.BYTES_PER_ELEMENT;
/** The first line of the memory holds the address of the first free byte, in units of ALIGNMENT. */
const NEXT = 0;

/** Nothing is freed before the run ends. */
export class Heap {
  private readonly known = new WeakSet<ArrayBufferLike>();
  private buffer: SharedArrayBuffer;
  private words: Int32Array;

  constructor(readonly memory: WasmMemory) {
    this.buffer = memory.buffer;
    this.words = new Int32Array(this.buffer, 0, 1);
    this.known.add(this.buffer);
    Atomics.compareExchange(this.words, NEXT, 0, 1);
  }

  /** Allocates zeros, from any thread. */
  allocate(length: number): Float32Array {
    return this.open({ at: this.reserve(length * FLOAT_BYTES), length });
  }

  /** The address of `bytes` free bytes, which are zero. */
  reserve(bytes: number): number {
    const units = Math.ceil(bytes / ALIGNMENT);
    const at = Atomics.add(this.words, NEXT, units) * ALIGNMENT;
    const needed = Math.ceil((at + units * ALIGNMENT + OVERREAD_BYTES) / PAGE_BYTES);
    const missing = needed - this.memory.buffer.byteLength / PAGE_BYTES;
    if (missing > 0) {
      const room = MAX_PAGES - this.memory.buffer.byteLength / PAGE_BYTES;
      if (missing > room) throw new RangeError('the model and its batches need more than 4 GiB');
      // several threads may grow it at once, which makes it larger than necessary
      this.memory.grow(Math.min(room, missing + GROWTH_PAGES));
    }
    return at;
  }

  get usedBytes(): number {
    return Atomics.load(this.words, NEXT) * ALIGNMENT;
  }

  /** The size of a memory that has room for all that is allocated so far. */
  get pages(): number {
    const bytes = Atomics.load(this.words, NEXT) * ALIGNMENT + OVERREAD_BYTES;
    return Math.ceil(bytes / PAGE_BYTES);
  }

  open({ at, length }: HeapSpan): Float32Array {
    const end = at + length * FLOAT_BYTES;
    if (end > this.buffer.byteLength) {
      // V8 may not have told this thread that another one has grown the memory: seen once
      if (end > this.memory.buffer.byteLength) this.memory.grow(0);
      this.buffer = this.memory.buffer;
      this.known.add(this.buffer);
    }
    return new Float32Array(this.buffer, at, length);
  }

  /** An array of this heap that another thread allocated, or this one before the heap grew. */
  adopt({ byteOffset, length }: Float32Array): Float32Array {
    return this.open({ at: byteOffset, length });
  }

  /** The location of `array`; undefined if it is not in this heap. */
  spanOf(array: Float32Array): HeapSpan | undefined {
    if (!this.known.has(array.buffer)) return undefined;
    return { at: array.byteOffset, length: array.length };
  }
}
