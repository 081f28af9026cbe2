/** Converts model outputs and targets of a split to the units of the data. */
import { inDataUnits, type Scaling, type Targets } from '../../data/index.js';
import type { Loss } from '../../math/losses/loss.js';
import type { Numbers } from '../../math/metrics/metric.js';
import { roundingOf, shortestDecimal } from '../../util/decimals.js';

export class Readout {
  constructor(
    private readonly loss: Loss,
    private readonly targets: Targets,
  ) {}

  /**
   * The values that `outputs` predict at index `at` (as in {@link target}): a view of `outputs`
   * unless they must be converted.
   */
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

  /** `index` is the sequence's: values with a scaling per sequence have one target per sequence. */
  private scaling(index: number): Scaling | undefined {
    const scaling = this.targets.kind === 'value' ? this.targets.scaling : undefined;
    return typeof scaling === 'function' ? scaling(index) : scaling;
  }

  /**
   * The shortest decimals that round to `values`, which are a `point`, a quantile or a `target` at
   * `at`: those are float32, so 21.299999237060547 becomes 21.3.
   */
  decimals(values: Numbers, at: number): number[] {
    const scaling = this.scaling(at);
    return Array.from(values, (value, i) => {
      if (!scaling) return shortestDecimal(value, 0);
      const { offset, scale } = { offset: scaling.offset[i], scale: scaling.scale[i] };
      return shortestDecimal(value, roundingOf((value - offset) / scale) * Math.abs(scale));
    });
  }
}
