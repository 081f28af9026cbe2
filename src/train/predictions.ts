/** Predictions of an evaluation, in the units of the data. */
import { inDataUnits, type Scaling, type Targets } from '../data/index.js';
import type { Loss } from '../math/losses/loss.js';
import type { Numbers, Scored } from '../math/metrics/metric.js';
import { roundingOf, shortestDecimal } from '../util/numbers.js';

export interface Prediction extends Scored {
  /** Step of its sequence, from 0; 0 if the model predicts once per sequence. */
  readonly step: number;
  readonly counts: boolean;
  /** Before weighting; meaningless if the prediction does not count. */
  readonly loss: number;
  /** [C], a view that is valid only during the callback; `point` may be one too. */
  readonly outputs: Float32Array;
}

export interface PredictedSequence {
  readonly index: number;
  readonly id?: string;
  readonly predictions: readonly Prediction[];
}

export type PredictionObserver = (sequence: PredictedSequence) => void;

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

export class Readout {
  constructor(
    private readonly loss: Loss,
    private readonly targets: Targets,
  ) {}

  /** A view of `outputs` unless they must be converted. */
  point(outputs: Float32Array, at: number): Numbers {
    return inDataUnits(this.loss.point?.(outputs) ?? outputs, this.scaling(at));
  }

  /** The quantiles in the order of `Loss.quantiles`; empty for other losses. */
  quantiles(outputs: Float32Array, at: number): readonly Numbers[] {
    return (this.loss.quantiles ?? []).map(({ point }) => inDataUnits(point(outputs), this.scaling(at)));
  }

  /** The target of prediction `at` of a split; `at` counts over all sequences and their steps. */
  target(at: number): Numbers {
    const { targets } = this;
    const size = targets.kind === 'value' ? targets.size : 1;
    return inDataUnits(targets.values.subarray(at * size, (at + 1) * size), this.scaling(at));
  }

  /** The decimals of `target`, which is the one at `at`: those of the data. */
  targetDecimals(at: number, target: Numbers = this.target(at)): number[] {
    const given = this.targets.kind === 'value' ? this.targets.given?.(at) : undefined;
    return given ? Array.from(given, value => shortestDecimal(value)) : this.decimals(target, at);
  }

  /** `index` is the sequence's: values with a scaling per sequence have one target per sequence. */
  private scaling(index: number): Scaling | undefined {
    const scaling = this.targets.kind === 'value' ? this.targets.scaling : undefined;
    return typeof scaling === 'function' ? scaling(index) : scaling;
  }

  /** The shortest decimals that round to float32: 21.299999237060547 becomes 21.3. */
  decimals(values: Numbers, at: number): number[] {
    const scaling = this.scaling(at);
    return Array.from(values, (value, i) => {
      if (!scaling) return shortestDecimal(value, 0);
      const { offset, scale } = { offset: scaling.offset[i], scale: scaling.scale[i] };
      return shortestDecimal(value, roundingOf((value - offset) / scale) * Math.abs(scale));
    });
  }
}
