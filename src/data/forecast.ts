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

import { damagedErrors, type UserError } from '../util/errors.js';
import * as key from '../util/schema.js';
import { calendarNames } from './core/calendar.js';
import {
  type Dataset,
  type DatasetContext,
  type DatasetKind,
  type Split,
  type SplitName,
  splitFiles,
} from './core/dataset.js';
import { missingInSeries, seriesColumns, staticColumns } from './core/feature-keys.js';
import { featureName } from './core/preparation.js';
import { CellProblems, type ConfigDiagnostic, configError } from './core/problems.js';
import { type HeldOutConfig, requestedCount } from './core/selection.js';
import * as keys from './core/settings.js';
import { TextCodes } from './core/store.js';
import { FILLED } from './csv-columns.js';
import type { RowList, Rows } from './csv-rows.js';
import { readTrainingTable, type TrainingTable } from './csv-training.js';
import { codedBy, columnOf, featureLeaks, numbersOf, settingsOf } from './feature-columns.js';
import { fittedSeries } from './forecast-fit.js';
import { timeGaps } from './forecast-gaps.js';
import { forecastReader, forecastSequences } from './forecast-input.js';
import {
  cellProblem,
  lastTarget,
  seriesFeatures,
  seriesStatics,
  stepShape,
  tableColumns,
  targetsOf,
} from './forecast-series.js';
import {
  type Cuts,
  cellsOf,
  forecastSplit,
  hasTarget,
  isIn,
  type Window,
  windowsOf,
} from './forecast-windows.js';
import { NUMBER } from './formats/numbers.js';
import { TABLE_NAME } from './formats/tables.js';

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
  open,
  facts: ({ per_step = false }) => ({ inputKind: 'number', targetKind: 'value', perStep: per_step }),
  newSequences: forecastSequences,
  seriesReader: forecastReader,
  leaks,
  symbols: null,
  dividesItself: true,
  fileNames: TABLE_NAME,
};

async function open(config: ForecastConfig, _context: DatasetContext): Promise<Dataset> {
  const { calendar = [], normalize, per_step = false } = config;
  const targets = targetsOf(config);
  const names = seriesFeatures(config).map(({ column }) => column);
  const ofSeries = seriesStatics(config);
  const categories = [...names, ...ofSeries].map(() => new TextCodes());
  const columnsRead = { ...tableColumns(config), category: codedBy(categories) };
  const table = await readTrainingTable(config.path, columnsRead);
  const { rows: cells } = table;
  const keys = timeKeys(table, config);
  const known = table.lists.map(list => list.slice(0, 1 + lastTarget(list, cells, config)));
  const cuts = cutsOf(new Set(known.flatMap(list => list.map(row => keys[row]))), config);
  const given = known.flatMap((list, i) => {
    const rows = list.filter(row => keys[row] < cuts.end);
    return rows.length === 0 ? [] : [{ name: cells.groupNames.texts[i], rows }];
  });
  // in the order of the file, in which statistics are computed
  const rows = given.flatMap(one => one.rows).sort((a, b) => a - b);
  checkCells(cells, rows, config);
  const trainEnd = cuts.validation ?? cuts.test;
  const { preparation, pooled, series, statistics } = fittedSeries(cells, given, {
    ...{ config, names },
    trained: rows.filter(row => keys[row] < trainEnd),
  });

  let unlabelled = 0;
  const windowsIn = (name: SplitName): Window[] => {
    const found = windowsOf(series, keys, cuts, name, config);
    const windows = found.filter(window => hasTarget(window, config));
    unlabelled += found.length - windows.length;
    if (windows.length === 0 && (name !== 'test' || cuts.test < cuts.end)) throw noWindow(name, config);
    return name === 'train' ? windows.slice(0, config.limit) : windows;
  };
  const split = (windows: readonly Window[]): Split =>
    forecastSplit(windows, { keys, order: cells.order, config, preparation });
  const trainWindows = windowsIn('train');
  const splits = {
    train: split(trainWindows),
    ...(cuts.validation !== undefined && { validation: split(windowsIn('validation')) }),
    test: split(windowsIn('test')),
  };
  const { columns, size, steps, statics, width } = stepShape(config, preparation);
  const staticNumbers = numbersOf(ofSeries.map(columnOf));
  const ofTime = [...calendarNames(calendar), 'future'];
  // in the order of the file no step is missing
  const gaps = config.time === undefined ? undefined : timeGaps(series, cells);
  const eachSplit = (count: (split: SplitName) => number) =>
    Object.fromEntries(Object.keys(splits).map(split => [split, count(split as SplitName)]));
  const inSplit = (name: SplitName) => rows.filter(row => isIn(keys[row], name, cuts));
  return {
    input: { kind: 'number', size, ...(statics > 0 && { static: statics }) },
    ...(statics > 0 && {
      columnSettings: i =>
        i < size - statics
          ? {}
          : settingsOf(ofSeries, staticNumbers[i - (size - statics)], categories.slice(width)),
    }),
    sequenceLength: steps,
    ...(per_step && { firstPrediction: config.input_steps }),
    ...splits,
    ...(unlabelled > 0 && { unlabelled }),
    seriesScaling: {
      ...(config.transform && { transform: config.transform }),
      ...(preparation && { preparation }),
      pooled,
      series: series.map(({ record }) => record),
    },
    seriesFacts: {
      columns: statistics,
      targets: targets.length,
      method: normalize,
      ...(config.relative_to !== undefined && { relativeTo: config.relative_to }),
      ...(config.transform && { transform: config.transform }),
      ...(preparation && {
        missing: names.map((name, column) => ({
          name,
          counts: eachSplit(split => holesIn(cells, inSplit(split), column, config)),
          rows: eachSplit(split => inSplit(split).length),
        })),
      }),
      window: index => cellsOf(trainWindows[index], config),
      longest: series.reduce((most, { trained }) => Math.max(most, trained.length), 0),
      ...(gaps && { gaps }),
    },
    digests: splitFiles({ train: table.sources }),
    targetNames: targets,
    columnNames: {
      features: feature =>
        feature < columns.length
          ? featureName(columns[feature], preparation, column => names[column])
          : feature < size - statics
            ? ofTime[feature - columns.length]
            : staticNumbers[feature - (size - statics)].name,
      targets(i) {
        const name = targets[i % targets.length];
        return per_step ? name : `${name} ${Math.floor(i / targets.length) + 1} ahead`;
      },
    },
  };
}

