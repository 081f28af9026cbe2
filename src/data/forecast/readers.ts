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

import { damagedErrors, type UserError } from '../../util/errors.js';
import { calendarNames } from '../core/calendar.js';
import {
  type Dataset,
  type DatasetContext,
  type DatasetReaders,
  type Split,
  type SplitName,
  splitFiles,
} from '../core/dataset.js';
import { codedBy, columnOf, numbersOf, settingsOf } from '../core/feature-columns.js';
import { type HeldOutConfig, requestedCount } from '../core/held-out.js';
import { featureName } from '../core/preparation.js';
import { CellProblems, configError } from '../core/problems.js';
import { TextCodes } from '../core/store.js';
import { FILLED } from '../csv/columns.js';
import type { RowList, Rows } from '../csv/rows.js';
import { readTrainingTable, type TrainingTable } from '../csv/training.js';
import { NUMBER } from '../formats/numbers.js';
import type { ForecastConfig } from './facts.js';
import { fittedSeries } from './fit.js';
import { timeGaps } from './gaps.js';
import { forecastReader, forecastSequences } from './input.js';
import {
  cellProblem,
  lastTarget,
  seriesFeatures,
  seriesStatics,
  stepShape,
  tableColumns,
  targetsOf,
} from './series.js';
import { type Cuts, cellsOf, forecastSplit, hasTarget, isIn, type Window, windowsOf } from './windows.js';

export const forecast: DatasetReaders<ForecastConfig> = {
  open,
  newSequences: forecastSequences,
  seriesReader: forecastReader,
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
