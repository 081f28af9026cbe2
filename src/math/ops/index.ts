/** All ops, for the suites that test every op alike, and the sum of cotangents. */
import type { Node } from '../graph/node.js';
import type { Op } from '../graph/op.js';
import { absoluteOp } from './absolute.js';
import { activateOp } from './activate.js';
import { add, addOp } from './add.js';
import { broadcastOp } from './broadcast.js';
import { contractOp } from './contract.js';
import { divideOp } from './divide.js';
import { exponentialOp } from './exponential.js';
import { gatherOp } from './gather.js';
import { logSumExpOp } from './log_sum_exp.js';
import { maximumOp } from './maximum.js';
import { multiplyOp } from './multiply.js';
import { oneHotOp } from './one_hot.js';
import { polynomialOp } from './polynomial.js';
import { positiveOp } from './positive.js';
import { selectOp } from './select.js';
import { softplusOp } from './softplus.js';
import { squareRootOp } from './square_root.js';
import { stack, stackOp } from './stack.js';
import { subtractOp } from './subtract.js';
import { sumOp } from './sum.js';
import { transposeOp } from './transpose.js';

export const ops: readonly Op<never>[] = [
  absoluteOp,
  activateOp,
  addOp,
  broadcastOp,
  contractOp,
  divideOp,
  exponentialOp,
  gatherOp,
  logSumExpOp,
  maximumOp,
  multiplyOp,
  oneHotOp,
  polynomialOp,
  positiveOp,
  selectOp,
  softplusOp,
  squareRootOp,
  stackOp,
  subtractOp,
  sumOp,
  transposeOp,
];

/**
 * The sum of `terms` (at least one, equal shapes), from left to right. Stacks of different
 * positions are merged into one, so that the gradients of several slices become one tensor instead
 * of a sum of mostly zeros.
 */
export function addAll(terms: readonly Node[]): Node {
  return joinStacks(terms).reduce(add);
}

function joinStacks(terms: readonly Node[]): Node[] {
  const parts = new Map<number, Node>();
  const others: Node[] = [];
  for (const term of terms) {
    const positions =
      term.op?.name === stackOp.name ? (term.attributes as { positions: number[] }).positions : [];
    if (positions.length === 0 || positions.some(at => parts.has(at))) others.push(term);
    else positions.forEach((at, i) => parts.set(at, term.inputs[i]));
  }
  if (parts.size === 0) return others;
  const positions = [...parts.keys()].sort((a, b) => a - b);
  const joined = stack(
    positions.map(at => parts.get(at) as Node),
    positions,
    terms[0].shape[0],
  );
  return [joined, ...others];
}
