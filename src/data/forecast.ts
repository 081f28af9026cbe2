/**
 * Dataset kind `forecast`: windows over the series of a table. A window reads `input_steps` steps
 * (L) and predicts the target at the next `horizon` steps (H).
 *
 * A step of a sequence consists of the target, the features, the inputs known in advance (columns,
 * and calendar features as sine and cosine) and, if anything is known in advance, a flag. In that
 * case a sequence has L + H steps: in the last H, the target and the features are 0 and the flag is
 * 1. With `per_step`, each of these H steps has the target of its own time, and the first L have
 * none.
 *
 * With `relative_to`, the values of a window are differences from their level: the last value that
 * the window reads, or the mean of those at the same position of a season.
 *
 * Splits are periods of time, the same for all series: a window belongs to the split that contains
 * all of its targets; windows with targets in two splits are dropped. The inputs of a window may be
 * in an earlier split, never in a later one. Each series is scaled by its own rows of the training
 * split.
 */

import { damagedErrors } from '../util/errors.js';
import * as key from '../util/schema.js';
import { calendarNames } from './core/calendar.js';
import {
  type Column,
  type Dataset,
  type DatasetContext,
  type DatasetKind,
  type Scaling,
  type Split,
  type SplitName,
  splitFiles,
} from './core/dataset.js';
import { NUMBER } from './core/labels.js';
import { type ConfigDiagnostic, configError } from './core/problems.js';
import { columnScaling, scalingOf } from './core/scaling.js';
import { heldCount } from './core/selection.js';
import * as keys from './core/settings.js';
import { columnsOf } from './core/statistics.js';
import { readTrainingTable, type TrainingTable } from './csv-table.js';
import { timeGaps } from './forecast-gaps.js';
import { forecastSequences } from './forecast-input.js';
import { intervalOf } from './forecast-times.js';
import {
  type Cuts,
  forecastSplit,
  idOf,
  type Levels,
  levelAt,
  levelsOf,
  type Series,
  scaledSeries,
  tableColumns,
  transformed,
  unscaledWindow,
  type Window,
  windowShape,
  windowsOf,
  withoutLogarithm,
} from './forecast-windows.js';

const settings = key.section(
  {
    kind: keys.kind('forecast', 'Windows over time series.'),
    path: keys.givenFiles('The table, CSV with a header or Parquet', 'data/*.csv', 'data/births.csv'),
    delimiter: keys.delimiter,
    date_format: keys.dateFormat,
    target: keys.column({
      description: 'Name of the column to forecast.',
      examples: ['births'],
      aliases: ['label', 'output', 'value'],
      required: true,
    }),
    series: keys.column({
      description:
        'Column whose equal values form one series. Each series is scaled separately. Default: the table is one series.',
      examples: ['region'],
      aliases: ['group', 'group_by', 'id'],
    }),
    time: keys.column({
      description:
        'Column to sort the steps by: numbers, or dates or times in ISO 8601 or `date_format`. Default: the order of the file.',
      examples: ['date'],
      aliases: ['order', 'order_by', 'date', 'timestamp'],
    }),
    features: keys.columns({
      description: 'Further columns that the model reads, up to the last input step.',
      examples: [['temperature']],
      aliases: ['columns', 'inputs'],
    }),
    known: keys.columns({
      description:
        'Columns known in advance, such as holidays. The model reads them up to the last step of the forecast.',
      examples: [['holiday']],
      aliases: ['known_features', 'future', 'known_in_advance', 'future_covariates'],
    }),
    calendar: keys.calendar(
      'Calendar features of `time`, as sine and cosine. The model reads them like the columns of `known`.',
    ),
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
      description: 'Fraction of the time points held out as the test split: the last ones.',
      examples: [0.1],
      required: true,
    }),
    validation: keys.validationAtEnd(
      'The last time points before the test split, held out for model selection, as a `fraction` or a `count`.',
      'Fraction of the time points outside the test split.',
      ['Number of time points.', 365],
    ),
    obtain: keys.obtain,
    limit: keys.limit,
  },
  {
    description:
      'Windows over one or more time series in a table. The model reads `input_steps` steps and predicts the next `horizon` values of the target.',
  },
);

