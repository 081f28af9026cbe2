/**
 * Split conformal prediction (Vovk et al., 2005): from scores of held-out predictions, how far the
 * truth may be from a prediction so that a stated fraction of new ones is covered. The scores:
 *
 *     classes    1 - p_y, so a set has the classes with 1 - p_k <= q (Sadinle et al., 2019)
 *     split      abs(y - z) of each value, so an interval is z - q to z + q (Lei et al., 2018)
 *     quantile   max(l - y, y - u) of the lowest and highest predicted quantile, so an interval is
 *                l - q to u + q (Romano et al., 2019)
 *
 * The guarantee needs scores that are exchangeable with those of new data. Selecting weights by the
 * same split costs about sqrt(log(2 K) / (2 n)) of the coverage at most, for K candidates and n
 * scores (Yang and Kuchibhotla, 2024); dividing the split would cost data for selection instead.
 * MAPIE leaves that to its user, and so does cellrun, with a warning that says how much it may be.
 */
import * as s from '../../util/schema.js';

export const intervalsConfig = s.section(
  {
    coverage: s.number({
      description: 'Fraction of new targets that intervals, or sets of classes, contain.',
      above: 0,
      below: 1,
      default: 0.9,
      examples: [0.95],
      aliases: ['confidence', 'confidence_level', 'level'],
    }),
    method: s.choice(['split', 'quantile'], {
      description:
        'split: the distance from the prediction, equal for all inputs; for classes, one minus the probability. quantile: the distance from the predicted quantiles of loss `quantile`, which depend on the input.',
      defaultText: 'quantile for loss `quantile` with two or more `quantiles`, else split',
      examples: ['quantile'],
    }),
    adapt: s.number({
      description:
        'Step size of adaptive intervals along each series of a forecast (Gibbs and Candès, 2021): they widen after a miss and narrow while they cover, so that the coverage also holds if the series changes. 0.01 to 0.05 is usual.',
      above: 0,
      below: 1,
      examples: [0.02],
      aliases: ['gamma', 'adaptive'],
    }),
  },
  {
    name: 'intervals',
    description:
      'Conformal prediction: sets of classes, or intervals of values (for forecasts, of each step of the horizon), that contain the target of new data with a stated frequency. Calibrated on the validation split.',
    examples: [{ coverage: 0.9 }],
    aliases: ['conformal', 'prediction_intervals', 'prediction_sets'],
    effects: ['final'],
  },
);

export type IntervalsConfig = s.TypeOf<typeof intervalsConfig>;

/** The number of scores that a coverage below 1 needs. */
export function scoresFor(coverage: number): number {
  return Math.ceil(coverage / (1 - coverage) - 1e-9);
}

/**
 * The ceil((n + 1) coverage)-th smallest of n scores; infinite if there are fewer than
 * {@link scoresFor}.
 */
export function conformalQuantile(scores: Float64Array, coverage: number): number {
  const rank = conformalRank(scores.length, coverage);
  return rank > scores.length ? Number.POSITIVE_INFINITY : scores.toSorted()[rank - 1];
}

/** Of the quantile among n scores in ascending order, from 1; larger than n if it is infinite. */
export function conformalRank(n: number, coverage: number): number {
  return Math.ceil((n + 1) * coverage - 1e-9);
}
