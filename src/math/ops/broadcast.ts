import type { Node } from '../graph/node.js';
import type { Op } from '../graph/op.js';
import { forEachIndex, requireShape, type Shape, sameShape, sizeOf, stridesOf } from '../graph/shape.js';
import { sum } from './sum.js';

interface Attributes {
  readonly shape: Shape;
  readonly axes: readonly number[];
}

export const broadcastOp: Op<Attributes> = {
  name: 'broadcast',
  kind: 'view',
  readsOnce: false,
  shape([x], { shape, axes }) {
    requireShape(
      axes.length === x.length && axes.every((axis, i) => shape[axis] === x[i]),
      'broadcast',
      `axes ${axes.join()} of [${shape.join()}] are not [${x.join()}]`,
    );
    return shape;
  },
  gradient: ({ attributes: { axes } }, cotangent) => [sum(cotangent, axes)],
  reference([x], { axes }, shape) {
    const result = new Float64Array(sizeOf(shape));
    const strides = stridesOf(x.shape);
    forEachIndex(shape, (index, flat) => {
      result[flat] = x.data[axes.reduce((at, axis, i) => at + index[axis] * strides[i], 0)];
    });
    return result;
  },
  emit: (_writer, [x], index, { attributes: { axes } }) => x(axes.map(axis => index[axis])),
  flops: () => 0,
};

/**
 * Repeats `x` along the axes of `shape` that are not in `axes`. A scalar has no axes; it has no
 * gradient, because a kernel's result needs an axis.
 */
export function broadcast(x: Node, shape: Shape, axes: readonly number[]): Node {
  return sameShape(x.shape, shape) ? x : x.graph.apply(broadcastOp, [x], { shape, axes });
}