export type ForecastConfig = key.TypeOf<typeof settings>;

export const forecast: DatasetKind<ForecastConfig, typeof settings> = {
  settings,
  open,
  facts: ({ per_step = false }) => ({ inputKind: 'number', targetKind: 'value', perStep: per_step }),
  newSequences: forecastSequences,
  leaks,
  symbols: null,
  dividesItself: true,
  expandsPaths: true,
};

async function open(config: ForecastConfig, _context: DatasetContext): Promise<Dataset> {
  const { features = [], known = [], calendar = [], normalize, per_step = false } = config;
  const levels = levelsOf(config);
  const table = await readTrainingTable(config.path, tableColumns(config));
  const { rows: cells, lists } = table;
  const keys = timeKeys(table, config);
  const cuts = cutsOf(keys, config);
  const trainEnd = cuts.validation ?? cuts.test;
  const shape = windowShape(config);
  const { width } = shape;
  const values = cells.features.toArray();
  const value = (row: number, column: number): number => values[row * width + column];
  const noLogarithm = withoutLogarithm([...keys.keys()], cells, config);
  if (noLogarithm) throw damagedErrors([noLogarithm]);
  const scaled = transformed(value, config);
  const fit = (rows: readonly number[], histories: readonly (readonly number[])[] = [rows]): Scaling => {
    const columns = Array.from({ length: width }, (_, column): readonly [offset: number, scale: number] => {
      if (normalize === 'none') return [0, 1];
      const of = (row: number): number => scaled(row, column);
      if (column > 0 || levels === undefined) return columnScaling(normalize, statistics(rows.map(of)));
      const moves = histories.flatMap(history => changes(history.map(of), levels));
      return [0, columnScaling(normalize, statistics(moves))[1]];
    });
    return scalingOf(columns);
  };
  const isTrained = (row: number): boolean => keys[row] < trainEnd;
  const reach = levels === undefined ? 0 : levels.period * levels.count;
  const histories = lists.map(rows => rows.filter(isTrained));
  const trainedRows = [...keys.keys()].filter(isTrained);
  const pooled = fit(trainedRows, histories);
  const all = lists.map((rows, i): Series => {
    const trained = histories[i];
    // a series that starts after the training split has no data to fit a scaling
    const scaling = trained.length <= reach ? pooled : fit(trained);
    const targets = trained.map(row => value(row, 0));
    const naiveError = naiveErrorOf(targets, config.season);
    return { ...scaledSeries(rows, value, scaling, config), name: cells.groupNames.texts[i], naiveError };
  });
  // in the order of the file no step is missing
  const gaps = config.time === undefined ? undefined : timeGaps(all, cells);
  const { size, steps } = shape;
  const split = (windows: readonly Window[]): Split =>
    forecastSplit(windows, keys, config, index => idOf(windows[index], cells.order));
  const windows = (name: SplitName): Window[] => windowsOf(all, keys, cuts, name, config);
  const trainWindows = windows('train');
  const names = ['target', ...features, ...known, ...calendarNames(calendar), 'future'];
  const nameOf = (column: number): string => (column === 0 ? config.target : names[column]);
  return {
    input: { kind: 'number', size },
    sequenceLength: steps,
    ...(per_step && { firstPrediction: config.input_steps }),
    train: split(trainWindows),
    ...(cuts.validation !== undefined && { validation: split(windows('validation')) }),
    test: split(windows('test')),
    seriesScaling: {
      ...(config.transform && { transform: config.transform }),
      pooled,
      series: all.map(({ name, scaling, naiveError }, i) => {
        const interval = config.time === undefined ? undefined : intervalOf(histories[i], cells);
        return {
          ...{ name, ...scaling },
          ...(interval && { interval }),
          ...(naiveError !== undefined && { naive_error: naiveError }),
        };
      }),
    },
    seriesFacts: {
      columns: names.slice(0, width).map((_, c) =>
        statistics(
          trainedRows.map(row => value(row, c)),
          nameOf(c),
        ),
      ),
      method: normalize,
      ...(config.relative_to !== undefined && { relativeTo: config.relative_to }),
      ...(config.transform && { transform: config.transform }),
      window: index => unscaledWindow(trainWindows[index], config),
      longest: histories.reduce((most, { length }) => Math.max(most, length), 0),
      ...(gaps && { gaps }),
    },
    digests: splitFiles({ train: table.sources }),
    columnNames: {
      features: nameOf,
      targets: i => (per_step ? config.target : `${config.target} ${i + 1} ahead`),
    },
  };
}

