import type { Node } from '../graph/node.js';
import { pointwise } from './pointwise.js';

/** The smallest normal float32. It and its reciprocal are exact, and no product overflows. */
const SMALLEST_NORMAL = 2 ** -126;

// kernels have no comparisons
export const positiveOp = pointwise(1, {
  name: 'positive',
  cost: 3,
  expression: x => `Math.min(Math.max(${x}, 0), ${SMALLEST_NORMAL}) * ${1 / SMALLEST_NORMAL}`,
  reference: x => Math.min(Math.max(x / SMALLEST_NORMAL, 0), 1),
  gradient: () => [null],
});

/**
 * 1 where x > 0, else 0; NaN where x is NaN; elementwise. Exact for normal numbers: a subnormal x
 * (0 < x < 2^-126) counts as x / 2^-126. Constant almost everywhere, so it has no gradient.
 */
export function positive(x: Node): Node {
  return x.graph.apply(positiveOp, [x], undefined);
}
