/**
 * Puts machine code into memory that every thread of the process can run, and calls it. The memory
 * is never writable and executable at once, and never released: a thread may still run it.
 */
import { foreignFunctions, fs } from '../host/index.js';
import type { WasmMemory } from '../util/webassembly.js';

/** Code in memory; can be sent to other threads. */
export interface MachineCode {
  readonly address: bigint;
  /** The operands that are floats; others are integers or addresses in the heap. */
  readonly floats: readonly number[];
}

/** Constants of Linux, from <sys/mman.h>. */
const [READ, WRITE, EXECUTE] = [1, 2, 4];
const PRIVATE_ANONYMOUS = 0x22;
const PAGE = 4096;
/** Memory for the operands of a call. */
const WORDS_BYTES = 128;

/** What a processor must have, as Linux names it. */
const FEATURE = /^flags\s*:.*\bavx512f\b/m;

let missing: string | undefined;

/** Why this machine cannot run machine code of ours; undefined if it can. */
export function missingForMachineCode(): string | undefined {
  missing ??= findMissing() ?? '';
  return missing || undefined;
}

/** Whether the processor, and Linux, have AVX-512. */
export function hasFeature(): boolean {
  try {
    return FEATURE.test(fs.readFileSync('/proc/cpuinfo', 'utf8'));
  } catch {
    return false; // another system
  }
}

function findMissing(): string | undefined {
  if (!hasFeature()) return 'the processor has no AVX-512';
  try {
    // a function that returns
    install(Uint8Array.of(0xc3));
  } catch (error) {
    return (error as Error).message;
  }
  return undefined;
}

let opened: ReturnType<typeof open> | undefined;

function open() {
  const koffi = foreignFunctions();
  const library = koffi.load(null);
  return {
    koffi,
    map: library.func('void *mmap(void *at, size_t bytes, int access, int flags, int file, int64_t from)'),
    protect: library.func('int mprotect(void *at, size_t bytes, int access)'),
    copy: library.func('void *memcpy(void *to, const void *from, size_t bytes)'),
    prototype: koffi.proto('void Kernel(uint64_t heap, uint64_t words)'),
  };
}

function system(): ReturnType<typeof open> {
  opened ??= open();
  return opened;
}

/**
 * The address of a copy of `code` that can be run.
 * @throws Error if the optional package does not load, or the system forbids it
 */
export function install(code: Uint8Array): bigint {
  const { map, protect, copy } = system();
  const bytes = Math.ceil(code.length / PAGE) * PAGE;
  const at = map(null, bytes, READ | WRITE, PRIVATE_ANONYMOUS, -1, 0) as bigint | null;
  if (at === null || BigInt.asIntN(64, at) === -1n) throw new Error('the system has no memory for code');
  copy(at, code, code.length);
  if (Number(protect(at, bytes, READ | EXECUTE)) !== 0)
    throw new Error('a policy of the system forbids executable memory');
  return at;
}

/** A function that runs `code` on operands in `memory`, which is shared and stays where it is. */
export function machineFunction(memory: WasmMemory, { address, floats }: MachineCode) {
  const { koffi, prototype } = system();
  const call = koffi.decode(address, prototype);
  const addressOf = (buffer: SharedArrayBuffer) => Number(koffi.address(new Uint8Array(buffer)));
  const words = new SharedArrayBuffer(WORDS_BYTES);
  const [integers, numbers] = [new Uint32Array(words), new Float32Array(words)];
  const [heap, scratch] = [addressOf(memory.buffer), addressOf(words)];
  return (operands: readonly number[]): void => {
    for (let i = 0; i < operands.length; i++) integers[i] = operands[i];
    for (const i of floats) numbers[i] = operands[i];
    call(heap, scratch);
  };
}
