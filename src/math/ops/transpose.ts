import type { Node } from '../graph/node.js';
import type { Op } from '../graph/op.js';
import { forEachIndex, requireShape, sizeOf, stridesOf } from '../graph/shape.js';

interface Attributes {
  /** For each axis of the result, its axis in the input. */
  readonly axes: readonly number[];
}

export const transposeOp: Op<Attributes> = {
  name: 'transpose',
  kind: 'copy',
  readsOnce: true,
  shape([x], { axes }) {
    requireShape(
      [...axes].sort((a, b) => a - b).join() === x.map((_, axis) => axis).join(),
      'transpose',
      `axes ${axes.join()} are no permutation of the axes of [${x.join()}]`,
    );
    return axes.map(axis => x[axis]);
  },
  gradient: ({ attributes: { axes } }, cotangent) => [transpose(cotangent, inverse(axes))],
  reference([x], { axes }, shape) {
    const result = new Float64Array(sizeOf(shape));
    const strides = stridesOf(x.shape);
    forEachIndex(shape, (index, flat) => {
      result[flat] = x.data[axes.reduce((at, axis, i) => at + index[i] * strides[axis], 0)];
    });
    return result;
  },
  emit: (_writer, [x], index, { attributes: { axes } }) => x(inverse(axes).map(at => index[at])),
  flops: () => 0,
};

function inverse(axes: readonly number[]): number[] {
  return axes.map((_, axis) => axes.indexOf(axis));
}

export function transpose(x: Node, axes: readonly number[]): Node {
  if (axes.every((axis, i) => axis === i)) return x;
  if (x.op?.name === transposeOp.name) {
    const before = (x.attributes as Attributes).axes;
    return transpose(
      x.inputs[0],
      axes.map(axis => before[axis]),
    );
  }
  return x.graph.apply(transposeOp, [x], { axes });
}
