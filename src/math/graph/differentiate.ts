/**
 * Reverse-mode differentiation. Walks the graph once from the results to the inputs and calls each
 * op's `gradient`. Linnainmaa (1976); Griewank and Walther, Evaluating Derivatives (2008), chapter
 * 3.
 */
import { type Node, reachable } from './node.js';
import { requireShape, sameShape } from './shape.js';

/**
 * Gradients of sum over i of sum(results[i] * cotangents[i]) with respect to each of `wrt`; null if
 * no result depends on it. `accumulate` adds the cotangents of one node: the graph knows no op.
 */
export function differentiate(
  results: readonly Node[],
  cotangents: readonly Node[],
  wrt: readonly Node[],
  accumulate: (terms: readonly Node[]) => Node,
): (Node | null)[] {
  const terms = new Map<Node, Node[]>();
  const contribute = (node: Node, cotangent: Node) => {
    requireShape(
      sameShape(node.shape, cotangent.shape),
      node.op?.name ?? 'input',
      'gradient has another shape',
    );
    const list = terms.get(node);
    if (list) list.push(cotangent);
    else terms.set(node, [cotangent]);
  };
  results.forEach((result, i) => {
    contribute(result, cotangents[i]);
  });
  const needed = dependents(results, wrt);
  const totals = new Map<Node, Node>();
  for (const node of reachable(results).reverse()) {
    const list = terms.get(node);
    if (!list || !needed.has(node)) continue;
    const total = accumulate(list);
    totals.set(node, total);
    node.op?.gradient(node, total).forEach((cotangent, i) => {
      if (cotangent && needed.has(node.inputs[i])) contribute(node.inputs[i], cotangent);
    });
  }
  return wrt.map(node => totals.get(node) ?? null);
}

/** The nodes below `results` that depend on one of `wrt`; the others need no gradient. */
function dependents(results: readonly Node[], wrt: readonly Node[]): Set<Node> {
  const found = new Set<Node>(wrt);
  for (const node of reachable(results)) {
    if (node.inputs.some(input => found.has(input))) found.add(node);
  }
  return found;
}
