/** Evaluates a graph in float64 with the ops' references, independently of every kernel. */
import { type Node, reachable } from './node.js';
import { requireShape, sizeOf, type Tensor } from './shape.js';

/** @param values of the graph's inputs by name, row-major */
export function interpret(
  roots: readonly Node[],
  values: Readonly<Record<string, ArrayLike<number>>>,
): Map<Node, Tensor> {
  const known = new Map<Node, Tensor>();
  for (const node of reachable(roots)) {
    const { shape } = node;
    if (!node.op) {
      const given = values[node.name ?? ''];
      requireShape(
        given?.length === sizeOf(shape),
        node.name ?? 'input',
        'value is missing or has another size',
      );
      known.set(node, { shape, data: Float64Array.from(given) });
      continue;
    }
    const inputs = node.inputs.map(input => known.get(input) as Tensor);
    known.set(node, { shape, data: node.op.reference(inputs, node.attributes, shape) });
  }
  return known;
}
