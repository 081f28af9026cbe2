import type { Node } from '../graph/node.js';
import { sigmoid } from './activate.js';
import { multiply } from './multiply.js';
import { pointwise } from './pointwise.js';

export const softplusOp = pointwise(1, {
  name: 'softplus',
  cost: 4,
  // exponents are at most 0, so they cannot overflow
  expression: x => `Math.max(${x}, 0) + Math.log(1 + Math.exp(-Math.abs(${x})))`,
  reference: x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  gradient: ({ inputs: [x] }, cotangent) => [multiply(cotangent, sigmoid(x))],
});

/** log(1 + e^x), elementwise. */
export function softplus(x: Node): Node {
  return x.graph.apply(softplusOp, [x], undefined);
}
