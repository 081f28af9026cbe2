import type { Node } from '../graph/node.js';
import { multiply } from './multiply.js';
import { pointwise } from './pointwise.js';
import { affine } from './polynomial.js';
import { positive } from './positive.js';
import { subtract } from './subtract.js';

export const maximumOp = pointwise(2, {
  name: 'maximum',
  cost: 1,
  expression: (a, b) => `Math.max(${a}, ${b})`,
  reference: (a, b) => Math.max(a, b),
  gradient: ({ inputs: [a, b] }, cotangent) => {
    const larger = positive(subtract(b, a));
    return [multiply(cotangent, affine(larger, -1, 1)), multiply(cotangent, larger)];
  },
});

/**
 * The larger of a and b, elementwise; equal shapes. The gradient goes to the larger one; if they
 * are equal, only to a (torch.maximum splits it). Numbers less than 2^-100 apart count as equal,
 * because kernels store such a difference as zero. Both must be finite: the gradient needs their
 * difference.
 */
export function maximum(a: Node, b: Node): Node {
  return a.graph.apply(maximumOp, [a, b], undefined);
}
