import type { Node } from '../graph/node.js';
import { divide } from './divide.js';
import { pointwise } from './pointwise.js';
import { scale } from './polynomial.js';

export const squareRootOp = pointwise(1, {
  name: 'square_root',
  cost: 1,
  expression: x => `Math.sqrt(${x})`,
  reference: Math.sqrt,
  gradient: (node, cotangent) => [scale(divide(cotangent, node), 0.5)],
});

/** sqrt(x), elementwise; not differentiable at zero. */
export function squareRoot(x: Node): Node {
  return x.graph.apply(squareRootOp, [x], undefined);
}
