/** From a kernel's source to a WebAssembly module: parse, lower, choose a tile, write the loops over tiles. */
import { parseKernel } from '../language/parse.js';
import type { Axis } from '../language/syntax.js';
import type { Arithmetic } from './arithmetic.js';
import { assembleModule, FunctionAssembler, type MemoryLimits } from './assembler.js';
import { contractProducts } from './contract.js';
import type { KernelIr } from './ir.js';
import { type Layout, lower } from './lower.js';
import { emitPack, planPacks } from './pack.js';
import type { Origin } from './pointers.js';
import { chooseTiling, cutColumns, cutIntoPieces, hasLoops, LANES, type Piece } from './tile.js';
import { TileCode } from './tile-code.js';

export interface CompileRequest {
  readonly source: string;
  readonly layout: Layout;
  readonly outputOffset: number;
  readonly arithmetic: Arithmetic;
  /** The output's extents, x (contiguous) first. */
  readonly extents: Readonly<Record<Axis, number>>;
  readonly memory: MemoryLimits;
  /** Bytes of the memory that belong to nobody: from `begin` to `end`. */
  readonly spare: { readonly begin: number; readonly end: number };
}

export interface CompiledModule {
  readonly bytes: Uint8Array;
  /** The module's functions, readable. */
  readonly listing: () => string;
}

/**
 * The module exports `run(start, end, seed)`, which computes the cells `start` to `end` (exclusive) of the output, in storage
 * order; over memory that is not shared, always all of them. Throws KernelError where the source is outside the language.
 */
export function compileKernel(request: CompileRequest): CompiledModule {
  const ir = contractProducts(lower(parseKernel(request.source), request.layout, request.extents));
  const functions = [wholeFunction(ir, request)];
  if (request.memory.shared) functions.push(rangeFunction(ir, request));
  return {
    bytes: assembleModule(request.memory, functions),
    listing: () => functions.map(one => one.listing()).join('\n'),
  };
}

/** Parameters of `run`: start, end, seed. */
const START = 0;
const END = 1;
const SEED = 2;

/**
 * `run`: all of the output in tiles. A part of it, which only gpu.js's own threads ask for and which they do over shared
 * memory, is left to the other function.
 */
function wholeFunction(
  ir: KernelIr,
  { outputOffset, arithmetic, memory: { shared }, spare }: CompileRequest,
): FunctionAssembler {
  const f = new FunctionAssembler('run', ['i32', 'i32', 'i32']);
  const { x, y, z } = ir.extents;
  const cells = x * y * z;
  if (shared) {
    f.get(START).i32(0).op('i32.ne').get(END).i32(cells).op('i32.ne').op('i32.or').if();
    f.get(START).get(END).get(SEED).call(1, 'range').op('return').op('end');
  }

  const origin: Origin = { x: f.local('i32'), y: f.local('i32'), z: f.local('i32') };
  const tiling = chooseTiling(ir, arithmetic);
  const columnPieces = cutColumns(x, tiling.vectors);
  const rowPieces = (columns: number) => cutIntoPieces(y, tiling.rows(Math.ceil(columns / LANES)));
  // products read a panel of columns again for each row: it stays in the nearest cache if the rows go round inside
  const columnsOutside = hasLoops(ir);
  // threads that share the memory would overwrite each other's copies
  const largest = { vectors: tiling.vectors, rows: tiling.rows(tiling.vectors) };
  const packs = columnsOutside && !shared ? planPacks(ir, largest, spare.begin, spare.end) : [];
  const code = (columns: number, rows: number) => {
    const vectors = Math.ceil(columns / LANES);
    const lanes = columns - (vectors - 1) * LANES;
    return new TileCode(f, ir, arithmetic, origin, { rows, vectors }, lanes, packs);
  };
  over(f, origin.z, cutIntoPieces(z, 1), () => {
    if (!columnsOutside) {
      over(f, origin.y, rowPieces(x), rows =>
        over(f, origin.x, columnPieces, columns => code(columns, rows).emit(outputOffset)),
      );
      return;
    }
    over(f, origin.x, columnPieces, columns => {
      f.i32(0).set(origin.y);
      const first = code(columns, 1);
      for (const pack of packs) {
        emitPack(f, pack, Math.ceil(columns / LANES), () => first.originOf(pack.load.element));
      }
      over(f, origin.y, rowPieces(columns), rows => code(columns, rows).emit(outputOffset));
    });
  });
  return f;
}

/** `range`: cell by cell. */
function rangeFunction(ir: KernelIr, { arithmetic, outputOffset }: CompileRequest): FunctionAssembler {
  const f = new FunctionAssembler('range', ['i32', 'i32', 'i32']);
  const { x, y } = ir.extents;
  const origin: Origin = { x: f.local('i32'), y: f.local('i32'), z: f.local('i32') };
  f.get(START).get(END).op('i32.ge_s').if().op('return').op('end');
  f.loop();
  f.get(START).i32(x).op('i32.rem_u').set(origin.x);
  f.get(START).i32(x).op('i32.div_u').i32(y).op('i32.rem_u').set(origin.y);
  f.get(START)
    .i32(x * y)
    .op('i32.div_u')
    .set(origin.z);
  new TileCode(f, ir, arithmetic, origin, { rows: 1, vectors: 1 }, 1, []).emit(outputOffset);
  f.get(START).i32(1).op('i32.add').tee(START).get(END).op('i32.lt_s').branchIf(0).op('end');
  return f;
}

/** Writes `body` for each piece: a loop over its steps with the position in `local`, or no loop for a single one. */
function over(
  f: FunctionAssembler,
  local: number,
  pieces: readonly Piece[],
  body: (size: number) => void,
): void {
  for (const { from, to, size } of pieces) {
    f.i32(from).set(local);
    if (to - from === size) {
      body(size);
      continue;
    }
    f.loop();
    body(size);
    f.get(local).i32(size).op('i32.add').tee(local).i32(to).op('i32.lt_s').branchIf(0).op('end');
  }
}
