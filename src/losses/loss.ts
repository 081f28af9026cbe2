/** What a loss is: one value per prediction in the graph, and the metric that people read beside it. */
import type { Node } from '../graph/node.js';

export interface Loss {
  /** The targets it takes: a class index per prediction, or as many numbers as the prediction has. */
  readonly target: 'class' | 'value';
  /** Loss of each prediction: prediction `[B, C]`, target `[B]` (classes) or `[B, C]` (values), result `[B]`. */
  rows(prediction: Node, target: Node): Node;
  /** What one prediction's loss weighs in the mean over `count` predictions of `size` numbers each. */
  weight(count: number, size: number): number;
  /** The metric's name, and its value for one prediction; the metric of a set is the mean. */
  readonly metric: {
    readonly name: 'accuracy' | 'mean_absolute_error';
    of(prediction: Float32Array, target: Float32Array): number;
  };
}

/** The class that `logits` decide for: the first of the greatest; -1 where one is not a number, so that it never counts as right. */
export function predictedClass(logits: ArrayLike<number>): number {
  let best = 0;
  for (let i = 0; i < logits.length; i++) {
    if (Number.isNaN(logits[i])) return -1;
    if (logits[i] > logits[best]) best = i;
  }
  return best;
}
