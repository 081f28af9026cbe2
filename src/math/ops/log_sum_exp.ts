import type { Node } from '../graph/node.js';
import type { Op } from '../graph/op.js';
import { requireShape, sizeOf } from '../graph/shape.js';
import { broadcast } from './broadcast.js';
import { exponential, multiply, subtract } from './elementwise.js';

export const logSumExpOp: Op<undefined> = {
  name: 'log_sum_exp',
  kind: 'reduction',
  readsOnce: false,
  shape([x]) {
    requireShape(x.length > 1, 'log_sum_exp', 'needs an axis besides the one that is summed');
    return x.slice(0, -1);
  },
  // d lse(x) / d x_k = softmax(x)_k = e^(x_k - lse(x))
  gradient(node, cotangent) {
    const [x] = node.inputs;
    const axes = node.shape.map((_, axis) => axis);
    const softmax = exponential(subtract(x, broadcast(node, x.shape, axes)));
    return [multiply(softmax, broadcast(cotangent, x.shape, axes))];
  },
  reference([x], _attributes, shape) {
    const width = x.shape[x.shape.length - 1];
    return Float64Array.from({ length: sizeOf(shape) }, (_, row) => {
      const values = x.data.subarray(row * width, (row + 1) * width);
      const largest = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
    });
  },
  // the largest term is subtracted first, so that no exponential overflows
  emit(writer, [x], index, { inputs }) {
    const width = inputs[0].shape[inputs[0].shape.length - 1];
    const largest = writer.max(width, k => x([...index, k]));
    const total = writer.sum([width], ([k]) => `Math.exp(${x([...index, k])} - ${largest})`);
    return writer.define(`${largest} + Math.log(${total})`);
  },
  flops: ({ inputs: [x] }) => 4 * sizeOf(x.shape),
};

export function logSumExp(x: Node): Node {
  return x.graph.apply(logSumExpOp, [x], undefined);
}
