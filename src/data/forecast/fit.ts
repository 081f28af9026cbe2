/**
 * What is fitted to the training split of series to forecast: how missing cells are filled, how
 * columns are scaled, and the errors of the naive forecast.
 */

import type { Column } from '../core/dataset.js';
import { filledColumns, fillValues } from '../core/preparation.js';
import { configError } from '../core/problems.js';
import type { Preparation, Scaling, SeriesScaling } from '../core/record.js';
import { columnScaling, scalingOf } from '../core/scaling.js';
import { columnsOf, type Rows as Visitor } from '../core/statistics.js';
import type { RowList, Rows } from '../csv/rows.js';
import type { ForecastConfig } from './facts.js';
import {
  type Series,
  seriesFeatures,
  seriesOf,
  staticsIn,
  stepShape,
  targetsOf,
  transformed,
} from './series.js';
import { intervalOf } from './times.js';
import { type Levels, levelAt, levelsOf } from './windows.js';

interface FitOptions {
  readonly config: ForecastConfig;
  /** Of the cells of a row. */
  readonly names: readonly string[];
  /** The rows of the training split, in the order of the file. */
  readonly trained: RowList;
}

export interface FittedSeries extends Series {
  /** Its rows in the training split. */
  readonly trained: RowList;
  readonly record: SeriesScaling['series'][number];
}

/** @param given the rows of each series in the order of time */
export function fittedSeries(
  cells: Rows,
  given: readonly { readonly name: string; readonly rows: RowList }[],
  { config, names, trained: allTrained }: FitOptions,
) {
  const { normalize, season, time } = config;
  const levels = levelsOf(config);
  const targets = targetsOf(config);
  const { width, rowWidth } = stepShape(config, undefined);
  const values = cells.features.toArray();
  const isTrained = new Set(allTrained);
  const settings = seriesFeatures(config).map(({ missing }) => ({ missing }));
  const rowsOf = (list: RowList): Visitor => {
    return visit => {
      for (const row of list) visit(values, row * rowWidth);
    };
  };
  const statisticsIn = (list: RowList) => columnsOf(width, rowsOf(list), c => names[c]);
  const statistics = statisticsIn(allTrained);
  const isFilled = settings.some(({ missing }) => missing !== undefined);
  const preparation = isFilled
    ? { columns: filledColumns(rowsOf(allTrained), settings, statistics) }
    : undefined;
  refuseFill(preparation, config);
  const fillOf = (trained: RowList) => {
    const own = preparation && fillValues(rowsOf(trained), settings, statisticsIn(trained));
    // the training split may have no value of this series
    return own?.map((value, c) => (Number.isNaN(value) ? (preparation?.columns[c].fill?.value ?? 0) : value));
  };
  const fit = (list: RowList, histories: readonly RowList[] = [list]): Scaling =>
    scalingOf(
      names.map((_, column): readonly [offset: number, scale: number] => {
        if (normalize === 'none') return [0, 1];
        const valuesOf = (rows: RowList) =>
          rows.map(row => transformed(values[row * rowWidth + column], column, config));
        if (column >= targets.length || levels === undefined)
          return columnScaling(normalize, statisticsOf(valuesOf(list)));
        const moves = histories.flatMap(history => changes(valuesOf(history), levels));
        return [0, columnScaling(normalize, statisticsOf(moves))[1]];
      }),
    );
  const reach = levels === undefined ? 0 : levels.period * levels.count;
  const histories = given.map(({ rows }) => rows.filter(row => isTrained.has(row)));
  const pooled = fit(allTrained, histories);
  const series = given.map(({ name, rows }, i): FittedSeries => {
    const trained = histories[i];
    const cellsOf = (target: number) => trained.map(row => values[row * rowWidth + target]);
    const known = Math.min(...targets.map((_, target) => cellsOf(target).filter(isKnown).length));
    const fill = fillOf(trained);
    const interval = time === undefined ? undefined : intervalOf(trained, cells);
    const naive = targets.flatMap((_, target) => naiveErrorOf(cellsOf(target), season) ?? []);
    const record = {
      name,
      // a series that starts after the training split has no data to fit a scaling
      ...(known <= reach ? pooled : fit(trained)),
      ...(fill && { fill }),
      ...(interval && { interval }),
      ...(naive.length === targets.length && { naive_error: naive.length === 1 ? naive[0] : naive }),
    };
    const cellAt = (step: number, column: number) => values[rows[step] * rowWidth + column];
    const statics = staticsIn(cells, rows, config);
    return { ...seriesOf(rows, cellAt, record, config), name, statics, trained, record };
  });
  return { preparation, pooled, series, statistics };
}

function isKnown(value: number): boolean {
  return !Number.isNaN(value);
}

/** @throws UserError (exit 2) if missing targets become a value without a logarithm */
function refuseFill(preparation: Preparation | undefined, config: ForecastConfig): void {
  const targets = preparation?.columns.slice(0, targetsOf(config).length) ?? [];
  const bad = targets.find(({ fill }) => fill && fill.value <= 0);
  if (config.transform === undefined || bad === undefined) return;
  throw configError({
    code: 'data/no-logarithm',
    keyPath: ['dataset', 'missing', 'fill'],
    message: `missing targets become ${bad.fill?.value}, which has no logarithm`,
    expected: 'forward, mean, median or a positive number, or no `dataset.transform`',
  });
}

function statisticsOf(values: readonly number[]): Column {
  const [column] = columnsOf(
    1,
    visit => values.forEach((_, at) => void visit(values, at)),
    () => '',
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
  let [sum, count] = [0, 0];
  for (let t = season; t < targets.length; t++) {
    const error = Math.abs(targets[t] - targets[t - season]);
    if (Number.isNaN(error)) continue;
    sum += error;
    count++;
  }
  return sum > 0 ? sum / count : undefined;
}
