/** Compiles kernels to WebAssembly. */

import { runtime, setEngineFlag } from '../host/index.js';
import { assembleModule, FunctionAssembler, type MemoryLimits, type ValueType } from '../util/assembler.js';
import { type WasmModule, WebAssembly } from '../util/webassembly.js';
import { ADDEND, type Arithmetic, arithmeticOf, FACTOR } from './arithmetic.js';
import { type KernelIr, OUTPUT, splitAfterSums } from './simd-ir.js';
import type { Parameter } from './simd-lower.js';
import type { Origin } from './simd-pointers.js';
import {
  chooseTiling,
  cutColumns,
  cutIntoPieces,
  emitPack,
  hasLoops,
  LANES,
  type MergedWidth,
  type Piece,
  packedArguments,
  planPacks,
  type Target,
} from './simd-tile.js';
import { type KernelParameters, TileCode } from './simd-tile-code.js';

export interface CompileRequest {
  /** In the order of the source's parameters. */
  readonly parameters: readonly Parameter[];
  readonly target: Target;
  /** Limits of the memory that the module imports. */
  readonly memory: MemoryLimits;
}

/**
 * Compiles a kernel, or a part of it. The module exports `run(...arguments, output, spare, packs)`:
 * addresses of arrays, floats and integers in the order of the source's parameters, the address of
 * the output, and that of `spareBytes` bytes for copies of what is read again and again. It makes
 * the copies if `packs` is not zero, otherwise it reads those of an earlier run with the same
 * `packed` arguments. An address may be any multiple of 4.
 */
export function compileIr(ir: KernelIr, { parameters, target, memory }: CompileRequest) {
  const { f, spareBytes, packed } = kernelFunction(ir, parameters, target);
  return {
    bytes: assembleModule(memory, f),
    spareBytes,
    packed,
    /** The module's function, readable. */
    listing: () => f.listing(),
  };
}

/** Minimum number of row tiles that share a column for a copy to pay off. */
const MIN_ROW_TILES = 3;

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
  const { vectors } = tiling;
  const panels = { minRows: MIN_ROW_TILES * tiling.rows(vectors), vectors, lanes: LANES };
  const { packs, bytes: spareBytes } = columnsOutside ? planPacks(ir, panels) : { packs: [], bytes: 0 };
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
  return { f, spareBytes, packed: packedArguments(packs, given) };
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

/** What a program is compiled for. */
export interface MachineTarget extends Target {
  /** Whether products are machine code of 512 bits. */
  readonly isWide: boolean;
}

/** Earlier versions of V8 print an error for the flag. */
const FIRST_V8 = 12;
/** Flags apply to the process, including its threads. */
const MERGE = '--experimental-wasm-revectorize';

/** Whether V8 can merge; otherwise 256-bit code is correct but slow. */
export function knowsMerging(): boolean {
  return runtime.arch === 'x64' && Number.parseInt(runtime.v8, 10) >= FIRST_V8;
}

/**
 * Compiles `bytes`. For 256 bits this must use the optimizing compiler at once: the baseline
 * compiler merges nothing, and a short run would never leave it.
 */
export function makeModule(bytes: Uint8Array, width: MergedWidth): WasmModule {
  if (width === 128 || !knowsMerging()) return new WebAssembly.Module(bytes);
  return compiled(bytes, [...OPTIMIZED, MERGE]);
}

/** Compiles with the optimizing compiler at once, as it is when it has run for a while. */
export function makeOptimizedModule(bytes: Uint8Array): WasmModule {
  return compiled(bytes, OPTIMIZED);
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
