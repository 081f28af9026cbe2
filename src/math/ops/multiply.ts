import type { Node } from '../graph/node.js';
import { pointwise } from './pointwise.js';

export const multiplyOp = pointwise(2, {
  name: 'multiply',
  cost: 1,
  expression: (a, b) => `${a} * ${b}`,
  reference: (a, b) => a * b,
  gradient: ({ inputs: [a, b] }, cotangent) => [multiply(cotangent, b), multiply(cotangent, a)],
});

/** a * b, elementwise; equal shapes. */
export function multiply(a: Node, b: Node): Node {
  return a.graph.apply(multiplyOp, [a, b], undefined);
}
