import type { Node } from '../graph/node.js';
import { requireShape, sizeOf } from '../graph/shape.js';
import { broadcast, sum } from './broadcast.js';
import { add, affine, divide, multiply, scale, squareRoot, subtract } from './elementwise.js';

const EPSILON = 1e-5;

/**
 * torch.nn.functional.layer_norm of each row b of `x`, over all other axes together:
 *
 *     y = (x - mean(x)) / sqrt(variance(x) + 1e-5) * weight + bias
 *
 * `row` is the axis of b; `weight` and `bias` have the other axes. The variance is the biased one
 * (divided by the count). Same shape as `x`. Ba, Kiros and Hinton, Layer Normalization (2016).
 */
export function layerNorm(x: Node, row: number, weight: Node, bias: Node): Node {
  const { shape } = x;
  requireShape(shape.length > 1, 'layer_norm', 'needs an axis besides the rows');
  const axes = shape.map((_, axis) => axis).filter(axis => axis !== row);
  const mean = (values: Node) => scale(sum(values, [row]), shape[row] / sizeOf(shape));
  const toRows = (perRow: Node) => broadcast(perRow, shape, [row]);
  const centred = subtract(x, toRows(mean(x)));
  const deviation = squareRoot(affine(mean(multiply(centred, centred)), 1, EPSILON));
  const normalised = divide(centred, toRows(deviation));
  return add(multiply(normalised, broadcast(weight, shape, axes)), broadcast(bias, shape, axes));
}
