/** How much of the output one round of the code computes: rows times vectors of four. */
import type { Arithmetic } from './arithmetic.js';
import { forEachLoad, forEachValue, type Instruction, type KernelIr } from './ir.js';

export const LANES = 4;

export interface Tile {
  readonly rows: number;
  readonly vectors: number;
}

/** Tiles of which sizes. */
export interface Tiling {
  /** At most. */
  readonly vectors: number;
  /** Rows of a tile of so many vectors, at most. */
  rows(vectors: number): number;
}

/** From `from` to `to` (exclusive) in steps of `size`. */
export interface Piece {
  readonly from: number;
  readonly to: number;
  readonly size: number;
}

/** Vectors of a tile with sums, and the rows that go with so many vectors. */
const SUMS: Readonly<Record<Arithmetic, { readonly vectors: number; readonly rows: readonly number[] }>> = {
  fused: { vectors: 3, rows: [4, 4, 3] },
  separate: { vectors: 2, rows: [4, 4] },
};

/**
 * With loops, every value loaded in one serves as many products as possible. Which tile is best was measured on x86-64 (Sapphire
 * Rapids), whose sixteen registers must hold the sums and what they are made of, and whose two ports for products or three for
 * products and sums must never wait. Separate: four rows of two vectors reach 41 GFLOP/s; nine
 * sums or more reach 28 to 37. Fused: nine sums of three rows and three vectors, 47 over all of a training step, against 46 of
 * eight sums in four rows and 35 of ten or more.
 * Without loops a kernel streams: one row, two vectors, so that long chains of arithmetic overlap.
 */
export function chooseTiling(ir: KernelIr, arithmetic: Arithmetic): Tiling {
  if (branchesAlong(ir.body, 'y')) return { vectors: 1, rows: () => 1 };
  if (hasLoops(ir)) {
    const { vectors, rows } = SUMS[arithmetic];
    return { vectors, rows: vectors => rows[vectors - 1] };
  }
  if (readsAcross(ir)) return { vectors: 1, rows: () => LANES };
  return { vectors: 2, rows: () => 1 };
}

export function hasLoops(ir: KernelIr): boolean {
  return ir.body.some(instruction => instruction.kind === 'loop');
}

/** `extent` in the fewest pieces of at most `size`, no two of them more than one apart, the larger ones first. */
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

/** The columns of `extent` floats in pieces of at most `vectors` vectors; where the last vector is not whole, its tile is a piece. */
export function cutColumns(extent: number, vectors: number): Piece[] {
  const pieces = cutIntoPieces(Math.ceil(extent / LANES), vectors).map(({ from, to, size }) => ({
    from: from * LANES,
    to: to * LANES,
    size: size * LANES,
  }));
  if (extent % LANES === 0) return pieces;
  const { from, to, size } = pieces.pop() as Piece;
  const last = to - size;
  if (last > from) pieces.push({ from, to: last, size });
  return [...pieces, { from: last, to: extent, size: extent - last }];
}

/** Whether a load goes along y where the output goes along x, as in a transposition. */
function readsAcross(ir: KernelIr): boolean {
  let found = false;
  const look = (value: Parameters<typeof forEachLoad>[0]) =>
    forEachLoad(value, ({ element }) => {
      if ((element.terms.get('x') ?? 0) > 1) found = true;
    });
  forEachValue(ir.body, look);
  look(ir.result);
  return found;
}

function branchesAlong(instructions: readonly Instruction[], axis: string): boolean {
  return instructions.some(instruction => {
    if (instruction.kind === 'set') return false;
    if (instruction.kind === 'loop') return branchesAlong(instruction.body, axis);
    const bodies = [...instruction.cases.map(one => one.body), instruction.otherwise];
    return instruction.selector.terms.has(axis) || bodies.some(body => branchesAlong(body, axis));
  });
}
