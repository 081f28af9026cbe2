/** Elementwise ops: inputs of one shape, a result of the same shape. */
import type { Node } from '../graph/node.js';
import { type Expression, type KernelWriter, literal, type Op } from '../graph/op.js';
import { requireShape, sameShape, shapeText, sizeOf } from '../graph/shape.js';
import { select, stack } from './stack.js';

interface Definition {
  readonly name: string;
  /** Floating-point operations per element; default 1. */
  readonly cost?: number;
  readonly expression: (...operands: Expression[]) => Expression;
  readonly reference: (...operands: number[]) => number;
  readonly gradient: (node: Node, cotangent: Node) => readonly (Node | null)[];
}

function opOf(arity: 1 | 2, { name, cost = 1, expression, reference, gradient }: Definition): Op<undefined> {
  return {
    name,
    kind: arity === 1 ? 'unary' : 'pointwise',
    readsOnce: true,
    shape(inputs) {
      requireShape(inputs.length === arity, name, `takes ${arity} inputs, got ${inputs.length}`);
      requireShape(
        inputs.every(shape => sameShape(shape, inputs[0])),
        name,
        `shapes ${inputs.map(shapeText).join(' and ')} differ; broadcast first`,
      );
      return inputs[0];
    },
    gradient,
    reference: (inputs, _attributes, shape) =>
      Float64Array.from({ length: sizeOf(shape) }, (_, i) =>
        reference(...inputs.map(input => input.data[i])),
      ),
    emit: (writer, inputs, index) => writer.define(expression(...inputs.map(read => read(index)))),
    flops: node => cost * sizeOf(node.shape),
  };
}

function unary(definition: Definition) {
  const op = opOf(1, definition);
  return Object.assign((x: Node): Node => x.graph.apply(op, [x], undefined), { op });
}

function binary(definition: Definition, more: Partial<Op<undefined>> = {}) {
  const op = { ...opOf(2, definition), ...more };
  return Object.assign((a: Node, b: Node): Node => a.graph.apply(op, [a, b], undefined), { op });
}

const addition: Definition = {
  name: 'add',
  expression: (a, b) => `${a} + ${b}`,
  reference: (a, b) => a + b,
  gradient: (_node, cotangent) => [cotangent, cotangent],
};

export const add = binary(addition, {
  accumulates: true,
  emit(writer, inputs, index, _node, start) {
    const [addend, total] = inputs[1].from ? inputs : [...inputs].reverse();
    if (!total.from) return writer.define(addition.expression(...inputs.map(read => read(index))));
    if (start === undefined) return total.from(addend(index), index);
    return total.from(addend.from ? addend.from(start, index) : `${start} + ${addend(index)}`, index);
  },
});

export const subtract = binary({
  name: 'subtract',
  expression: (a, b) => `${a} - ${b}`,
  reference: (a, b) => a - b,
  gradient: (_node, cotangent) => [cotangent, scale(cotangent, -1)],
});

export const multiply = binary({
  name: 'multiply',
  expression: (a, b) => `${a} * ${b}`,
  reference: (a, b) => a * b,
  gradient: ({ inputs: [a, b] }, cotangent) => [multiply(cotangent, b), multiply(cotangent, a)],
});

/** a / b; the caller must keep b away from zero. */
export const divide = binary({
  name: 'divide',
  expression: (a, b) => `${a} / ${b}`,
  reference: (a, b) => a / b,
  // d(a/b) = da/b - (a/b) db/b
  gradient: (node, cotangent) => {
    const overB = divide(cotangent, node.inputs[1]);
    return [overB, scale(multiply(overB, node), -1)];
  },
});

/**
 * The larger one, whose gradient it has; if they are equal, only a has it (torch.maximum splits
 * it). Numbers less than 2^-100 apart count as equal, because kernels store such a difference as
 * zero. Both must be finite: the gradient needs their difference.
 */
export const maximum = binary({
  name: 'maximum',
  expression: (a, b) => `Math.max(${a}, ${b})`,
  reference: (a, b) => Math.max(a, b),
  gradient: ({ inputs: [a, b] }, cotangent) => {
    const larger = positive(subtract(b, a));
    return [multiply(cotangent, affine(larger, -1, 1)), multiply(cotangent, larger)];
  },
});

/** |x|; its gradient at 0 is 0, like torch's. */
export const absolute = unary({
  name: 'absolute',
  expression: x => `Math.abs(${x})`,
  reference: Math.abs,
  gradient: ({ inputs: [x] }, cotangent) => [multiply(cotangent, sign(x))],
});

export const exponential = unary({
  name: 'exponential',
  expression: x => `Math.exp(${x})`,
  reference: Math.exp,
  gradient: (node, cotangent) => [multiply(cotangent, node)],
});

/** Not differentiable at zero. */
export const squareRoot = unary({
  name: 'square_root',
  expression: x => `Math.sqrt(${x})`,
  reference: Math.sqrt,
  gradient: (node, cotangent) => [scale(divide(cotangent, node), 0.5)],
});

