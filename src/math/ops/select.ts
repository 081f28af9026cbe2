import type { Node } from '../graph/node.js';
import type { Op } from '../graph/op.js';
import { requireShape, sizeOf } from '../graph/shape.js';
import { stack, stackOp } from './stack.js';

interface Attributes {
  readonly position: number;
}

/** Up to this many, each position has its own kernel; more share one source with an argument. */
const SPECIALISED_POSITIONS = 4;

export const selectOp: Op<Attributes> = {
  name: 'select',
  kind: 'view',
  readsOnce: true,
  shape([x], { position }) {
    requireShape(
      x.length > 0 && position >= 0 && position < x[0],
      'select',
      `position ${position} of a leading axis of ${x[0]}`,
    );
    return x.slice(1);
  },
  gradient: ({ inputs: [x], attributes }, cotangent) => [
    stack([cotangent], [attributes.position], x.shape[0]),
  ],
  reference([x], { position }, shape) {
    const size = sizeOf(shape);
    return x.data.slice(position * size, (position + 1) * size);
  },
  emit(writer, [x], index, { inputs, attributes: { position } }) {
    const count = inputs[0].shape[0];
    return x([count <= SPECIALISED_POSITIONS ? `${position}` : writer.parameter(position), ...index]);
  },
  flops: () => 0,
};

/** The part of `x` at `position` of its leading axis: [n, ...] -> [...]. */
export function select(x: Node, position: number): Node {
  if (x.op?.name === stackOp.name) {
    const { positions } = x.attributes as { positions: readonly number[] };
    const part = positions.indexOf(position);
    if (part >= 0) return x.inputs[part];
  }
  return x.graph.apply(selectOp, [x], { position });
}
