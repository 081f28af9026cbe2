/** Shared parts of elementwise ops. */
import type { Node } from '../graph/node.js';
import type { Expression, Op } from '../graph/op.js';
import { requireShape, sameShape, shapeText, sizeOf } from '../graph/shape.js';

interface PointwiseDefinition {
  readonly name: string;
  /** Floating-point operations per element. */
  readonly cost: number;
  readonly expression: (...operands: Expression[]) => Expression;
  readonly reference: (...operands: number[]) => number;
  readonly gradient: (node: Node, cotangent: Node) => readonly (Node | null)[];
}

/** An op with `arity` inputs of one shape and a result of the same shape. */
export function pointwise(arity: 1 | 2, definition: PointwiseDefinition): Op<undefined> {
  const { name, cost, expression, reference, gradient } = definition;
  return {
    name,
    kind: arity === 1 ? 'unary' : 'pointwise',
    readsOnce: true,
    shape(inputs) {
      requireShape(inputs.length === arity, name, `takes ${arity} inputs, got ${inputs.length}`);
      for (const shape of inputs) {
        requireShape(
          sameShape(shape, inputs[0]),
          name,
          `shapes ${inputs.map(shapeText).join(' and ')} differ; broadcast first`,
        );
      }
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
