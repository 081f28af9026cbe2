/** Compiles kernels to WebAssembly, and finds out by computing what this machine is fast at. */

import { runtime, setEngineFlag } from '../host/index.js';
import { assembleModule, FunctionAssembler, type MemoryLimits, type ValueType } from '../util/assembler.js';
import { type WasmModule, WebAssembly } from '../util/webassembly.js';
import { ADDEND, type Arithmetic, arithmeticOf, FACTOR } from './arithmetic.js';
import { MAX_PAGES } from './heap.js';
import { type Axis, parseKernel } from './language.js';
import { fuseMultiplyAdd, type KernelIr, OUTPUT, splitAfterSums } from './simd-ir.js';
import { lower, type Parameter } from './simd-lower.js';
import type { Origin } from './simd-pointers.js';
import {
  chooseTiling,
  cutColumns,
  cutIntoPieces,
  emitPack,
  hasLoops,
  LANES,
  type Piece,
  planPacks,
} from './simd-tile.js';
import { type KernelParameters, TileCode } from './simd-tile-code.js';

export interface CompileRequest {
  readonly source: string;
  /** In the order of the source's parameters. */
  readonly parameters: readonly Parameter[];
  /** The output's extents, x (contiguous) first. */
  readonly extents: Readonly<Record<Axis, number>>;
  readonly target: Target;
  /** Limits of the memory that the module imports. */
  readonly memory: MemoryLimits;
}

/**
 * The module exports `run(...arguments, output, spare, packs)`: addresses of arrays, floats and
 * integers in the order of the source's parameters, the address of the output, and that of
 * `spareBytes` bytes for copies of what is read again and again. It makes the copies if `packs` is
 * not zero, otherwise it reads those of an earlier run with the same `packed` arguments. An address
 * may be any multiple of 4.
 *
 * @throws KernelError if the source is outside the language
 */
export function compileKernel(request: CompileRequest) {
  const { source, parameters, extents, target, memory } = request;
  const ir = fuseMultiplyAdd(lower(parseKernel(source), parameters, extents));
  const { f, spareBytes, packed } = kernelFunction(ir, parameters, target);
  return {
    bytes: assembleModule(memory, f),
    spareBytes,
    packed,
    /** The module's function, readable. */
    listing: () => f.listing(),
  };
}

const TYPES: Readonly<Record<Parameter['type'], ValueType>> = { array: 'i32', float: 'f32', integer: 'i32' };

