import type { Node } from '../graph/node.js';
import { pointwise } from './pointwise.js';
import { scale } from './polynomial.js';

export const subtractOp = pointwise(2, {
  name: 'subtract',
  cost: 1,
  expression: (a, b) => `${a} - ${b}`,
  reference: (a, b) => a - b,
  gradient: (_node, cotangent) => [cotangent, scale(cotangent, -1)],
});

/** a - b, elementwise; equal shapes. */
export function subtract(a: Node, b: Node): Node {
  return a.graph.apply(subtractOp, [a, b], undefined);
}
