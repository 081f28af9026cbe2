/** What is known of the dataset kind `forecast`: windows over the series of a table. */

import * as key from '../../util/schema.js';
import type { DatasetKind } from '../core/dataset.js';
import { missingInSeries, seriesColumns, staticColumns } from '../core/feature-keys.js';
import { featureLeaks, staticsOf } from '../core/features.js';
import type { ConfigDiagnostic } from '../core/problems.js';
import * as keys from '../core/settings.js';
import { TABLE_NAME } from '../reading/facts.js';

const settings = key.section(
  {
    kind: keys.kind('forecast', 'Windows over time series.'),
    path: keys.givenFiles('The table, CSV with a header or Parquet', 'data/*.csv', 'data/births.csv'),
    delimiter: keys.delimiter,
    decimal: keys.decimal,
    column_names: keys.columnNames,
    date_format: keys.dateFormat,
    target: key.either(
      [
        key.text({ minLength: 1 }),
        key.list(key.text({ minLength: 1 }), { minItems: 1, maxItems: 65536, unique: true }),
      ],
      {
        description: 'Name of the column to forecast. A list forecasts several columns together.',
        examples: ['births', ['births', 'deaths']],
        aliases: ['label', 'output', 'value'],
        required: true,
      },
    ),
    series: keys.columnOrSeveral({
      description:
        'Column whose equal values form one series. Each series is scaled separately. Default: the table is one series.',
      examples: ['region'],
      aliases: ['group', 'group_by', 'id'],
    }),
    time: keys.columnOrSeveral({
      description:
        'Column to sort the steps by: numbers, or dates or times in ISO 8601 or `date_format`. A list joins columns, such as a date and a time of day, with a space between them. Default: the order of the file.',
      examples: ['date', ['Date', 'Time']],
      aliases: ['order', 'order_by', 'date', 'timestamp'],
    }),
    resample: keys.resample('time'),
    features: seriesColumns({
      description: 'Further columns that the model reads, up to the last input step.',
      examples: [['temperature']],
      aliases: ['columns', 'inputs'],
    }),
    known: seriesColumns({
      description:
        'Columns known in advance, such as holidays. The model reads them up to the last step of the forecast.',
      examples: [['holiday']],
      aliases: ['known_features', 'future', 'known_in_advance', 'future_covariates'],
    }),
    calendar: keys.calendar(
      'Calendar features of `time`, as sine and cosine. The model reads them like the columns of `known`.',
    ),
    static_features: staticColumns('Columns with one value per series'),
    missing: missingInSeries,
    input_steps: keys.steps({
      description: 'Steps that the model reads per window.',
      min: 1,
      examples: [56],
      aliases: ['window', 'lookback', 'history', 'context_length', 'input_length'],
      required: true,
    }),
    horizon: keys.steps({
      description: 'Steps that the model forecasts per window, all at once.',
      min: 1,
      examples: [28],
      aliases: ['output_steps', 'forecast_steps', 'prediction_length', 'steps_ahead'],
      required: true,
    }),
    stride: keys.steps({
      description: 'Steps between the starts of two windows of a series.',
      default: 1,
      min: 1,
      examples: [1],
      aliases: ['step', 'hop'],
    }),
    season: keys.steps({
      description:
        'Steps per season, such as 7 for daily data with a weekly pattern. Used by the seasonal naive forecast and by MASE; without it, MASE compares with the last value.',
      min: 2,
      examples: [7],
      aliases: ['seasonality', 'period', 'season_length'],
    }),
    relative_to: key.choice(['last_value', 'season'], {
      description:
        'Measure the values of a window relative to a reference, for series whose level changes: `last_value` subtracts the last input value, `season` the mean of the input values at the same position in the season. By default, values are not shifted.',
      examples: ['season'],
      aliases: ['level', 'difference', 'differencing', 'window_normalization'],
    }),
    transform: key.choice(['log'], {
      description:
        'Scale and predict the natural logarithm of the target, for series whose changes are proportional to their level. All targets must be positive. Forecasts, quantiles and metrics are in the units of the data.',
      examples: ['log'],
      aliases: ['log', 'log_transform', 'target_transform'],
    }),
    per_step: key.boolean({
      description:
        'Predict one step of the horizon at a time (`head: {from: every}`), reading the features known in advance for that step, instead of predicting all values at the last input step.',
      default: false,
      examples: [true],
    }),
    normalize: keys.scalingMethod({
      description:
        'How to scale the columns of each series, fitted on its rows in the training split: standard to mean 0 and variance 1, min_max to 0..1. Losses are computed on scaled values; forecasts and other metrics are in the units of the data.',
      default: 'standard',
    }),
    test_fraction: keys.heldFraction({
      description:
        'Fraction of the time points held out as the test split: the short form of `test: { fraction: … }`.',
      examples: [0.1],
      excludes: ['test'],
    }),
    test: keys.seriesTest(['Number of time points.', 365]),
    validation: keys.validationAtEnd(
      'The last time points before the test split, held out for model selection, as a `fraction` or a `count`.',
      'Fraction of the time points outside the test split.',
      ['Number of time points.', 365],
    ),
    obtain: keys.obtain,
    limit: keys.limit,
  },
  {
    rules: {
      allOf: [
        key.when({ required: ['resample'] }, { required: ['time'] }),
        key.when({ required: ['static_features'] }, { required: ['series'] }),
      ],
    },
    description:
      'Windows over one or more time series in a table. The model reads `input_steps` steps and predicts the next `horizon` values of the target.',
  },
);

export type ForecastConfig = key.TypeOf<typeof settings>;

export const forecast: DatasetKind<ForecastConfig, typeof settings> = {
  settings,
  facts: ({ per_step = false, horizon }) => ({
    inputKind: 'number',
    targetKind: 'value',
    perStep: per_step,
    horizon,
  }),
  leaks,
  symbols: null,
  dividesItself: true,
  isSeries: true,
  fileNames: TABLE_NAME,
};

/** A forecast always reads the past of its targets; by `known` it would read what it predicts. */
function leaks(config: ForecastConfig): ConfigDiagnostic[] {
  const targets = [config.target].flat();
  const nameOf = (one: string | { readonly column: string }) => (typeof one === 'string' ? one : one.column);
  const features = (config.features ?? []).map(nameOf);
  const known = (config.known ?? []).map(nameOf);
  const found = featureLeaks(
    staticsOf(config.static_features, config.missing),
    [...targets, ...features, ...known],
    'column',
  );
  features.forEach((column, i) => {
    if (!targets.includes(column)) return;
    const message = `the target column "${column}" is also a feature`;
    const expected = 'other columns: the past of the target is always read';
    const keyPath = ['dataset', 'features', i];
    found.push({ code: 'config/target-leak', message, expected, keyPath });
  });
  known.forEach((column, i) => {
    const keyPath = ['dataset', 'known', i];
    if (targets.includes(column)) {
      const message = `the target column "${column}" cannot be known in advance`;
      found.push({ code: 'config/target-leak', message, keyPath });
    } else if (features.includes(column)) {
      const message = `the column "${column}" is also in \`features\``;
      const expected = 'each column once: the past of known columns is read, too';
      found.push({ code: 'config/known-feature', message, expected, keyPath });
    }
  });
  return found;
}
