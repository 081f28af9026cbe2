/** What is known of values without data, and their part of `evaluation.json`. */
import * as s from '../../util/schema.js';
import { common, confidence, error, names, place, version, worst } from '../core/document.js';
import type { TaskFacts } from '../core/facts.js';

const output = s.namedStruct('output', 'Errors of the predictions of one target, in the units of the data.', {
  mean_absolute_error: error('Mean absolute difference; null if not finite.'),
  rmse: error('Root mean squared difference; null if not finite.'),
  r2: s.optional(
    s.measured({
      description:
        'Coefficient of determination. null if not finite, absent if there is a single prediction.',
      max: 1,
    }),
  ),
});

const oneOrFour = (description: string) =>
  s.either([s.number({}), s.list(s.listedNumber, { maxItems: 4 })], { description });
const pair = s.namedStruct('pair', 'A target and its prediction.', {
  ...place,
  target: oneOrFour('The target; its first 4 numbers if it has several.'),
  prediction: s.spelledOut(
    oneOrFour('Their predictions; null for a single number that is not finite.'),
    'always',
  ),
});

const numbers = (description: string) => s.list(s.nullable(s.number({})), description);

const forecastSteps = {
  target: s.text('The column.'),
  times: s.list(s.text({}), 'The time of each step, or its number in the series, from 1.'),
  actual: numbers('The value of each step; null if it is missing.'),
  predicted: numbers('The forecast of each step; null if it is not finite.'),
  lower: s.optional(
    numbers('The lowest quantile of each step, or the lower end of its interval. Absent without both.'),
  ),
  upper: s.optional(
    numbers('The highest quantile of each step, or the upper end of its interval. Absent without both.'),
  ),
};

const forecasts = s.struct('The forecasts of a `forecast` dataset, to draw them. Absent for other data.', {
  quantiles: s.nullable(s.list(s.number({}), 'The levels of `lower` and `upper`.'), {
    description: 'The levels of `lower` and `upper`; null without two quantiles, and with `coverage`.',
  }),
  coverage: s.optional(s.number('The coverage of `intervals`, which `lower` and `upper` are the ends of.')),
  series: s.list(
    s.struct('A target of a series.', {
      series: s.text('Its name; empty if the table is one series.'),
      ...forecastSteps,
    }),
    'The first steps of the split, about 400, of up to 4 series and 4 targets, each forecast once: from windows that do not overlap.',
  ),
  windows: s.list(
    s.struct('A target of a window.', {
      id: s.text('The name of the window.'),
      history: numbers('The values that the window reads.'),
      ...forecastSteps,
    }),
    'Up to 4 targets of the 6 windows with the largest errors (MASE, or the mean absolute error if it is unknown), largest first, among windows that do not overlap.',
  ),
});

export const valueEvaluation = s.struct('The model predicts values.', {
  version,
  kind: s.literal('value', 'The model predicts values.'),
  ...common,
  mean_absolute_error: error(
    'Mean absolute difference from the targets, over all numbers of all predictions; null if not finite.',
  ),
  worst: s.list(worst, {
    description:
      'Up to 24 predictions with the largest absolute errors, largest first; ties in the order of the data. NaN counts as the largest error.',
    maxItems: 24,
  }),
  target_names: names('The name of each target; null if the data have no names.'),
  per_output: s.nullable(
    s.list(
      output,
      'Errors of the predictions of each target, in order; null if there are more than 100 targets.',
    ),
  ),
  sample: s.list(pair, {
    description: 'At most 200 targets with their predictions, evenly spaced in the data.',
    maxItems: 200,
  }),
  forecasts: s.optional(forecasts),
  coverage: confidence.coverage,
});

export type ValueEvaluation = s.TypeOf<typeof valueEvaluation>;
/** A target and its prediction: a number, or the first of several. */
export type ValuePair = s.TypeOf<typeof pair>;
export type ForecastEvaluation = s.TypeOf<typeof forecasts>;

export const values = {
  target: 'value',
  metrics: ['mean_absolute_error', 'rmse'],
  selects: 'loss',
  usualLoss: 'mse',
  fits: ['intervals'],
  activation: null,
} as const satisfies TaskFacts;
