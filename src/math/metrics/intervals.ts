/** Prediction intervals, from the lowest to the highest predicted quantile. */
import { ERROR, FRACTION, meanOf, metric, type Scored } from './metric.js';

export const coverage = metric({
  description:
    'Fraction of the targets between the lowest and the highest predicted quantile. The best value is the difference of their levels, such as 0.8 for 0.1 and 0.9.',
  ...FRACTION,
  ofIntervals: true,
  tasks: {
    values: {
      formula:
        '`quantile` loss with two or more `quantiles`: (1/(N C)) sum_n sum_k of 1 if l_nk <= y_nk <= u_nk, else 0, where l is the lowest and u the highest quantile',
      make: () => meanOfIntervals((lower, upper, target) => (lower <= target && target <= upper ? 1 : 0)),
    },
  },
});

export const intervalWidth = metric({
  description: 'Mean distance between the lowest and the highest predicted quantile.',
  ...ERROR,
  ofIntervals: true,
  tasks: {
    values: {
      formula: '`quantile` loss with two or more `quantiles`: (1/(N C)) sum_n sum_k (u_nk - l_nk)',
      make: () => meanOfIntervals((lower, upper) => upper - lower),
    },
  },
});

function meanOfIntervals(score: (lower: number, upper: number, target: number) => number) {
  return meanOf(({ interval, target }: Scored) => {
    if (interval === undefined) return undefined;
    const [lower, upper] = interval;
    let sum = 0;
    for (let i = 0; i < target.length; i++) sum += score(lower[i], upper[i], target[i]);
    return sum / target.length;
  });
}