function kernelFunction(
  ir: KernelIr,
  given: readonly Parameter[],
  target: Target,
): { f: FunctionAssembler; spareBytes: number; packed: readonly number[] } {
  const f = new FunctionAssembler('run', [...given.map(({ type }) => TYPES[type]), 'i32', 'i32', 'i32']);
  const parameters: KernelParameters = {
    arguments: new Map([...given.map(({ name }) => name), OUTPUT].map((name, i) => [name, i])),
    splats: splats(f, given),
    output: given.length,
    spare: given.length + 1,
    packs: given.length + 2,
  };
  const { x, y, z } = ir.extents;
  const origin: Origin = { x: f.local('i32'), y: f.local('i32'), z: f.local('i32') };
  const tiling = chooseTiling(ir, target);
  const columnPieces = cutColumns(x, tiling.vectors);
  const rowPieces = (columns: number) => cutIntoPieces(y, tiling.rows(Math.ceil(columns / LANES)));
  // products read a panel of columns again for each row, and it stays in the nearest cache if rows
  // are the inner loop
  const columnsOutside = hasLoops(ir);
  const largest = { vectors: tiling.vectors, rows: tiling.rows(tiling.vectors) };
  const { packs, bytes: spareBytes } = columnsOutside ? planPacks(ir, largest) : { packs: [], bytes: 0 };
  const { sums, finish } = splitAfterSums(ir);
  const code = (columns: number, rows: number, part = sums) => {
    const vectors = Math.ceil(columns / LANES);
    const lanes = columns - (vectors - 1) * LANES;
    return new TileCode(f, part, target.arithmetic, parameters, origin, { rows, vectors }, lanes, packs);
  };
  if (packs.length > 0) {
    f.get(parameters.packs).if();
    for (const pack of packs) {
      over(f, origin.z, cutIntoPieces(pack.depth, 1), () =>
        over(f, origin.x, columnPieces, columns => {
          const first = code(columns, 1);
          const [from, to] = [() => first.originOf(pack.load), () => first.copyOf(pack)];
          emitPack(f, pack, Math.ceil(columns / LANES), from, to);
        }),
      );
    }
    f.op('end');
  }
  over(f, origin.z, cutIntoPieces(z, 1), () => {
    if (!columnsOutside) {
      over(f, origin.y, rowPieces(x), rows =>
        over(f, origin.x, columnPieces, columns => code(columns, rows).emit()),
      );
      return;
    }
    over(f, origin.x, columnPieces, columns => {
      over(f, origin.y, rowPieces(columns), rows =>
        code(columns, rows).emit({ isRaw: finish !== undefined }),
      );
      if (finish) over(f, origin.y, cutIntoPieces(y, 1), () => code(columns, 1, finish).emit());
    });
  });
  const moves = new Set(packs.flatMap(({ load }) => [load.array, ...load.element.terms.keys()]));
  const packed = [...given.keys()].filter(i => moves.has(given[i].name));
  return { f, spareBytes, packed };
}

