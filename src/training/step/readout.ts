/** What the outputs of a model and the targets of a split mean, in the units of the data. */
import { inDataUnits, type Scaling, type Targets } from '../../data/index.js';
import type { Loss } from '../../losses/loss.js';
import type { Numbers } from '../../metrics/metric.js';

export class Readout {
  constructor(
    private readonly loss: Loss,
    private readonly targets: Targets,
  ) {}

  /**
   * What `outputs` predict at `at`, counted as {@link target} counts: a view of them unless they
   * have to be changed.
   */
  point(outputs: Float32Array, at: number): Numbers {
    return inDataUnits(this.loss.point?.(outputs) ?? outputs, this.scaling(at));
  }

  /** The quantiles, likewise, as `Loss.quantiles` has them; none for other losses. */
  quantiles(outputs: Float32Array, at: number): readonly Numbers[] {
    return (this.loss.quantiles ?? []).map(({ point }) => inDataUnits(point(outputs), this.scaling(at)));
  }

  /** The target of prediction `at` of a split, counted over all its sequences and steps. */
  target(at: number): Numbers {
    const { targets } = this;
    const size = targets.kind === 'value' ? targets.size : 1;
    return inDataUnits(targets.values.subarray(at * size, (at + 1) * size), this.scaling(at));
  }

  /** Values are one target a sequence. */
  private scaling(index: number): Scaling | undefined {
    const scaling = this.targets.kind === 'value' ? this.targets.scaling : undefined;
    return typeof scaling === 'function' ? scaling(index) : scaling;
  }

  /**
   * The shortest decimals that say as much as `values`, which are a `point`, a quantile or a
   * `target` at `at`: those are float32, so 21.299999237060547 is 21.3.
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

/**
 * The shortest decimal with the float32 of `value`; with an `error`, one that is off by no more
 * than that and the rounding to float32.
 */
function shortestDecimal(value: number, error: number): number {
  if (!Number.isFinite(value)) return value;
  const tolerance = error === 0 ? 0 : roundingOf(value) + error;
  for (let digits = 1; digits < MAX_DIGITS; digits++) {
    const decimal = Number(value.toPrecision(digits));
    if (Math.fround(decimal) === value || Math.abs(decimal - value) < tolerance) return decimal;
  }
  return value;
}

/** Digits that tell any two float64 numbers apart. */
const MAX_DIGITS = 17;

/** Half the distance of float32 numbers near `value`. */
function roundingOf(value: number): number {
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  return 2 ** (Math.max(exponent, MIN_EXPONENT) - 24);
}

/** Of float32 numbers that are not subnormal. */
const MIN_EXPONENT = -126;
