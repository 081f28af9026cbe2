import type { Node } from '../graph/node.js';
import { type Expression, type KernelWriter, literal, type Op } from '../graph/op.js';
import { requireShape, sizeOf } from '../graph/shape.js';
import { multiply } from './elementwise.js';

/** Coefficients, constant first. */
type Coefficients = readonly number[];

interface Attributes {
  /** One polynomial for the whole tensor, or one for each index of the leading axis. */
  readonly coefficients: readonly Coefficients[];
}

export const polynomialOp: Op<Attributes> = {
  name: 'polynomial',
  kind: 'unary',
  readsOnce: true,
  shape([x], { coefficients }) {
    requireShape(
      coefficients.length === 1 || coefficients.length === x[0],
      'polynomial',
      `${coefficients.length} polynomials for a leading axis of ${x[0]}`,
    );
    return x;
  },
  gradient: ({ inputs: [x], attributes }, cotangent) => [
    multiply(cotangent, polynomial(x, attributes.coefficients.map(derivative))),
  ],
  reference([x], { coefficients }, shape) {
    const perSlice = sizeOf(shape) / coefficients.length;
    return x.data.map((value, i) => evaluate(coefficients[Math.floor(i / perSlice)], value));
  },
  emit(writer, [x], index, { attributes: { coefficients } }) {
    const value = x(index);
    const cases = coefficients.map(one => () => horner(writer, value, one));
    return cases.length === 1 ? cases[0]() : writer.choose(index[0], cases);
  },
  flops: ({ shape, attributes: { coefficients } }) =>
    (sizeOf(shape) * coefficients.reduce((sum, one) => sum + 2 * (one.length - 1), 0)) / coefficients.length,
};

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

function horner(writer: KernelWriter, x: Expression, coefficients: Coefficients): Expression {
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
export function polynomial(x: Node, coefficients: readonly Coefficients[]): Node {
  return x.graph.apply(polynomialOp, [x], { coefficients });
}

export function scale(x: Node, factor: number): Node {
  return polynomial(x, [[0, factor]]);
}

export function affine(x: Node, factor: number, offset: number): Node {
  return polynomial(x, [[offset, factor]]);
}