/** @throws UserError (exit 5) if cells are missing, or are no numbers */
function checkCells(cells: Rows, rows: RowList, config: ForecastConfig): void {
  if (cells.texts.size === 0 && config.transform === undefined) return;
  const { rowWidth } = stepShape(config, undefined);
  const problemOf = cellProblem(cells, config, FILLED);
  const found = new CellProblems();
  for (const row of rows) {
    for (let column = 0; column < rowWidth; column++) {
      const problem = problemOf(row, column);
      if (problem) found.add(problem.columnName ?? '', row, problem, () => problem);
    }
  }
  const problems = found.summary(rows.length);
  if (problems.length > 0) throw damagedErrors(problems);
}

function noWindow(name: SplitName, { input_steps, horizon }: ForecastConfig): UserError {
  return configError({
    code: 'data/no-window',
    keyPath: ['dataset', 'horizon'],
    message: `the ${name === 'train' ? 'training' : name} split has no window of ${input_steps} input steps and ${horizon} steps to predict`,
  });
}

/** The number of missing cells of a column in some rows. */
function holesIn({ features }: Rows, rows: RowList, column: number, config: ForecastConfig): number {
  const { rowWidth } = stepShape(config, undefined);
  return rows.filter(row => Number.isNaN(features.at(row * rowWidth + column))).length;
}

/** A forecast always reads the past of its targets; by `known` it would read what it predicts. */
function leaks(config: ForecastConfig): ConfigDiagnostic[] {
  const targets = targetsOf(config);
  const nameOf = (one: string | { readonly column: string }) => (typeof one === 'string' ? one : one.column);
  const features = (config.features ?? []).map(nameOf);
  const known = (config.known ?? []).map(nameOf);
  const found = featureLeaks(seriesStatics(config), [...targets, ...features, ...known], 'column');
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

function cutsOf(keys: ReadonlySet<number>, config: ForecastConfig): Cuts {
  const { test_fraction, validation } = config;
  const test: HeldOutConfig = config.test ?? { fraction: test_fraction ?? 0 };
  const times = [...keys].sort((a, b) => a - b);
  const parts = validation === undefined ? 2 : 3;
  if (times.length < parts) {
    throw configError({
      code: 'data/test-fraction',
      keyPath: ['dataset', test_fraction === undefined ? 'test' : 'test_fraction'],
      message: `a split into ${parts} parts needs at least ${parts} points in time`,
      got: String(times.length),
    });
  }
  if (test.count !== undefined && test.count > times.length - parts + 1)
    throw noneLeft('test', times.length - parts + 1, test.count);
  const size = requestedCount(test, times.length);
  const [before, after] =
    test.fold === undefined
      ? [Math.max(parts - 1, times.length - size), times.length]
      : foldOf(times.length, test.fold, test.of);
  const timeAt = (place: number) => times[place] ?? Number.POSITIVE_INFINITY;
  const [start, end] = [timeAt(before), timeAt(after)];
  if (validation === undefined) return { validation: undefined, test: start, end };
  const held = requestedCount(validation, before);
  if (held >= before) throw noneLeft('validation', before - 1, held);
  return { validation: times[before - held], test: start, end };
}

/** Where a fold begins and ends, as in TimeSeriesSplit of scikit-learn; fold 0 is empty. */
function foldOf(count: number, fold: number, of: number | undefined): readonly [from: number, to: number] {
  const folds = of ?? count - 1;
  const size = Math.floor(count / (folds + 1));
  if (size === 0 || fold > folds)
    throw configError({
      code: 'data/test',
      keyPath: ['dataset', 'test', size === 0 ? 'of' : 'fold'],
      message: 'there are fewer points in time than folds',
      expected: `at most ${count - 1}`,
      got: String(size === 0 ? folds : fold),
    });
  const from = count - (folds - fold + 1) * size;
  return fold === 0 ? [count, count] : [from, from + size];
}

/** @param most number of points in time that the split may have */
function noneLeft(split: 'test' | 'validation', most: number, count: number): UserError {
  return configError({
    code: `data/${split}`,
    keyPath: ['dataset', split, 'count'],
    message: `the ${split} split leaves no points in time to train on`,
    expected: `at most ${most}`,
    got: String(count),
  });
}
