/** Errors of values z, given targets y, both in the units of the data. */
import { type Accumulator, ERROR, meanOf, meanScore, metric, type Scored } from './metric.js';

export const meanAbsoluteError = metric({
  description: 'Mean absolute difference from the targets.',
  measures: 'values',
  ...ERROR,
  tasks: { values: { formula: '(1/(N C)) sum_n sum_k abs(z_nk - y_nk)', mean: absoluteError } },
});

export const rmse = metric({
  description: 'Root mean squared difference from the targets.',
  measures: 'values',
  ...ERROR,
  tasks: { values: { formula: 'mean over k of sqrt((1/N) sum_n (z_nk - y_nk)^2)', make: macro('rmse') } },
});

export const r2 = metric({
  description: 'Coefficient of determination, mean over the outputs.',
  measures: 'values',
  largerIsBetter: true,
  min: Number.NEGATIVE_INFINITY,
  max: 1,
  tasks: {
    values: {
      formula:
        'mean over k of 1 - sum_n (z_nk - y_nk)^2 / sum_n (y_nk - m_k)^2, where m_k = (1/N) sum_n y_nk. If all y_nk are equal: 1 if all z_nk equal them, else 0',
      make: macro('r2'),
    },
  },
});

export const mase = metric({
  description: 'Mean absolute scaled error of forecasts.',
  measures: 'values',
  ...ERROR,
  tasks: {
    values: {
      formula:
        '`forecast` only: (1/(N C)) sum_n sum_k abs(z_nk - y_nk) / q_nk, where q_nk is the mean of abs(y_t - y_(t-m)) over the training part of the series of target k, and m = `season` or 1 (Hyndman and Koehler, 2006). Windows of a series without q do not count',
      // predictions without q, the error of the naive forecast in training, do not count
      make: () =>
        meanOf(({ errorScale, ...prediction }) => errorScale && scaledError(prediction, errorScale)),
    },
  },
});

export function absoluteError({ point, target }: Pick<Scored, 'point' | 'target'>): number {
  let sum = 0;
  for (let i = 0; i < target.length; i++) sum += Math.abs(point[i] - target[i]);
  return sum / target.length;
}

/** The mean of the absolute errors of each target, in units of its scale. */
export function scaledError(
  { point, target }: Pick<Scored, 'point' | 'target'>,
  scales: readonly number[],
): number {
  const errors = scales.map((scale, k) => {
    let sum = 0;
    for (let i = k; i < target.length; i += scales.length) sum += Math.abs(point[i] - target[i]);
    return sum / (target.length / scales.length) / scale;
  });
  return errors.reduce((sum, error) => sum + error, 0) / errors.length;
}

/** Errors of the predictions of one target. */
export interface OutputErrors {
  readonly mean_absolute_error: number;
  readonly rmse: number;
  /** As in scikit-learn if all y are equal; undefined with fewer than two predictions. */
  readonly r2: number | undefined;
}

export class Errors {
  private count = 0;
  private readonly absolute: Float64Array;
  private readonly squared: Float64Array;
  /** Mean of each target so far, and the sum of squared deviations from it (Welford, 1962). */
  private readonly mean: Float64Array;
  private readonly spread: Float64Array;

  constructor(targets: number) {
    this.absolute = new Float64Array(targets);
    this.squared = new Float64Array(targets);
    this.mean = new Float64Array(targets);
    this.spread = new Float64Array(targets);
  }

  add({ point, target }: Pick<Scored, 'point' | 'target'>): void {
    this.count++;
    for (let i = 0; i < this.mean.length; i++) {
      const error = point[i] - target[i];
      this.absolute[i] += Math.abs(error);
      this.squared[i] += error * error;
      const before = target[i] - this.mean[i];
      this.mean[i] += before / this.count;
      this.spread[i] += before * (target[i] - this.mean[i]);
    }
  }

  get outputs(): readonly OutputErrors[] {
    const { count } = this;
    return Array.from(this.squared, (squared, i) => ({
      mean_absolute_error: this.absolute[i] / count,
      rmse: Math.sqrt(squared / count),
      r2: count < 2 ? undefined : explained(squared, this.spread[i]),
    }));
  }
}

function explained(squared: number, spread: number): number {
  if (spread !== 0) return 1 - squared / spread;
  return squared === 0 ? 1 : Number.isNaN(squared) ? squared : 0;
}

function macro(error: keyof OutputErrors): (targets: number) => Accumulator {
  return targets => {
    const errors = new Errors(targets);
    return meanScore(
      prediction => errors.add(prediction),
      () => errors.outputs.map(output => output[error]),
    );
  };
}
