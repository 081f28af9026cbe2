import type { Node } from '../graph/node.js';
import type { Op } from '../graph/op.js';
import { requireShape, sameShape, sizeOf } from '../graph/shape.js';
import { select } from './select.js';

interface Attributes {
  /** Position of each input along the new leading axis, ascending. */
  readonly positions: readonly number[];
  readonly count: number;
}

export const stackOp: Op<Attributes> = {
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
