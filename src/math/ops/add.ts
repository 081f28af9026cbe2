import type { Node } from '../graph/node.js';
import type { Op } from '../graph/op.js';
import { pointwise } from './pointwise.js';

const plain = pointwise(2, {
  name: 'add',
  cost: 1,
  expression: (a, b) => `${a} + ${b}`,
  reference: (a, b) => a + b,
  gradient: (_node, cotangent) => [cotangent, cotangent],
});

export const addOp: Op<undefined> = {
  ...plain,
  accumulates: true,
  emit(writer, inputs, index, node, start) {
    const [addend, sum] = inputs[1].from ? inputs : [...inputs].reverse();
    if (!sum.from) return plain.emit(writer, inputs, index, node);
    if (start === undefined) return sum.from(addend(index), index);
    return sum.from(addend.from ? addend.from(start, index) : `${start} + ${addend(index)}`, index);
  },
};

/** a + b, elementwise; equal shapes. */
export function add(a: Node, b: Node): Node {
  return a.graph.apply(addOp, [a, b], undefined);
}
