/** From the outputs of a model to predictions: probabilities, values in the units of the data. */
import type { Targets } from '../data/core/dataset.js';
import type { Scaling } from '../data/core/record.js';
import { inDataUnits, roundingInDataUnits } from '../data/core/scaling.js';
import { type LossSettings, lossOf } from '../math/losses/index.js';
import type { Loss } from '../math/losses/loss.js';
import type { Numbers, Scored } from '../math/metrics/metric.js';
import { shortestDecimal } from '../util/numbers.js';

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
  private readonly loss: Loss;
  private readonly bounds: Loss['quantiles'];

  constructor(
    loss: LossSettings,
    private readonly targets: Targets,
  ) {
    this.loss = lossOf(loss);
    const sorted = (this.loss.quantiles ?? []).toSorted((a, b) => a.level - b.level);
    if (sorted.length > 1) this.bounds = [sorted[0], sorted[sorted.length - 1]];
  }

  /** A view of `outputs` unless they must be converted. */
  point(outputs: Float32Array, at: number): Numbers {
    return inDataUnits(this.loss.point?.(outputs) ?? outputs, this.scaling(at));
  }

  /** The quantiles in the order of `Loss.quantiles`; empty for other losses. */
  quantiles(outputs: Float32Array, at: number): readonly Numbers[] {
    return (this.loss.quantiles ?? []).map(({ point }) => inDataUnits(point(outputs), this.scaling(at)));
  }

  /** What metrics read of prediction `at`. */
  scored(outputs: Float32Array, at: number): Scored {
    const [point, target] = [this.point(outputs, at), this.target(at)];
    return { outputs, point, target, interval: this.interval(outputs, at) };
  }

  /** The lowest and the highest quantile; undefined without two. */
  private interval(outputs: Float32Array, at: number): Scored['interval'] {
    const { bounds } = this;
    if (bounds === undefined) return undefined;
    const scaling = this.scaling(at);
    const [lower, upper] = bounds.map(({ point }) => inDataUnits(point(outputs), scaling));
    return [lower, upper];
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
      return shortestDecimal(value, scaling ? roundingInDataUnits(value, scaling, i) : 0);
    });
  }
}
