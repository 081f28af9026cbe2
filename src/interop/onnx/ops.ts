/**
 * Ops of a graph as ONNX operators. ONNX's own broadcasting repeats values along an axis, so that
 * the graph is the same for batches of any size.
 */
import { type Node, reachable } from '../../math/graph/node.js';
import type { Shape } from '../../math/graph/shape.js';
import type { ActivationName } from '../../math/ops/elementwise.js';
import type { GraphWriter, Value } from './writer.js';

type Translate = (graph: GraphWriter, inputs: readonly Value[], node: Node) => Value;

const operator =
  (name: string): Translate =>
  (graph, inputs) =>
    graph.add(name, inputs);

interface Slices<F> {
  readonly functions: readonly F[];
}

/** One function for the whole tensor, or one for each index of the leading axis. */
function slices<F>(apply: (graph: GraphWriter, x: Value, f: F) => Value): Translate {
  return (graph, [x], { attributes }) => {
    const { functions } = attributes as Slices<F>;
    if (functions.length === 1) return apply(graph, x, functions[0]);
    return join(
      graph,
      functions.map((f, i) => apply(graph, at(graph, x, i), f)),
    );
  };
}

/** [n, ...] -> [...] */
function at(graph: GraphWriter, x: Value, position: number): Value {
  return graph.add('Gather', [x, graph.integers([position], true)], { axis: 0 });
}

/** Parts [...] -> [n, ...] */
function join(graph: GraphWriter, parts: readonly Value[]): Value {
  const first = graph.integers([0]);
  return graph.add(
    'Concat',
    parts.map(part => graph.add('Unsqueeze', [part, first])),
    { axis: 0 },
  );
}

function polynomial(graph: GraphWriter, x: Value, coefficients: readonly number[]): Value {
  return coefficients.slice(0, -1).reduceRight(
    (sum, coefficient) => {
      const product = graph.add('Mul', [sum, x]);
      return coefficient === 0 ? product : graph.add('Add', [product, graph.number(coefficient)]);
    },
    graph.number(coefficients[coefficients.length - 1]),
  );
}

const ACTIVATIONS: Readonly<Record<ActivationName, string>> = {
  sigmoid: 'Sigmoid',
  tanh: 'Tanh',
  relu: 'Relu',
};

export function activation(graph: GraphWriter, x: Value, name: ActivationName): Value {
  return graph.add(ACTIVATIONS[name], [x]);
}

/** The ops of the cells. */
const OPS: Readonly<Record<string, Translate>> = {
  add: operator('Add'),
  subtract: operator('Sub'),
  multiply: operator('Mul'),
  divide: operator('Div'),
  square_root: operator('Sqrt'),
  activate: slices(activation),
  polynomial: slices(polynomial),
  select: (graph, [x], { attributes }) => at(graph, x, (attributes as { position: number }).position),
  broadcast(graph, [x], { attributes }) {
    const { shape, axes } = attributes as { shape: Shape; axes: readonly number[] };
    const added = shape.map((_, axis) => axis).filter(axis => !axes.includes(axis));
    return graph.add('Unsqueeze', [x, graph.integers(added)]);
  },
  sum(graph, [x], { inputs, attributes }) {
    const { keep } = attributes as { keep: readonly number[] };
    const axes = inputs[0].shape.map((_, axis) => axis).filter(axis => !keep.includes(axis));
    return graph.add('ReduceSum', [x, graph.integers(axes)], { keepdims: 0 });
  },
  transpose: (graph, [x], { attributes }) =>
    graph.add('Transpose', [x], { perm: (attributes as { axes: readonly number[] }).axes }),
  contract(graph, inputs, { attributes }) {
    const { a, b, result } = attributes as Readonly<Record<'a' | 'b' | 'result', string>>;
    return graph.add('Einsum', inputs, { equation: `${a},${b}->${result}` });
  },
};

/** Writes the nodes that `roots` depend on; `known` has the values of the graph's inputs. */
export function writeNodes(
  graph: GraphWriter,
  roots: readonly Node[],
  known: ReadonlyMap<Node, Value>,
): Value[] {
  const values = new Map(known);
  for (const node of reachable(roots)) {
    if (values.has(node)) continue;
    const translate = OPS[node.op?.name ?? ''];
    if (!translate) throw new Error(`${node.op?.name ?? node.name} has no ONNX operator`);
    const inputs = node.inputs.map(input => values.get(input) as Value);
    values.set(node, translate(graph, inputs, node));
  }
  return roots.map(node => values.get(node) as Value);
}
