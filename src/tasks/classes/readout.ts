/** From logits to classes: probabilities, and the set of classes that intervals do not exclude. */
import type { ClassTargets } from '../../data/core/targets.js';
import { type Numbers, predictedClass, type Scored } from '../../math/metrics/metric.js';
import { type Adapt, Readout, type ReadoutModel } from '../core/readout.js';

export class ClassReadout extends Readout {
  constructor(
    run: ReadoutModel,
    private readonly targets: ClassTargets,
    adapt?: Adapt,
  ) {
    super(run, adapt);
  }

  target(at: number): Numbers {
    return this.targets.values.subarray(at, at + 1);
  }

  conformityScores(outputs: Float32Array, at: number): Float64Array {
    return Float64Array.of(1 - probabilityOf(outputs, this.target(at)[0]));
  }

  override decided(outputs: Float32Array): Pick<Scored, 'thresholds' | 'set'> {
    const { intervals, thresholds } = this;
    if (!intervals) return { thresholds };
    const [[quantile]] = intervals.quantiles;
    const most = quantile ?? Number.POSITIVE_INFINITY;
    const likely = probabilities(outputs);
    // never empty: an answer has at least the likeliest class, which can only cover more
    const best = predictedClass(outputs);
    const set = Array.from(likely.keys()).filter(k => k === best || !(1 - likely[k] > most));
    return { thresholds, set };
  }
}

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
