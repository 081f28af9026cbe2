/** The size of a tile, which is the part of the output that one iteration computes, and packing. */

import type { FunctionAssembler } from '../util/assembler.js';
import type { Arithmetic } from './arithmetic.js';
import {
  type Affine,
  coefficient,
  type Instruction,
  type KernelIr,
  type Load,
  loadsOf,
  valuesOf,
} from './simd-ir.js';

/**
 * Bits of the operations that the machine is expected to execute. WebAssembly's vectors have 128.
 * V8's optimizing compiler can merge two neighbouring operations into one of 256 bits if it is told
 * to (`--experimental-wasm-revectorize`). Whether that pays depends on the processor and on V8:
 * without the merge the larger tiles that it needs are slower.
 */
export type MergedWidth = 128 | 256;

export interface Target {
  readonly arithmetic: Arithmetic;
  readonly width: MergedWidth;
}

export const LANES = 4;

export interface Tile {
  readonly rows: number;
  readonly vectors: number;
}

export interface Tiling {
  readonly vectors: number;
  /** Maximum number of rows of a tile with this many vectors. */
  rows(vectors: number): number;
}

/** From `from` to `to` (exclusive) in steps of `size`. */
export interface Piece {
  readonly from: number;
  readonly to: number;
  readonly size: number;
}

interface SumTile {
  /** Vectors of a tile with sums. */
  readonly vectors: number;
  /** Maximum rows by number of vectors, from 1. */
  readonly rows: readonly number[];
}

/**
 * The best tiles of sums, measured on x86-64: sixteen registers must hold the sums and their
 * operands, and the multiplication ports must never wait.
 *
 * - 256 bits: five rows of four vectors are ten sums, two columns and a splat, 24 instructions for
 *   ten multiply-adds without a spill; six rows spill. Tails with an odd vector are merged in part.
 * - Fused at 128 bits: nine sums of three rows and three vectors reach 47 GFLOP/s over all of a
 *   training step, eight sums in four rows 46, ten or more 35.
 * - Separate: four rows of two vectors reach 41 GFLOP/s, nine sums or more 28 to 37.
 */
const SUMS: Readonly<Record<string, SumTile>> = {
  'fused 256': { vectors: 4, rows: [6, 5, 5, 5] },
  'fused 128': { vectors: 3, rows: [4, 4, 3] },
  'separate 256': { vectors: 4, rows: [4, 4, 4, 4] },
  'separate 128': { vectors: 2, rows: [4, 4] },
};

/** Vectors of a tile of the only row. 8 are 8 % faster, but make exported modules 2 kB larger. */
const ROW = 4;

/** Vectors of a tile without sums. */
const STREAMED: Readonly<Record<MergedWidth, number>> = { 256: 4, 128: 2 };

/**
 * In loops, every loaded value serves as many products as possible. Without loops a kernel streams:
 * one row, several vectors, so that long chains of arithmetic overlap.
 */
export function chooseTiling(ir: KernelIr, { arithmetic, width }: Target): Tiling {
  if (branchesAlong(ir.body, 'y')) return { vectors: 1, rows: () => 1 };
  if (hasLoops(ir)) {
    if (ir.extents.y === 1) return { vectors: ROW, rows: () => 1 };
    const { vectors, rows } = SUMS[`${arithmetic} ${width}`];
    return { vectors, rows: vectors => rows[vectors - 1] };
  }
  if (readsAcross(ir)) return { vectors: 1, rows: () => LANES };
  return { vectors: STREAMED[width], rows: () => 1 };
}

export function hasLoops(ir: KernelIr): boolean {
  return ir.body.some(instruction => instruction.kind === 'loop');
}

/**
 * Splits `extent` into the fewest pieces of at most `size`, whose sizes differ by at most one,
 * larger ones first.
 */
export function cutIntoPieces(extent: number, size: number): Piece[] {
  const count = Math.ceil(extent / size);
  const least = Math.floor(extent / count);
  const larger = extent - count * least;
  const bend = larger * (least + 1);
  const pieces = [
    { from: 0, to: bend, size: least + 1 },
    { from: bend, to: extent, size: least },
  ];
  return pieces.filter(({ from, to }) => to > from);
}

/**
 * Splits the columns of `extent` floats into pieces of at most `vectors` vectors: as many full ones
 * as possible, then the rest. If the last vector is partial, its tile is a separate piece.
 */
export function cutColumns(extent: number, vectors: number): Piece[] {
  const step = vectors * LANES;
  const whole = Math.floor(extent / step) * step;
  const rest = Math.floor((extent - whole) / LANES) * LANES;
  return [
    { from: 0, to: whole, size: step },
    { from: whole, to: whole + rest, size: rest },
    { from: whole + rest, to: extent, size: extent - whole - rest },
  ].filter(({ from, to }) => to > from);
}

