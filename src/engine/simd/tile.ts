/** How much of the output one round of the code computes: rows times vectors of four. */
import { forEachLoad, forEachValue, type Instruction, type KernelIr } from './ir.js';

export const LANES = 4;

export interface Tile {
  readonly rows: number;
  readonly vectors: number;
}

/**
 * With loops, every value loaded in one serves as many products as possible: five rows of two vectors fill the sixteen
 * vector registers (ten sums, two vectors, a row's value). Fewer rows where the extent leaves a smaller remainder.
 * Without loops a kernel streams: one row, two vectors, so that long chains of arithmetic overlap.
 */
export function chooseTile(ir: KernelIr): Tile {
  const vectorsInRow = Math.ceil(ir.extents.x / LANES);
  if (branchesAlong(ir.body, 'y')) return { rows: 1, vectors: 1 };
  if (hasLoops(ir)) return { rows: rowsFor(ir.extents.y), vectors: Math.min(2, vectorsInRow) };
  if (readsAcross(ir)) return { rows: Math.min(LANES, ir.extents.y), vectors: 1 };
  return { rows: 1, vectors: Math.min(2, vectorsInRow) };
}

export function hasLoops(ir: KernelIr): boolean {
  return ir.body.some(instruction => instruction.kind === 'loop');
}

function rowsFor(extent: number): number {
  if (extent <= 5) return extent;
  return [5, 4].find(rows => extent % rows === 0) ?? 5;
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
    return instruction.selector === axis || bodies.some(body => branchesAlong(body, axis));
  });
}
