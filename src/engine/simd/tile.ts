/** How much of the output one round of the code computes: rows times vectors of four. */
import { forEachLoad, forEachValue, type Instruction, type KernelIr } from './ir.js';

export const LANES = 4;

export interface Tile {
  readonly rows: number;
  readonly vectors: number;
}

/** From `from` to `to` (exclusive) in steps of `size`. */
export interface Piece {
  readonly from: number;
  readonly to: number;
  readonly size: number;
}

/** Rows of a tile with sums, and the next best number. */
const ROWS = 4;
const FEWER_ROWS = 3;

/**
 * With loops, every value loaded in one serves as many products as possible. Eight sums are what V8 keeps in registers
 * beside the values they are made of: measured on x86-64, four rows of two vectors reach 41 GFLOP/s, as do three rows and two
 * rows of four vectors; nine sums or more reach 28 to 37.
 * Without loops a kernel streams: one row, two vectors, so that long chains of arithmetic overlap.
 */
export function chooseTile(ir: KernelIr): Tile {
  const vectorsInRow = Math.ceil(ir.extents.x / LANES);
  if (branchesAlong(ir.body, 'y')) return { rows: 1, vectors: 1 };
  if (hasLoops(ir)) return { rows: Math.min(ROWS, ir.extents.y), vectors: Math.min(2, vectorsInRow) };
  if (readsAcross(ir)) return { rows: Math.min(LANES, ir.extents.y), vectors: 1 };
  return { rows: 1, vectors: Math.min(2, vectorsInRow) };
}

export function hasLoops(ir: KernelIr): boolean {
  return ir.body.some(instruction => instruction.kind === 'loop');
}

/**
 * `extent` in pieces of `size`; what is left is a smaller piece. Where single rows would be left of tiles of four, tiles of
 * three, which are as fast, take up the rest.
 */
export function cutIntoPieces(extent: number, size: number): Piece[] {
  const left = extent % size;
  const fewer = size === ROWS && left > 0 && (size - left) * FEWER_ROWS <= extent ? size - left : 0;
  const pieces: Piece[] = [];
  const add = (until: number, step: number) => {
    const from = pieces.at(-1)?.to ?? 0;
    if (until > from) pieces.push({ from, to: until, size: step });
  };
  if (fewer > 0) {
    add(extent - fewer * FEWER_ROWS, size);
    add(extent, FEWER_ROWS);
  } else {
    add(extent - left, size);
    add(extent, left);
  }
  return pieces;
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
