/**
 * Predictions of a model for the sequences of a split, as an evaluation reports them one by one.
 */
import type { Scored } from '../../math/metrics/metric.js';

export interface Prediction extends Scored {
  /** Step of its sequence, from 0; 0 if the model predicts once per sequence. */
  readonly step: number;
  /** True if it counts in the loss and metrics: its target is not ignored. */
  readonly counts: boolean;
  /** Before weighting; meaningless if the prediction does not count. */
  readonly loss: number;
  /** [C], a view that is valid only during the callback; `point` may be one too. */
  readonly outputs: Float32Array;
}

export interface PredictedSequence {
  /** Its position in the split. */
  readonly index: number;
  /** Its id in the data; absent if they have no ids. */
  readonly id?: string;
  /** One, or one per step. */
  readonly predictions: readonly Prediction[];
}

/** Called with each sequence of a split, in order. */
export type PredictionWatcher = (sequence: PredictedSequence) => void;

/**
 * softmax(z)_k = e^(z_k - m) / sum over i of e^(z_i - m), m = max z, in float64; NaN if undefined.
 */
export function probabilityOf(logits: ArrayLike<number>, k: number): number {
  return probabilities(logits)[k];
}

/** softmax(z) of all classes, [C], written to `values`. */
export function probabilities(
  logits: ArrayLike<number>,
  values: Float64Array = new Float64Array(logits.length),
): Float64Array {
  values.set(logits);
  const most = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  for (let k = 0; k < values.length; k++) values[k] = Math.exp(values[k] - most);
  const sum = values.reduce((a, b) => a + b, 0);
  for (let k = 0; k < values.length; k++) values[k] /= sum;
  return values;
}
