import type { Node } from '../graph/node.js';
import type { Op } from '../graph/op.js';
import { forEachIndex, requireShape, type Shape, sizeOf, stridesOf } from '../graph/shape.js';
import { transpose } from './transpose.js';

/** One letter per axis of the operands and of the result. */
interface Attributes {
  readonly a: string;
  readonly b: string;
  readonly result: string;
}

/** Letters to sum over, in the order of the first operand. */
function summed({ a, b, result }: Attributes): string[] {
  return [...new Set(a + b)].filter(letter => !result.includes(letter));
}

function extentsOf({ a, b }: Attributes, shapes: readonly Shape[]): Map<string, number> {
  const extents = new Map<string, number>();
  [a, b].forEach((letters, operand) => {
    const shape = shapes[operand];
    requireShape(
      letters.length === shape.length,
      'contract',
      `'${letters}' does not name the axes of [${shape.join()}]`,
    );
    [...letters].forEach((letter, axis) => {
      const known = extents.get(letter) ?? shape[axis];
      requireShape(known === shape[axis], 'contract', `axis '${letter}' is ${known} and ${shape[axis]}`);
      extents.set(letter, known);
    });
  });
  return extents;
}

function extent(extents: Map<string, number>, letters: Iterable<string>): number[] {
  return [...letters].map(letter => extents.get(letter) as number);
}

export const contractOp: Op<Attributes> = {
  name: 'contract',
  kind: 'reduction',
  accumulates: true,
  readsOnce: false,
  shape(inputs, attributes) {
    const extents = extentsOf(attributes, inputs);
    const { a, b, result } = attributes;
    for (const letter of a + b) {
      const uses = [a, b, result].filter(letters => letters.includes(letter)).length;
      requireShape(uses > 1, 'contract', `axis '${letter}' occurs in only one operand`);
    }
    requireShape(
      [...result].every(letter => extents.has(letter)),
      'contract',
      `'${result}' has an axis that no operand has`,
    );
    return extent(extents, result);
  },
  gradient({ inputs: [x, y], attributes: { a, b, result } }, cotangent) {
    return [contract(`${result},${b}->${a}`, cotangent, y), contract(`${result},${a}->${b}`, cotangent, x)];
  },
  reference([x, y], attributes, shape) {
    const extents = extentsOf(attributes, [x.shape, y.shape]);
    const letters = [...attributes.result, ...summed(attributes)];
    const flatIndex = (operand: string, strides: number[]) => (index: readonly number[]) =>
      [...operand].reduce((at, letter, axis) => at + index[letters.indexOf(letter)] * strides[axis], 0);
    const atX = flatIndex(attributes.a, stridesOf(x.shape));
    const atY = flatIndex(attributes.b, stridesOf(y.shape));
    const atResult = flatIndex(attributes.result, stridesOf(shape));
    const result = new Float64Array(sizeOf(shape));
    forEachIndex(extent(extents, letters), index => {
      result[atResult(index)] += x.data[atX(index)] * y.data[atY(index)];
    });
    return result;
  },
  emit(writer, [x, y], index, { inputs, attributes }, start) {
    const extents = extentsOf(
      attributes,
      inputs.map(input => input.shape),
    );
    const { a, b, result } = attributes;
    const letters = summed(attributes);
    const at = (operand: string, variables: readonly string[]) =>
      [...operand].map(letter =>
        result.includes(letter) ? index[result.indexOf(letter)] : variables[letters.indexOf(letter)],
      );
    return writer.sum(
      extent(extents, letters),
      variables => `${x(at(a, variables))} * ${y(at(b, variables))}`,
      start,
    );
  },
  flops({ inputs, attributes }) {
    const extents = extentsOf(
      attributes,
      inputs.map(input => input.shape),
    );
    return 2 * [...extents.values()].reduce((product, n) => product * n, 1);
  },
};

/**
 * The product of two tensors, summed over their common axes, in Einstein notation:
 * `contract('bk,kj->bj', x, w)` is the matrix product. Every axis must occur in at least two of the
 * three terms. Kernels read fastest along the last axis, so an operand in which the result's last
 * axis is not the last is transposed first.
 */
export function contract(notation: string, x: Node, y: Node): Node {
  const [operands, result] = notation.split('->');
  const [a, b] = operands.split(',');
  const [first, firstLetters] = alongLast(x, a, result);
  const [second, secondLetters] = alongLast(y, b, result);
  return x.graph.apply(contractOp, [first, second], { a: firstLetters, b: secondLetters, result });
}

function alongLast(x: Node, letters: string, result: string): [Node, string] {
  const last = letters.indexOf(result.at(-1) as string);
  if (last < 0 || last === letters.length - 1) return [x, letters];
  const axes = [...letters].map((_, axis) => axis).filter(axis => axis !== last);
  axes.push(last);
  return [transpose(x, axes), axes.map(axis => letters[axis]).join('')];
}
