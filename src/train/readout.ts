/** From the outputs of a model to predictions: probabilities, values in the units of the data. */

import type { Split } from '../data/core/dataset.js';
import type { ForecastWindow, Scaling } from '../data/core/record.js';
import { inDataUnits, roundingInDataUnits } from '../data/core/scaling.js';
import type { Targets } from '../data/core/targets.js';
import type { Adaptation } from '../math/confidence/adaptive.js';
import { lossOf } from '../math/losses/index.js';
import type { Loss } from '../math/losses/loss.js';
import { type Numbers, predictedClass, type Scored } from '../math/metrics/metric.js';
import type { Decisions } from '../run/confidence.js';
import { shortestDecimal } from '../util/numbers.js';
import type { ModelRun } from './shards.js';

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

/**
 * The readouts of sequences in the order of time: adaptive intervals change from one window of a
 * series to the next. One object for all batches of a pass.
 */
export class Readouts {
  /** Of the sequences that have the intervals of the run. */
  private plain: { readonly targets: Targets; readonly readout: Readout } | undefined;

  /** @param adaptation absent: intervals are fixed */
  constructor(
    private readonly run: Pick<ModelRun, 'loss' | 'decisions'>,
    private readonly adaptation?: Adaptation,
  ) {}

  /**
   * Returns the readout of a sequence of a batch.
   * @param split the batch; `window` are the steps that the sequence predicts, if it is a forecast
   */
  of({ targets }: Pick<Split, 'targets'>, window: ForecastWindow | undefined): Readout {
    const { run, adaptation } = this;
    const { intervals } = run.decisions ?? {};
    if (!adaptation || !window || !intervals) {
      if (this.plain?.targets !== targets) this.plain = { targets, readout: new Readout(run, targets) };
      return this.plain.readout;
    }
    const quantiles = adaptation.quantilesAt(window);
    const decisions = { ...run.decisions, intervals: { ...intervals, quantiles } };
    return new Readout({ ...run, decisions }, targets, (ahead, scores) =>
      adaptation.add(window, ahead, scores),
    );
  }
}

export class Readout {
  private readonly loss: Loss;
  private readonly bounds: Loss['quantiles'];

  private readonly intervals: Decisions['intervals'];
  private readonly thresholds: Decisions['thresholds'];

  constructor(
    { loss, decisions = {} }: Pick<ModelRun, 'loss' | 'decisions'>,
    private readonly targets: Targets,
    private readonly adapt?: (ahead: number, scores: Float64Array) => void,
  ) {
    this.loss = lossOf(loss);
    this.intervals = decisions.intervals;
    this.thresholds = decisions.thresholds;
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

  /** What metrics read of prediction `at`, which is that of step `step` of its sequence. */
  scored(outputs: Float32Array, at: number, step = 0): Scored {
    const [point, target] = [this.point(outputs, at), this.target(at)];
    const ahead = step - (this.intervals?.first_step ?? 0);
    const interval = this.interval(outputs, at, ahead);
    this.learn(outputs, at, ahead);
    return { outputs, point, target, interval, ...this.decided(outputs) };
  }

  /** Lets adaptive intervals of later windows know the target of prediction `at`, if any. */
  learn(outputs: Float32Array, at: number, ahead: number): void {
    const { adapt, intervals } = this;
    if (adapt && intervals && ahead >= 0) adapt(ahead, this.conformityScores(outputs, at, intervals.method));
  }

  /** What predicted classes and labels are decided by, and the set of classes. */
  decided(outputs: Float32Array): Pick<Scored, 'thresholds' | 'set'> {
    const { intervals, thresholds, targets } = this;
    if (!intervals || targets.kind !== 'class') return { thresholds };
    const [[quantile]] = intervals.quantiles;
    const most = quantile ?? Number.POSITIVE_INFINITY;
    const likely = probabilities(outputs);
    // never empty: an answer has at least the likeliest class, which can only cover more
    const best = predictedClass(outputs);
    const set = Array.from(likely.keys()).filter(k => k === best || !(1 - likely[k] > most));
    return { thresholds, set };
  }

  /**
   * The interval of conformal prediction, or the lowest and the highest quantile; undefined without
   * both.
   * @param ahead step of the horizon, from 0
   */
  interval(outputs: Float32Array, at: number, ahead: number): Scored['interval'] {
    const { intervals, bounds, targets } = this;
    const scaling = this.scaling(at);
    if (targets.kind !== 'value' || (!intervals && !bounds)) return undefined;
    if (!intervals) {
      const [lower, upper] = this.ends(outputs, 'quantile').map(end => inDataUnits(end, scaling));
      return [lower, upper];
    }
    const { quantiles, method } = intervals;
    const row = quantiles[Math.min(Math.max(0, ahead), quantiles.length - 1)];
    const [low, high] = this.ends(outputs, method);
    const far = (i: number) => row[i] ?? Number.POSITIVE_INFINITY;
    const ends = Array.from(low, (value, i) => [value - far(i), high[i] + far(i)] as const);
    const lower = inDataUnits(
      Float64Array.from(ends, ([a, b]) => Math.min(a, b)),
      scaling,
    );
    return [
      lower,
      inDataUnits(
        Float64Array.from(ends, ([a, b]) => Math.max(a, b)),
        scaling,
      ),
    ];
  }

  /** What an interval is widened from, as the model scales it. */
  private ends(outputs: Float32Array, method: 'split' | 'quantile'): readonly [low: Numbers, high: Numbers] {
    const { bounds, loss } = this;
    if (method === 'quantile' && bounds) return [bounds[0].point(outputs), bounds[1].point(outputs)];
    const point = loss.point?.(outputs) ?? outputs;
    return [point, point];
  }

  /** How far the target of prediction `at` is from it: see `math/confidence/conformal.ts`. */
  conformityScores(outputs: Float32Array, at: number, method: 'split' | 'quantile'): Float64Array {
    const { targets } = this;
    if (targets.kind === 'class') return Float64Array.of(1 - probabilityOf(outputs, this.target(at)[0]));
    const size = targets.kind === 'value' ? targets.size : 1;
    const [low, high] = this.ends(outputs, method);
    return Float64Array.from(low, (value, i) => {
      const target = targets.values[at * size + i];
      return Math.max(value - target, target - high[i]);
    });
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
