import { type Axis, parseKernel } from './language.js';
import { assembleModule, FunctionAssembler, type MemoryLimits, type ValueType } from './simd-assembler.js';
import { fuseMultiplyAdd, type KernelIr, OUTPUT, splitAfterSums } from './simd-ir.js';
import { lower, type Parameter } from './simd-lower.js';
import type { Origin } from './simd-pointers.js';
import type { Target } from './simd-target.js';
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
 * The module exports `run(...arguments, output, spare)`: addresses of arrays, floats and integers
 * in the order of the source's parameters, the address of the output, and that of `spareBytes`
 * bytes that nobody else uses meanwhile. An address may be any multiple of 4.
 *
 * @throws KernelError if the source is outside the language
 */
export function compileKernel(request: CompileRequest) {
  const { source, parameters, extents, target, memory } = request;
  const ir = fuseMultiplyAdd(lower(parseKernel(source), parameters, extents));
  const { f, spareBytes } = kernelFunction(ir, parameters, target);
  return {
    bytes: assembleModule(memory, f),
    spareBytes,
    /** The module's function, readable. */
    listing: () => f.listing(),
  };
}

const TYPES: Readonly<Record<Parameter['type'], ValueType>> = { array: 'i32', float: 'f32', integer: 'i32' };

function kernelFunction(
  ir: KernelIr,
  given: readonly Parameter[],
  target: Target,
): { f: FunctionAssembler; spareBytes: number } {
  const f = new FunctionAssembler('run', [...given.map(({ type }) => TYPES[type]), 'i32', 'i32']);
  const parameters: KernelParameters = {
    arguments: new Map([...given.map(({ name }) => name), OUTPUT].map((name, i) => [name, i])),
    splats: splats(f, given),
    output: given.length,
    spare: given.length + 1,
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
  over(f, origin.z, cutIntoPieces(z, 1), () => {
    if (!columnsOutside) {
      over(f, origin.y, rowPieces(x), rows =>
        over(f, origin.x, columnPieces, columns => code(columns, rows).emit()),
      );
      return;
    }
    over(f, origin.x, columnPieces, columns => {
      f.i32(0).set(origin.y);
      const first = code(columns, 1);
      for (const pack of packs) {
        const vectors = Math.ceil(columns / LANES);
        emitPack(f, pack, vectors, parameters.spare, () => first.originOf(pack.load));
      }
      over(f, origin.y, rowPieces(columns), rows =>
        code(columns, rows).emit({ isRaw: finish !== undefined }),
      );
      if (finish) over(f, origin.y, cutIntoPieces(y, 1), () => code(columns, 1, finish).emit());
    });
  });
  return { f, spareBytes };
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
