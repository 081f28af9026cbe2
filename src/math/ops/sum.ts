import type { Node } from '../graph/node.js';
import type { Op } from '../graph/op.js';
import { forEachIndex, requireShape, sizeOf, stridesOf } from '../graph/shape.js';
import { broadcast } from './broadcast.js';

interface Attributes {
  /** The axes to keep, ascending. */
  readonly keep: readonly number[];
}

export const sumOp: Op<Attributes> = {
  name: 'sum',
  kind: 'reduction',
  accumulates: true,
  readsOnce: true,
  shape([x], { keep }) {
    requireShape(keep.length > 0 && keep.length < x.length, 'sum', 'some axes must stay and some must go');
    return keep.map(axis => x[axis]);
  },
  gradient: ({ inputs: [x], attributes: { keep } }, cotangent) => [broadcast(cotangent, x.shape, keep)],
  reference([x], { keep }, shape) {
    const result = new Float64Array(sizeOf(shape));
    const strides = stridesOf(shape);
    forEachIndex(x.shape, (index, flat) => {
      result[keep.reduce((at, axis, i) => at + index[axis] * strides[i], 0)] += x.data[flat];
    });
    return result;
  },
  emit(writer, [x], index, { inputs, attributes: { keep } }, start) {
    const { shape } = inputs[0];
    const gone = shape.map((_, axis) => axis).filter(axis => !keep.includes(axis));
    return writer.sum(
      gone.map(axis => shape[axis]),
      variables =>
        x(
          shape.map((_, axis) =>
            keep.includes(axis) ? index[keep.indexOf(axis)] : variables[gone.indexOf(axis)],
          ),
        ),
      start,
    );
  },
  flops: ({ inputs: [x] }) => sizeOf(x.shape),
};

/** Sums over all axes of `x` that are not in `keep`. */
export function sum(x: Node, keep: readonly number[]): Node {
  return keep.length === x.shape.length ? x : x.graph.apply(sumOp, [x], { keep });
}
