import type { Node } from '../graph/node.js';
import { multiply } from './multiply.js';
import { pointwise } from './pointwise.js';
import { scale } from './polynomial.js';
import { positive } from './positive.js';
import { subtract } from './subtract.js';

export const absoluteOp = pointwise(1, {
  name: 'absolute',
  cost: 1,
  expression: x => `Math.abs(${x})`,
  reference: Math.abs,
  // sign of x; 0 at 0, like torch
  gradient: ({ inputs: [x] }, cotangent) => [
    multiply(cotangent, subtract(positive(x), positive(scale(x, -1)))),
  ],
});

/** |x|, elementwise; its gradient at 0 is 0. */
export function absolute(x: Node): Node {
  return x.graph.apply(absoluteOp, [x], undefined);
}
