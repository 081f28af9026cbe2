/** All ops, for the tests, and the sum of cotangents. */
import type { Node } from '../graph/node.js';
import type { Op } from '../graph/op.js';
import { broadcastOp, sumOp } from './broadcast.js';
import { contractOp } from './contract.js';
import {
  absolute,
  activateOp,
  add,
  divide,
  exponential,
  maximum,
  multiply,
  polynomialOp,
  positive,
  softplus,
  squareRoot,
  subtract,
} from './elementwise.js';
import { gatherOp } from './gather.js';
import { logSumExpOp } from './log_sum_exp.js';
import { oneHotOp } from './one_hot.js';
import { selectOp, stack, stackOp } from './stack.js';
import { transposeOp } from './transpose.js';

export const ops: readonly Op<never>[] = [
  absolute.op,
  activateOp,
  add.op,
  broadcastOp,
  contractOp,
  divide.op,
  exponential.op,
  gatherOp,
  logSumExpOp,
  maximum.op,
  multiply.op,
  oneHotOp,
  polynomialOp,
  positive.op,
  selectOp,
  softplus.op,
  squareRoot.op,
  stackOp,
  subtract.op,
  sumOp,
  transposeOp,
];

/**
 * The sum of `terms` from left to right. Stacks of different positions are merged into one, so that
 * the gradients of several slices become one tensor instead of a sum of mostly zeros.
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
