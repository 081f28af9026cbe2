import type { Node } from '../graph/node.js';
import type { Expression, Op } from '../graph/op.js';
import { requireShape, sizeOf } from '../graph/shape.js';
import { multiply } from './multiply.js';
import { polynomial } from './polynomial.js';

interface Activation {
  readonly expression: (x: Expression) => Expression;
  readonly reference: (x: number) => number;
  /** The derivative as a polynomial of the result, constant first. */
  readonly slope: readonly number[];
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
  /** Clamped where float32 is 1 already: some drivers' tanh is not a number for large arguments. Slope 1 - y^2. */
  tanh: {
    expression: x => `Math.tanh(Math.max(Math.min(${x}, 10), -10))`,
    reference: Math.tanh,
    slope: [1, 0, -1],
    cost: 1,
  },
} as const satisfies Record<string, Activation>;

export type ActivationName = keyof typeof activations;

interface Attributes {
  /** One function for the whole tensor, or one for each index of the leading axis. */
  readonly functions: readonly ActivationName[];
}

export const activateOp: Op<Attributes> = {
  name: 'activate',
  kind: 'unary',
  readsOnce: true,
  shape([x], { functions }) {
    requireShape(
      functions.length === 1 || functions.length === x[0],
      'activate',
      `${functions.length} functions for a leading axis of ${x[0]}`,
    );
    return x;
  },
  gradient: (node, cotangent) => [
    multiply(
      cotangent,
      polynomial(
        node,
        node.attributes.functions.map(name => activations[name].slope),
      ),
    ),
  ],
  reference([x], { functions }, shape) {
    const perSlice = sizeOf(shape) / functions.length;
    return x.data.map((value, i) => activations[functions[Math.floor(i / perSlice)]].reference(value));
  },
  emit(writer, [x], index, { attributes: { functions } }) {
    const value = x(index);
    const cases = functions.map(name => () => writer.define(activations[name].expression(value)));
    return cases.length === 1 ? cases[0]() : writer.choose(index[0], cases);
  },
  flops: ({ shape, attributes: { functions } }) =>
    (sizeOf(shape) * functions.reduce((sum, name) => sum + activations[name].cost, 0)) / functions.length,
};

/** Applies one function to the whole of `x`, or one function to each index of its leading axis. */
export function activate(x: Node, functions: readonly ActivationName[]): Node {
  return x.graph.apply(activateOp, [x], { functions });
}

export function tanh(x: Node): Node {
  return activate(x, ['tanh']);
}
