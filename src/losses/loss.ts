/** What a loss is: one value per prediction in the graph, and the metric that people read beside it. */
import type { Node } from '../graph/node.js';

export interface Loss {
  /** The targets it takes: a class index per prediction, or as many numbers as the prediction has. */
  readonly target: 'class' | 'value';
  /**
   * Numbers of a target for C outputs, as an axis of its own; null: one number without an axis, a
   * class.
   */
  targetWidth(outputSize: number): number | null;
  /**
   * Loss of each prediction, summed over its numbers: prediction `[B, C]`, target `[B]` or `[B,
   * C]`, result `[B]`.
   */
  rows(prediction: Node, target: Node): Node;
  /** The metric's name, and its value for one prediction; the metric of a set is the mean. */
  readonly metric: {
    readonly name: 'accuracy' | 'mean_absolute_error';
    of(prediction: Float32Array, target: Float32Array): number;
  };
}

/** What the mean over `count` predictions of C outputs divides the sum of all `rows` by. */
export function meanDivisor(loss: Loss, count: number, outputSize: number): number {
  return count * (loss.targetWidth(outputSize) ?? 1);
}

/**
 * The class that `logits` decide for: the first of the greatest; -1 if one is not a number, so that
 * it never counts as right.
 */
export function predictedClass(logits: ArrayLike<number>): number {
  let best = 0;
  for (let i = 0; i < logits.length; i++) {
    if (Number.isNaN(logits[i])) return -1;
    if (logits[i] > logits[best]) best = i;
  }
  return best;
}
