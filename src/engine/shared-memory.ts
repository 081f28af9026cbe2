/** The memory that all threads of a process share. */
import { fs } from '../host/index.js';
import { Heap, MAX_PAGES, type WasmMemory, WebAssembly } from './heap.js';

/** Address space that V8 reserves for a memory and its threads: 13 GiB in Node 20, 9 in Node 24. */
const ADDRESS_SPACE = 14e9;

/** A heap in a new memory; a thread joins it with a `Heap` of the same memory. */
export function newHeap(): Heap {
  return new Heap(newMemory());
}

function newMemory(): WasmMemory {
  // V8 would abort the process when a thread starts
  if (addressSpaceLimit() < ADDRESS_SPACE) {
    throw new RangeError('WebAssembly.Memory(): the address space of this process is limited');
  }
  return new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared: true });
}

function addressSpaceLimit(): number {
  try {
    const [, limit] = /^Max address space +(\d+)/m.exec(fs.readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