function splats(f: FunctionAssembler, given: readonly Parameter[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  given.forEach(({ name, type }, parameter) => {
    if (type !== 'float') return;
    const local = f.local('v128');
    f.get(parameter).op('f32x4.splat').set(local);
    found.set(name, local);
  });
  return found;
}

/**
 * Writes `body` for each piece: a loop over its steps with the position in `local`, or no loop for
 * a single one.
 */
function over(
  f: FunctionAssembler,
  local: number,
  pieces: readonly Piece[],
  body: (size: number) => void,
): void {
  for (const { from, to, size } of pieces) {
    f.i32(from).set(local);
    if (to - from === size) body(size);
    else f.count(local, size, to, () => body(size));
  }
}

/**
 * Bits of the operations that the machine is expected to execute. WebAssembly's vectors have 128.
 * V8's optimizing compiler can merge two neighbouring operations into one of 256 bits if it is told
 * to (`--experimental-wasm-revectorize`). Whether that pays depends on the processor and on V8:
 * without the merge the larger tiles that it needs are slower.
 */
export type Width = 128 | 256;

export interface Target {
  readonly arithmetic: Arithmetic;
  readonly width: Width;
}

export interface WidthFinding {
  readonly width: Width;
  readonly reason: string;
}

/** Earlier versions of V8 print an error for the flag. */
const FIRST_V8 = 12;
/** Flags apply to the process, including its threads. */
const MERGE = '--experimental-wasm-revectorize';
/** Minimum speedup to choose the wide code. */
const MIN_GAIN = 1.15;

let found: WidthFinding | undefined;

/** The faster width on this machine; takes some milliseconds the first time. */
export function measuredWidth(): WidthFinding {
  found ??= measure();
  return found;
}

export function machineTarget(
  width: Width = measuredWidth().width,
  arithmetic = machineArithmetic(),
): Target {
  return { arithmetic, width };
}

/** Whether V8 can merge; otherwise 256-bit code is correct but slow. */
function knowsMerging(): boolean {
  return runtime.arch === 'x64' && Number.parseInt(runtime.v8, 10) >= FIRST_V8;
}

function measure(): WidthFinding {
  if (!knowsMerging()) {
    const what = runtime.arch === 'x64' ? `Node ${runtime.version}` : runtime.arch;
    return { width: 128, reason: `${what} does not merge vectors` };
  }
  const [narrow, wide] = ([128, 256] as const).map(timeProduct);
  const gain = narrow / wide;
  const times = `a product took ${wide.toFixed(1)} us at 256 bits, ${narrow.toFixed(1)} us at 128`;
  return { width: gain >= MIN_GAIN ? 256 : 128, reason: times };
}

/**
 * Compiles `bytes`. For 256 bits this must use the optimizing compiler at once: the baseline
 * compiler merges nothing, and a short run would never leave it.
 */
export function makeModule(bytes: Uint8Array, width: Width): WasmModule {
  if (width === 128 || !knowsMerging()) return new WebAssembly.Module(bytes);
  return compiled(bytes, [...OPTIMIZED, MERGE]);
}

/** Compiles with the baseline compiler, which does not merge. */
export function makeBaselineModule(bytes: Uint8Array): WasmModule {
  return compiled(bytes, [NOW]);
}

const NOW = '--no-wasm-lazy-compilation';
const OPTIMIZED = [NOW, '--no-liftoff'];

/** Sets V8's `flags` meanwhile. */
function compiled(bytes: Uint8Array, flags: readonly string[]): WasmModule {
  const opposite = (flag: string) =>
    flag.startsWith('--no-') ? flag.replace('--no-', '--') : flag.replace('--', '--no-');
  for (const flag of flags) setEngineFlag(flag);
  try {
    return new WebAssembly.Module(bytes);
  } finally {
    for (const flag of flags) setEngineFlag(opposite(flag));
  }
}

const [ROWS, INNER, COLUMNS] = [20, 64, 64];
const RUNS = 20;
const ROUNDS = 25;

/** Microseconds of a product, [20, 64] x [64, 64], in the fastest of several rounds. */
function timeProduct(width: Width): number {
  const sum = 's += a[this.thread.y][k] * b[k][this.thread.x];';
  const memory = { initial: 2, maximum: MAX_PAGES, shared: true };
  const { bytes } = compileKernel({
    source: `function (a, b) { let s = 0; for (let k = 0; k < ${INNER}; k++) { ${sum} } return s; }`,
    parameters: [
      { name: 'a', type: 'array', extents: [INNER, ROWS] },
      { name: 'b', type: 'array', extents: [COLUMNS, INNER] },
    ],
    extents: { x: COLUMNS, y: ROWS, z: 1 },
    target: { arithmetic: machineArithmetic(), width },
    memory,
  });
  const module = width === 256 ? makeModule(bytes, width) : compiled(bytes, OPTIMIZED);
  const { exports } = new WebAssembly.Instance(module, { env: { memory: new WebAssembly.Memory(memory) } });
  const b = ROWS * INNER * Float32Array.BYTES_PER_ELEMENT;
  const output = b + INNER * COLUMNS * Float32Array.BYTES_PER_ELEMENT;
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now();
    for (let run = 0; run < RUNS; run++) exports.run(0, b, output, 0);
    best = Math.min(best, performance.now() - began);
  }
  return (best / RUNS) * 1000;
}

/** Node 20 needs this flag for the instruction; later versions do not know the flag. */
const RELAXED = '--experimental-wasm-relaxed-simd';

let arithmetic: Arithmetic | undefined;

export function machineArithmetic(): Arithmetic {
  arithmetic ??= probeArithmetic();
  return arithmetic;
}

function probeArithmetic(): Arithmetic {
  const probe = arithmeticProbe();
  if (!WebAssembly.validate(probe)) setEngineFlag(RELAXED);
  return arithmeticOf(probe);
}

/** The module that `arithmeticOf` runs. */
export function arithmeticProbe(): Uint8Array {
  const f = new FunctionAssembler('run', []);
  f.i32(0).float(FACTOR).float(FACTOR).float(ADDEND).op('f32x4.relaxed_madd').memory('v128.store', 0);
  return assembleModule({ initial: 1, maximum: 1, shared: false }, f);
}
