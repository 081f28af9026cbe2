import type { Node } from '../graph/node.js';
import type { Expression } from '../graph/op.js';
import { multiply, positive } from './elementwise.js';
import { polynomial, slicewise } from './polynomial.js';
import { select, stack } from './stack.js';

interface Activation {
  readonly expression: (x: Expression) => Expression;
  readonly reference: (x: number) => number;
  /** The derivative as a function of the result: coefficients, constant first, or ops. */
  readonly slope: readonly number[] | ((y: Node) => Node);
  readonly cost: number;
}

const activations = {
  /** 1 / (1 + e^-x); slope y (1 - y). */
  sigmoid: {
    expression: x => `1 / (1 + Math.exp(-${x}))`,
    reference: x => 1 / (1 + Math.exp(-x)),
    slope: [0, 1, -1],
    cost: 4,
  },
  /**
   * Clamped where the float32 result is 1 anyway: some drivers' tanh returns NaN for large
   * arguments. Slope 1 - y^2.
   */
  tanh: {
    expression: x => `Math.tanh(Math.max(Math.min(${x}, 10), -10))`,
    reference: Math.tanh,
    slope: [1, 0, -1],
    cost: 1,
  },
  /** max(x, 0); slope 1 where y > 0, else 0; 0 at zero, like torch. */
  relu: {
    expression: x => `Math.max(${x}, 0)`,
    reference: x => Math.max(x, 0),
    slope: y => positive(y),
    cost: 1,
  },
} as const satisfies Record<string, Activation>;

export type ActivationName = keyof typeof activations;

export const activateOp = slicewise<ActivationName>({
  name: 'activate',
  reference: (name, x) => activations[name].reference(x),
  expression: (writer, name, x) => writer.define(activations[name].expression(x)),
  cost: name => activations[name].cost,
  gradient: (node, cotangent) => [multiply(cotangent, slope(node, node.attributes.functions))],
});

/** The derivative at each element; a single polynomial op if all slopes are polynomials. */
function slope(y: Node, functions: readonly ActivationName[]): Node {
  const slopes: Activation['slope'][] = functions.map(name => activations[name].slope);
  const coefficients = slopes.filter(one => typeof one !== 'function');
  if (coefficients.length === slopes.length) return polynomial(y, coefficients);
  const at = (one: Activation['slope'], part: Node) =>
    typeof one === 'function' ? one(part) : polynomial(part, [one]);
  if (slopes.length === 1) return at(slopes[0], y);
  return stack(
    slopes.map((one, position) => at(one, select(y, position))),
    [...slopes.keys()],
    slopes.length,
  );
}

export function activate(x: Node, functions: readonly ActivationName[]): Node {
  return x.graph.apply(activateOp, [x], { functions });
}

export const sigmoid = (x: Node): Node => activate(x, ['sigmoid']);
export const tanh = (x: Node): Node => activate(x, ['tanh']);
export const relu = (x: Node): Node => activate(x, ['relu']);