export const softplus = unary({
  name: 'softplus',
  cost: 4,
  // exponents are at most 0, so they cannot overflow
  expression: x => `Math.max(${x}, 0) + Math.log(1 + Math.exp(-Math.abs(${x})))`,
  reference: x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  gradient: ({ inputs: [x] }, cotangent) => [multiply(cotangent, sigmoid(x))],
});

/** The smallest normal float32. It and its reciprocal are exact, and no product overflows. */
const SMALLEST_NORMAL = 2 ** -126;

/**
 * 1 where x > 0, else 0; NaN where x is NaN. Kernels have no comparisons: a subnormal x (0 < x <
 * 2^-126) counts as x / 2^-126. Constant almost everywhere, so it has no gradient.
 */
export const positive = unary({
  name: 'positive',
  cost: 3,
  expression: x => `Math.min(Math.max(${x}, 0), ${SMALLEST_NORMAL}) * ${1 / SMALLEST_NORMAL}`,
  reference: x => Math.min(Math.max(x / SMALLEST_NORMAL, 0), 1),
  gradient: () => [null],
});

/** -1, 0 or 1; a subnormal x counts as x / 2^-126. */
export function sign(x: Node): Node {
  return subtract(positive(x), positive(scale(x, -1)));
}

/** One function for the whole tensor, or one for each index of the leading axis. */
export interface Slices<F> {
  readonly functions: readonly F[];
}

interface Slicewise<F> {
  readonly name: string;
  readonly reference: (f: F, x: number) => number;
  readonly expression: (writer: KernelWriter, f: F, x: Expression) => Expression;
  /** Floating-point operations per element. */
  readonly cost: (f: F) => number;
  readonly gradient: Op<Slices<F>>['gradient'];
}

/** An op of one input that applies functions to its elements. */
function slicewise<F>({ name, reference, expression, cost, gradient }: Slicewise<F>): Op<Slices<F>> {
  return {
    name,
    kind: 'unary',
    readsOnce: true,
    shape([x], { functions }) {
      requireShape(
        functions.length === 1 || functions.length === x[0],
        name,
        `${functions.length} functions for a leading axis of ${x[0]}`,
      );
      return x;
    },
    gradient,
    reference([x], { functions }, shape) {
      const perSlice = sizeOf(shape) / functions.length;
      return x.data.map((value, i) => reference(functions[Math.floor(i / perSlice)], value));
    },
    emit(writer, [x], index, { attributes: { functions } }) {
      const value = x(index);
      const cases = functions.map(f => () => expression(writer, f, value));
      return cases.length === 1 ? cases[0]() : writer.choose(index[0], cases);
    },
    flops: ({ shape, attributes: { functions } }) =>
      (sizeOf(shape) * functions.reduce((sum, f) => sum + cost(f), 0)) / functions.length,
  };
}

/** Coefficients, constant first. */
type Coefficients = readonly number[];

export const polynomialOp = slicewise<Coefficients>({
  name: 'polynomial',
  reference: evaluate,
  expression: horner,
  cost: coefficients => 2 * (coefficients.length - 1),
  gradient: ({ inputs: [x], attributes }, cotangent) => [
    multiply(cotangent, polynomial(x, attributes.functions.map(derivative))),
  ],
});

/** Horner's scheme; a constant polynomial propagates NaN, like its kernel. */
function evaluate(coefficients: Coefficients, x: number): number {
  const highest = coefficients[coefficients.length - 1];
  if (coefficients.length === 1) return x * 0 + highest;
  return coefficients.slice(0, -1).reduceRight((sum, coefficient) => sum * x + coefficient, highest);
}

function derivative(coefficients: Coefficients): Coefficients {
  return coefficients.length === 1
    ? [0]
    : coefficients.slice(1).map((coefficient, i) => coefficient * (i + 1));
}

function horner(writer: KernelWriter, coefficients: Coefficients, x: Expression): Expression {
  let degree = coefficients.length - 1;
  let value = literal(coefficients[degree]);
  if (degree === 0) return writer.define(`${x} * 0 + ${value}`);
  value = coefficients[degree] === 1 ? x : `${value} * ${x}`;
  while (--degree > 0) value = `(${value}${plus(coefficients[degree])}) * ${x}`;
  return writer.define(`${value}${plus(coefficients[0])}`);
}

function plus(coefficient: number): Expression {
  return coefficient === 0 ? '' : ` + ${literal(coefficient)}`;
}

/** All derivatives that are polynomials of a result use this op. */
export function polynomial(x: Node, functions: readonly Coefficients[]): Node {
  return x.graph.apply(polynomialOp, [x], { functions });
}

export function scale(x: Node, factor: number): Node {
  return polynomial(x, [[0, factor]]);
}

export function affine(x: Node, factor: number, offset: number): Node {
  return polynomial(x, [[offset, factor]]);
}

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
  const coefficients = slopes.filter(part => typeof part !== 'function');
  if (coefficients.length === slopes.length) return polynomial(y, coefficients);
  const at = (given: Activation['slope'], part: Node) =>
    typeof given === 'function' ? given(part) : polynomial(part, [given]);
  if (slopes.length === 1) return at(slopes[0], y);
  return stack(
    slopes.map((piece, position) => at(piece, select(y, position))),
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
