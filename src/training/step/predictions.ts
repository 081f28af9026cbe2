/**
 * What a model says of the sequences of a split, as an evaluation tells it one sequence after the
 * other.
 */
import type { Scored } from '../../metrics/metric.js';

export interface Prediction extends Scored {
  /** Step of its sequence, from 0; 0 where the model answers once a sequence. */
  readonly step: number;
  /** Whether it counts in loss and metric: its label is not an ignored one. */
  readonly counts: boolean;
  /** Before weighting; says nothing where the prediction does not count. */
  readonly loss: number;
  /** A view that is good only while it is told; so may be `point`. */
  readonly outputs: Float32Array;
}

export interface PredictedSequence {
  /** Its position in the split. */
  readonly index: number;
  /** What the data call it; absent if they name no sequence. */
  readonly id?: string;
  /** One, or one for each of its steps. */
  readonly predictions: readonly Prediction[];
}

/** Told of each sequence of a split, in their order. */
export type PredictionWatcher = (sequence: PredictedSequence) => void;

/**
 * softmax(z)_k = e^(z_k - m) / sum over i of e^(z_i - m), m the greatest of z, in float64; NaN
 * where it is not defined.
 */
export function probabilityOf(logits: ArrayLike<number>, k: number): number {
  return probabilities(logits)[k];
}

/** softmax(z) of all classes. */
export function probabilities(logits: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(logits);
  const most = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  for (let k = 0; k < values.length; k++) values[k] = Math.exp(values[k] - most);
  const sum = values.reduce((a, b) => a + b, 0);
  for (let k = 0; k < values.length; k++) values[k] /= sum;
  return values;
}
