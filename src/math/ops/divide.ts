import type { Node } from '../graph/node.js';
import { multiply } from './multiply.js';
import { pointwise } from './pointwise.js';
import { scale } from './polynomial.js';

export const divideOp = pointwise(2, {
  name: 'divide',
  cost: 1,
  expression: (a, b) => `${a} / ${b}`,
  reference: (a, b) => a / b,
  // d(a/b) = da/b - (a/b) db/b
  gradient: (node, cotangent) => {
    const overB = divide(cotangent, node.inputs[1]);
    return [overB, scale(multiply(overB, node), -1)];
  },
});

/** a / b, elementwise; equal shapes; the caller must keep b away from zero. */
export function divide(a: Node, b: Node): Node {
  return a.graph.apply(divideOp, [a, b], undefined);
}
