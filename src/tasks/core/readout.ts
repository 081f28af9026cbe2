/** From the outputs of a model to answers: probabilities, values in the units of the data. */

import type { Scaling } from '../../data/core/record.js';
import { inDataUnits, roundingInDataUnits } from '../../data/core/scaling.js';
import { lossOf } from '../../math/losses/index.js';
import type { Loss } from '../../math/losses/loss.js';
import type { Numbers, Scored } from '../../math/metrics/metric.js';
import { shortestDecimal } from '../../util/numbers.js';
import type { Decisions } from './confidence.js';
import type { TaskModel } from './prediction.js';

export type ReadoutModel = Pick<TaskModel, 'loss' | 'decisions'>;

/** Lets adaptive intervals of later windows know the scores of step `ahead` of the horizon. */
export type Adapt = (ahead: number, scores: Float64Array) => void;

export type ConformityMethod = NonNullable<Decisions['intervals']>['method'];

/** Reads the outputs of a model for the sequences of a split, and their targets. */
export abstract class Readout {
  protected readonly loss: Loss;
  protected readonly intervals: Decisions['intervals'];
  protected readonly thresholds: Decisions['thresholds'];

  constructor(
    { loss, decisions = {} }: ReadoutModel,
    private readonly adapt?: Adapt,
  ) {
    this.loss = lossOf(loss);
    this.intervals = decisions.intervals;
    this.thresholds = decisions.thresholds;
  }

  /** The target of prediction `at` of a split; `at` counts over all sequences and their steps. */
  abstract target(at: number): Numbers;

  /** How far the target of prediction `at` is from it: see `math/confidence/conformal.ts`. */
  abstract conformityScores(outputs: Float32Array, at: number, method: ConformityMethod): Float64Array;

  /**
   * The interval of conformal prediction, or the lowest and the highest quantile; undefined without
   * both.
   * @param ahead step of the horizon, from 0
   */
  interval(_outputs: Float32Array, _at: number, _ahead: number): Scored['interval'] {
    return undefined;
  }

  /** What predicted classes and labels are decided by, and the set of classes. */
  decided(_outputs: Float32Array): Pick<Scored, 'thresholds' | 'set'> {
    return { thresholds: this.thresholds };
  }

  /** The decimals of `target`, which is that of prediction `at`, as in the data. */
  targetDecimals(at: number, target: Numbers = this.target(at)): number[] {
    return this.decimals(target, at);
  }

  /** Of prediction `at`; undefined if its target is not scaled. */
  protected scaling(_at: number): Scaling | undefined {
    return undefined;
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

  /** The shortest decimals that round to float32: 21.299999237060547 becomes 21.3. */
  decimals(values: Numbers, at: number): number[] {
    const scaling = this.scaling(at);
    return Array.from(values, (value, i) => {
      return shortestDecimal(value, scaling ? roundingInDataUnits(value, scaling, i) : 0);
    });
  }
}
