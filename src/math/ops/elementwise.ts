/** Elementwise ops: inputs of one shape, a result of the same shape. */
import type { Node } from '../graph/node.js';
import type { Expression, Op } from '../graph/op.js';
import { requireShape, sameShape, shapeText, sizeOf } from '../graph/shape.js';
import { sigmoid } from './activate.js';
import { affine, scale } from './polynomial.js';

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
