import type { Node } from '../graph/node.js';
import type { Op } from '../graph/op.js';
import { sizeOf } from '../graph/shape.js';

interface Attributes {
  readonly numClasses: number;
}

export const oneHotOp: Op<Attributes> = {
  name: 'one_hot',
  kind: 'view',
  readsOnce: false,
  shape: ([classes], { numClasses }) => [...classes, numClasses],
  gradient: () => [null],
  reference: ([classes], { numClasses }, shape) =>
    Float64Array.from({ length: sizeOf(shape) }, (_, i) =>
      classes.data[Math.floor(i / numClasses)] === i % numClasses ? 1 : 0,
    ),
  // exact for integers; avoids comparing a float with an integer, which gpu.js types differently
  // per backend
  emit: (writer, [classes], index) =>
    writer.define(`Math.max(1 - Math.abs(${classes(index.slice(0, -1))} - ${index.at(-1)}), 0)`),
  flops: () => 0,
};

/**
 * 1 where the last axis equals the class index, 0 elsewhere: [...] -> [..., numClasses]. An index
 * outside 0..numClasses-1 (such as -100, ignored) yields zeros.
 */
export function oneHot(classes: Node, numClasses: number): Node {
  return classes.graph.apply(oneHotOp, [classes], { numClasses });
}
