/** The size of a tile: the part of the output that one iteration computes. */
import { coefficient, type Instruction, type KernelIr, valuesOf } from './simd-ir.js';
import type { Target, Width } from './simd-target.js';

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

/** Vectors of a tile without sums. */
const STREAMED: Readonly<Record<Width, number>> = { 256: 4, 128: 2 };

/**
 * In loops, every loaded value serves as many products as possible. Without loops a kernel streams:
 * one row, several vectors, so that long chains of arithmetic overlap.
 */
export function chooseTiling(ir: KernelIr, { arithmetic, width }: Target): Tiling {
  if (branchesAlong(ir.body, 'y')) return { vectors: 1, rows: () => 1 };
  if (hasLoops(ir)) {
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
  return valuesOf(body, result).some(one => one.kind === 'load' && coefficient(one.element, 'x') > 1);
}

function branchesAlong(instructions: readonly Instruction[], axis: string): boolean {
  return instructions.some(instruction => {
    if (instruction.kind === 'set') return false;
    if (instruction.kind === 'loop') return branchesAlong(instruction.body, axis);
    const bodies = [...instruction.cases.map(one => one.body), instruction.otherwise];
    return instruction.selector.terms.has(axis) || bodies.some(body => branchesAlong(body, axis));
  });
}
