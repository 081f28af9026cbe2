import type { Node } from '../graph/node.js';
import { type Expression, type KernelWriter, literal, type Op } from '../graph/op.js';
import { requireShape, sizeOf } from '../graph/shape.js';
import { multiply } from './elementwise.js';

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
export function slicewise<F>({ name, reference, expression, cost, gradient }: Slicewise<F>): Op<Slices<F>> {
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
