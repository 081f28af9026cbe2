/** From outputs to values, or the probabilities of labels, with their intervals and quantiles. */
import type { Scaling } from '../../data/core/record.js';
import { inDataUnits } from '../../data/core/scaling.js';
import type { ValueTargets } from '../../data/core/targets.js';
import type { Loss } from '../../math/losses/loss.js';
import type { Numbers, Scored } from '../../math/metrics/metric.js';
import { shortestDecimal } from '../../util/numbers.js';
import { type Adapt, type ConformityMethod, Readout, type ReadoutModel } from '../core/readout.js';

export class ValueReadout extends Readout {
  /** The lowest and the highest quantile, if the loss has two or more. */
  private readonly bounds: Loss['quantiles'];

  constructor(
    run: ReadoutModel,
    private readonly targets: ValueTargets,
    adapt?: Adapt,
  ) {
    super(run, adapt);
    const sorted = (this.loss.quantiles ?? []).toSorted((a, b) => a.level - b.level);
    if (sorted.length > 1) this.bounds = [sorted[0], sorted[sorted.length - 1]];
  }

  target(at: number): Numbers {
    const { values, size } = this.targets;
    return inDataUnits(values.subarray(at * size, (at + 1) * size), this.scaling(at));
  }

  override targetDecimals(at: number, target: Numbers = this.target(at)): number[] {
    const given = this.targets.given?.(at);
    return given ? Array.from(given, value => shortestDecimal(value)) : this.decimals(target, at);
  }

  override interval(outputs: Float32Array, at: number, ahead: number): Scored['interval'] {
    const { intervals, bounds } = this;
    const scaling = this.scaling(at);
    if (!intervals && !bounds) return undefined;
    if (!intervals) {
      const [lower, upper] = this.ends(outputs, 'quantile').map(end => inDataUnits(end, scaling));
      return [lower, upper];
    }
    const { quantiles, method } = intervals;
    const row = quantiles[Math.min(Math.max(0, ahead), quantiles.length - 1)];
    const [low, high] = this.ends(outputs, method);
    const far = (i: number) => row[i] ?? Number.POSITIVE_INFINITY;
    const ends = Array.from(low, (value, i) => [value - far(i), high[i] + far(i)] as const);
    const lower = Float64Array.from(ends, ([a, b]) => Math.min(a, b));
    const upper = Float64Array.from(ends, ([a, b]) => Math.max(a, b));
    return [inDataUnits(lower, scaling), inDataUnits(upper, scaling)];
  }

  conformityScores(outputs: Float32Array, at: number, method: ConformityMethod): Float64Array {
    const { values, size } = this.targets;
    const [low, high] = this.ends(outputs, method);
    return Float64Array.from(low, (value, i) => {
      const target = values[at * size + i];
      return Math.max(value - target, target - high[i]);
    });
  }

  /** `index` is the sequence's: values with a scaling per sequence have one target per sequence. */
  protected override scaling(index: number): Scaling | undefined {
    const { scaling } = this.targets;
    return typeof scaling === 'function' ? scaling(index) : scaling;
  }

  /** What an interval is widened from, as the model scales it. */
  private ends(outputs: Float32Array, method: ConformityMethod): readonly [low: Numbers, high: Numbers] {
    const { bounds, loss } = this;
    if (method === 'quantile' && bounds) return [bounds[0].point(outputs), bounds[1].point(outputs)];
    const point = loss.point?.(outputs) ?? outputs;
    return [point, point];
  }
}
