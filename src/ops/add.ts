import type { Node } from '../graph/node.js';
import { pointwise } from './pointwise.js';

export const addOp = pointwise(2, {
  name: 'add',
  cost: 1,
  expression: (a, b) => `${a} + ${b}`,
  reference: (a, b) => a + b,
  gradient: (_node, cotangent) => [cotangent, cotangent],
});

/** a + b, elementwise; equal shapes. */
export function add(a: Node, b: Node): Node {
  return a.graph.apply(addOp, [a, b], undefined);
}