/** A forecast always reads the past of its target; by `known` it would read what it predicts. */
function leaks({ target, features = [], known = [] }: ForecastConfig): ConfigDiagnostic[] {
  const found: ConfigDiagnostic[] = [];
  if (features.includes(target)) {
    const message = `the target column "${target}" is also a feature`;
    const expected = 'other columns: the past of the target is always read';
    const keyPath = ['dataset', 'features', features.indexOf(target)];
    found.push({ code: 'config/target-leak', message, expected, keyPath });
  }
  known.forEach((column, i) => {
    const keyPath = ['dataset', 'known', i];
    if (column === target) {
      const message = `the target column "${target}" cannot be known in advance`;
      found.push({ code: 'config/target-leak', message, keyPath });
    } else if (features.includes(column)) {
      const message = `the column "${column}" is also in \`features\``;
      const expected = 'each column once: the past of known columns is read, too';
      found.push({ code: 'config/known-feature', message, expected, keyPath });
    }
  });
  return found;
}

/** Point in time of each row: from the `time` column, else its position in its series. */
function timeKeys({ rows, lists }: TrainingTable, { calendar = [], time }: ForecastConfig): Float64Array {
  const { order } = rows;
  if (calendar.length > 0 && (time === undefined || NUMBER.test(order[0]))) {
    throw configError({
      code: 'data/calendar',
      keyPath: ['dataset', 'calendar'],
      message: 'calendar features need a `time` column of dates or times',
      expected: 'a column of ISO 8601 dates or times',
      got: time === undefined ? undefined : JSON.stringify(order[0]),
    });
  }
  if (time !== undefined) return Float64Array.from(rows.keys);
  const keys = new Float64Array(rows.count);
  for (const list of lists) for (const [place, row] of list.entries()) keys[row] = place;
  return keys;
}

function cutsOf(keys: Float64Array, { test_fraction, validation }: ForecastConfig): Cuts {
  const times = [...new Set(keys)].sort((a, b) => a - b);
  const parts = validation === undefined ? 2 : 3;
  if (times.length < parts) {
    throw configError({
      code: 'data/test-fraction',
      keyPath: ['dataset', 'test_fraction'],
      message: `a split into ${parts} parts needs at least ${parts} points in time`,
      got: String(times.length),
    });
  }
  const before = Math.max(parts - 1, times.length - heldCount(times.length, test_fraction));
  if (validation === undefined) return { validation: undefined, test: times[before] };
  const held = validation.count ?? heldCount(before, validation.fraction ?? 0);
  if (held >= before) {
    throw configError({
      code: 'data/validation',
      keyPath: ['dataset', 'validation', 'count'],
      message: 'the validation split leaves no points in time to train on',
      expected: `at most ${before - 1}`,
      got: String(held),
    });
  }
  return { validation: times[before - held], test: times[before] };
}

function statistics(values: readonly number[], name = ''): Column {
  const [column] = columnsOf(
    1,
    visit => values.forEach((_, at) => void visit(values, at)),
    () => name,
  );
  return column;
}

/** Differences between each value and its level, as if it were the first step to forecast. */
function changes(values: readonly number[], levels: Levels): number[] {
  const reach = levels.period * levels.count;
  return values
    .slice(reach)
    .map((value, i) => value - levelAt(levels, step => values[step], { origin: i + reach, step: i + reach }));
}

/**
 * Denominator of MASE (Hyndman and Koehler, 2006); undefined if it is 0 or there are too few
 * training rows.
 */
function naiveErrorOf(targets: readonly number[], season = 1): number | undefined {
  const count = targets.length - season;
  let sum = 0;
  for (let t = season; t < targets.length; t++) sum += Math.abs(targets[t] - targets[t - season]);
  return count > 0 && sum > 0 ? sum / count : undefined;
}
