import type { Node } from '../graph/node.js';
import type { Op } from '../graph/op.js';
import { requireShape, sameShape, sizeOf } from '../graph/shape.js';

interface Places {
  /** Position of each input along the new leading axis, ascending. */
  readonly positions: readonly number[];
  readonly count: number;
}

export const stackOp: Op<Places> = {
  name: 'stack',
  kind: 'pointwise',
  readsOnce: true,
  shape(inputs, { positions, count }) {
    requireShape(
      inputs.length === positions.length && inputs.every(shape => sameShape(shape, inputs[0])),
      'stack',
      'inputs of one shape are needed, one for each position',
    );
    requireShape(
      positions.every((at, i) => at >= 0 && at < count && (i === 0 || at > positions[i - 1])),
      'stack',
      `positions ${positions.join()} are not ascending below ${count}`,
    );
    return [count, ...inputs[0]];
  },
  gradient: ({ attributes: { positions } }, cotangent) => positions.map(at => select(cotangent, at)),
  reference(inputs, { positions }, shape) {
    const result = new Float64Array(sizeOf(shape));
    inputs.forEach((input, i) => {
      result.set(input.data, positions[i] * input.data.length);
    });
    return result;
  },
  emit(writer, inputs, index, { attributes: { positions, count } }) {
    const cases = Array.from({ length: count }, (_, at) => {
      const input = inputs[positions.indexOf(at)];
      return () => (input ? input(index.slice(1)) : '0');
    });
    return writer.choose(index[0], cases);
  },
  flops: () => 0,
};

/** `parts` at `positions` of a new leading axis, zero elsewhere: [...] -> [count, ...]. */
export function stack(parts: readonly Node[], positions: readonly number[], count: number): Node {
  return parts[0].graph.apply(stackOp, parts, { positions, count });
}

interface Place {
  readonly position: number;
}

/** Up to this many, each position has its own kernel; more share one source with an argument. */
const SPECIALISED_POSITIONS = 4;

export const selectOp: Op<Place> = {
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
