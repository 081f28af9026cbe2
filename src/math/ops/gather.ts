import type { Node } from '../graph/node.js';
import type { Op } from '../graph/op.js';
import { requireShape, sizeOf } from '../graph/shape.js';

export const gatherOp: Op<undefined> = {
  name: 'gather',
  kind: 'copy',
  readsOnce: false,
  shape(inputs) {
    const [table, symbols] = inputs;
    requireShape(
      inputs.length === 2 && table.length === 2 && symbols.length === 1,
      'gather',
      'takes a table of rows and a vector of symbols',
    );
    return [symbols[0], table[1]];
  },
  gradient: () => [null, null],
  reference([table, symbols], _attributes, shape) {
    const [, width] = shape;
    return Float64Array.from(
      { length: sizeOf(shape) },
      (_, i) => table.data[symbols.data[Math.floor(i / width)] * width + (i % width)],
    );
  },
  emit: (_writer, [table, symbols], [row, column]) => table([symbols([row]), column]),
  flops: () => 0,
};

/**
 * Rows of a table: table [V, E], symbols [B] -> [B, E]. The symbols must be an input of the graph,
 * declared with at most V symbols. A gradient of the table would be mostly zeros: a model
 * differentiates with respect to the gathered rows and adds their gradients to the table's.
 */
export function gather(table: Node, symbols: Node): Node {
  return table.graph.apply(gatherOp, [table, symbols], undefined);
}