/** Whether a load goes along y where the output goes along x, as in a transposition. */
function readsAcross({ body, result }: KernelIr): boolean {
  return valuesOf(body, result).some(value => value.kind === 'load' && coefficient(value.element, 'x') > 1);
}

function branchesAlong(instructions: readonly Instruction[], axis: string): boolean {
  return instructions.some(instruction => {
    if (instruction.kind === 'set') return false;
    if (instruction.kind === 'loop') return branchesAlong(instruction.body, axis);
    const bodies = [...instruction.cases.map(branch => branch.body), instruction.otherwise];
    return instruction.selector.terms.has(axis) || bodies.some(body => branchesAlong(body, axis));
  });
}

const FLOAT_BYTES = 4;
/**
 * Row stride in floats from which a column evicts itself. Measured on x86-64: with 128 floats
 * (hidden size 128) copies cost 3 % and gain nothing; with 512 they make products 1.6 times as
 * fast.
 */
const MIN_STRIDE = 256;

/** A column of tiles whose copy is larger than this would not stay in the nearest caches. */
const MAX_COLUMN_BYTES = 15 * 65536;
/** Most that a kernel copies: the weights of 2,048 LSTM units. */
const MAX_BYTES = 2 ** 27;

type Loop = Extract<Instruction, { kind: 'loop' }>;

export interface Pack {
  readonly load: Load;
  /** The loops that the load moves with, outermost first. */
  readonly loops: readonly Loop[];
  /** Floats of a row of the copy, whole vectors, and how many of z are copied. */
  readonly columns: number;
  readonly depth: number;
  /** Byte offset of the copy in the spare memory. */
  readonly at: number;
}

/**
 * The loads worth packing if there are at least `minRows` rows, for tiles of at most `vectors` of
 * `lanes` floats, and the bytes of all copies. What all row tiles of a column read is first copied
 * to one contiguous place: rows of a matrix are often a power of two apart, so that a column of
 * vectors falls into a few sets of the nearest cache and evicts itself; packed, it stays there, and
 * the next column follows it. Goto and van de Geijn, Anatomy of High-Performance Matrix
 * Multiplication (2008), section 4.
 */
export function planPacks(
  ir: KernelIr,
  { minRows, vectors, lanes }: { readonly minRows: number; readonly vectors: number; readonly lanes: number },
): { packs: readonly Pack[]; bytes: number } {
  const packs: Pack[] = [];
  let next = 0;
  if (ir.extents.y < minRows) return { packs, bytes: next };
  const walk = (instructions: readonly Instruction[], loops: readonly Loop[]) => {
    for (const instruction of instructions) {
      if (instruction.kind === 'loop') walk(instruction.body, [...loops, instruction]);
      if (instruction.kind !== 'set') continue;
      for (const load of loadsOf(instruction.value)) {
        const moving = loops.filter(loop => coefficient(load.element, loop.variable) !== 0);
        const rounds = moving.reduce((product, { to }) => product * to, 1);
        const columns = Math.ceil(ir.extents.x / lanes) * lanes;
        const depth = coefficient(load.element, 'z') === 0 ? 1 : ir.extents.z;
        const bytes = rounds * columns * depth * FLOAT_BYTES;
        const fits = rounds * vectors * lanes * FLOAT_BYTES <= MAX_COLUMN_BYTES && next + bytes <= MAX_BYTES;
        if (!isWorthPacking(load, moving) || !fits) continue;
        packs.push({ load, loops: moving, columns, depth, at: next });
        next += bytes;
      }
    }
  };
  walk(ir.body, []);
  return { packs, bytes: next };
}

/** The arguments that determine the copies. */
export function packedArguments(
  packs: readonly Pack[],
  given: readonly { readonly name: string }[],
): number[] {
  const moves = new Set(packs.flatMap(({ load }) => [load.array, ...load.element.terms.keys()]));
  return [...given.keys()].filter(i => moves.has(given[i].name));
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

/**
 * Where the copy of `pack` has what its load reads in a column of `vectors` vectors, from
 * `pack.at`.
 */
export function packedElement({ loops, columns, depth }: Pack, vectors: number): Affine {
  const terms = new Map<string, number>();
  const rounds = loops.reduce((product, { to }) => product * to, 1);
  let stride = vectors * LANES;
  for (const { variable, to } of [...loops].reverse()) {
    terms.set(variable, stride);
    stride *= to;
  }
  // columns of tiles follow one another, and so do their sizes
  terms.set('x', rounds);
  if (depth > 1) terms.set('z', rounds * columns);
  return { constant: 0, terms };
}

/**
 * Copies what `pack` needs for one column of tiles. `from` leaves the address of its first element
 * on the stack, `to` that of its copy before `pack.at`.
 */
export function emitPack(
  f: FunctionAssembler,
  pack: Pack,
  vectors: number,
  from: () => void,
  to: () => void,
): void {
  const { element } = pack.load;
  const source = f.local('i32');
  const target = f.local('i32');
  from();
  f.set(source);
  to();
  f.set(target);
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
