/** From logits to classes: probabilities, and the set of classes that intervals do not exclude. */
import type { ClassTargets } from '../../data/core/targets.js';
import { type Numbers, predictedClass, type Scored } from '../../math/metrics/metric.js';
import { type Adapt, probabilities, probabilityOf, Readout, type ReadoutModel } from '../core/readout.js';

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
