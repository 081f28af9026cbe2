import type { Node } from '../graph/node.js';
import { multiply } from './multiply.js';
import { pointwise } from './pointwise.js';

export const exponentialOp = pointwise(1, {
  name: 'exponential',
  cost: 1,
  expression: x => `Math.exp(${x})`,
  reference: Math.exp,
  gradient: (node, cotangent) => [multiply(cotangent, node)],
});

/** e^x, elementwise. */
export function exponential(x: Node): Node {
  return x.graph.apply(exponentialOp, [x], undefined);
}
