/**
 * Packing: data that all row tiles of a column read is first copied to one contiguous place. Rows
 * of a matrix are often a power of two apart, so that a column of vectors falls into a few sets of
 * the nearest cache and evicts itself; packed, it stays there. Goto and van de Geijn, Anatomy of
 * High-Performance Matrix Multiplication (2008), section 4.
 */
import type { FunctionAssembler } from './simd-assembler.js';
import { type Affine, coefficient, type Instruction, type KernelIr, type Load, loadsOf } from './simd-ir.js';
import { LANES, type Tile } from './simd-tile.js';

const FLOAT_BYTES = 4;
/** Minimum number of row tiles that share a column for a copy to pay off. */
const MIN_ROW_TILES = 3;
/**
 * Row stride in floats from which a column evicts itself. Measured on x86-64: with 128 floats
 * (hidden size 128) copies cost 3 % and gain nothing; with 512 they make products 1.6 times as
 * fast.
 */
const MIN_STRIDE = 256;

/** Copies larger than this would not stay in the nearest caches. */
const MAX_BYTES = 15 * 65536;

type Loop = Extract<Instruction, { kind: 'loop' }>;

export interface Pack {
  readonly load: Load;
  /** The loops that the load moves with, outermost first. */
  readonly loops: readonly Loop[];
  /** Byte offset of the copy in the spare memory. */
  readonly at: number;
}

/** The loads worth packing for tiles of at most `tile`, and the bytes of all copies. */
export function planPacks(ir: KernelIr, tile: Tile): { packs: readonly Pack[]; bytes: number } {
  const packs: Pack[] = [];
  let next = 0;
  if (ir.extents.y < MIN_ROW_TILES * tile.rows) return { packs, bytes: next };
  const walk = (instructions: readonly Instruction[], loops: readonly Loop[]) => {
    for (const instruction of instructions) {
      if (instruction.kind === 'loop') walk(instruction.body, [...loops, instruction]);
      if (instruction.kind !== 'set') continue;
      for (const load of loadsOf(instruction.value)) {
        const own = loops.filter(loop => coefficient(load.element, loop.variable) !== 0);
        const rounds = own.reduce((product, { to }) => product * to, 1);
        const bytes = rounds * tile.vectors * LANES * FLOAT_BYTES;
        if (!isWorthPacking(load, own) || next + bytes > MAX_BYTES) continue;
        packs.push({ load, loops: own, at: next });
        next += bytes;
      }
    }
  };
  walk(ir.body, []);
  return { packs, bytes: next };
}

/**
 * Whether `load` is the same for all rows, contiguous along x, and far apart from round to round by
 * a constant.
 */
function isWorthPacking({ element, gathered }: Load, loops: readonly Loop[]): boolean {
  const innermost = loops.at(-1);
  if (!innermost || loops.some(({ from }) => from !== 0)) return false;
  if (gathered.length > 0 || coefficient(element, 'x') !== 1 || coefficient(element, 'y') !== 0) return false;
  return coefficient(element, innermost.variable) >= MIN_STRIDE;
}

/** Where the copy of `pack`, of `vectors` vectors, has what its load reads; from `pack.at`. */
export function packedElement({ loops }: Pack, vectors: number): Affine {
  const terms = new Map<string, number>();
  let stride = vectors * LANES;
  for (const { variable, to } of [...loops].reverse()) {
    terms.set(variable, stride);
    stride *= to;
  }
  return { constant: 0, terms };
}

/**
 * Copies what `pack` needs for one column of tiles to the spare memory, whose address is in local
 * `spare`; `pointer` leaves the address of its first element on the stack.
 */
export function emitPack(
  f: FunctionAssembler,
  pack: Pack,
  vectors: number,
  spare: number,
  pointer: () => void,
): void {
  const { element } = pack.load;
  const source = f.local('i32');
  const target = f.local('i32');
  pointer();
  f.set(source);
  f.get(spare).set(target);
  const nest = (loops: readonly Loop[]) => {
    if (loops.length === 0) {
      for (let vector = 0; vector < vectors; vector++) {
        const offset = vector * LANES * FLOAT_BYTES;
        f.get(target)
          .get(source)
          .memory('v128.load', element.constant * FLOAT_BYTES + offset);
        f.memory('v128.store', pack.at + offset);
      }
      f.get(target)
        .i32(vectors * LANES * FLOAT_BYTES)
        .op('i32.add')
        .set(target);
      return;
    }
    const [{ variable, to }, ...inner] = loops;
    const step = coefficient(element, variable) * FLOAT_BYTES;
    const counter = f.local('i32');
    const start = f.local('i32');
    f.get(source).set(start);
    f.i32(0).set(counter);
    f.count(counter, 1, to, () => {
      f.get(start).set(source);
      nest(inner);
      f.get(start).i32(step).op('i32.add').set(start);
    });
  };
  nest(pack.loops);
}
