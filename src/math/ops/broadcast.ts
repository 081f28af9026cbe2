import type { Node } from '../graph/node.js';
import type { Op } from '../graph/op.js';
import { forEachIndex, requireShape, type Shape, sameShape, sizeOf, stridesOf } from '../graph/shape.js';

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

interface Kept {
  /** The axes to keep, ascending. */
  readonly keep: readonly number[];
}

export const sumOp: Op<Kept> = {
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
