/**
 * Windows of a table to predict: for each series, its last steps with a target, and inputs known in
 * advance from the rows after them, whose target is empty; or, to evaluate, all windows with
 * targets.
 */
import { type Diagnostic, damagedError, UserError } from '../util/errors.js';
import { counted } from '../util/words.js';
import type {
  DataRecord,
  Interval,
  NewSequence,
  NewSequencesOptions,
  ReadSequence,
  Scaling,
  SequenceReader,
  SeriesScaling,
} from './core/dataset.js';
import { NUMBER } from './core/labels.js';
import { Problems } from './core/problems.js';
import { badNumber, isMissing } from './csv-columns.js';
import type { RowList } from './csv-rows.js';
import { TableReader } from './csv-table.js';
import type { ForecastConfig } from './forecast.js';
import { gapWarnings, type InputSeries, type WindowRange } from './forecast-gaps.js';
import { intervalOf, timesAfter } from './forecast-times.js';
import {
  forecastSplit,
  idOf,
  scaledSeries,
  tableColumns,
  windowShape,
  withoutLogarithm,
} from './forecast-windows.js';
import type { RowPlace } from './formats/tables.js';
import { allBytes, inTurn, oneChunk } from './reading/byte-sources.js';
import { MAX_TEXT_BYTES } from './reading/files.js';

export function forecastSequences(
  config: ForecastConfig,
  { series_scaling }: DataRecord,
  { targets }: NewSequencesOptions = {},
): SequenceReader {
  const { pooled, series } = series_scaling as SeriesScaling;
  const scalings = new Map(series.map(one => [one.name, one]));
  const columns = { ...tableColumns(config), purpose: 'predict', isPartlyRead: true } as const;
  return {
    hasIds: config.series !== undefined,
    hasTimes: config.time !== undefined,
    async *read(sources) {
      const files = sources.map(({ name }) => name);
      const reader = new TableReader(columns, files, true);
      for await (const source of inTurn(sources)) {
        const bytes = await allBytes(source, MAX_TEXT_BYTES);
        for await (const _ of reader.read(oneChunk(source.name, bytes)));
      }
      const lists = reader.lists();
      const { rows } = reader;
      if (targets) {
        for (const [key, list] of lists.entries()) {
          const name = rows.groupNames.texts[key];
          const problems = new Problems();
          problems.add(...(rows.problems.get(key)?.all ?? []));
          problems.attempt(() => checkDates({ name, list, rows }, config));
          if (problems.all.length > 0) yield [{ problems: problems.all, id: name }];
          else yield* windowsToEvaluate({ name, list, rows }, config, scalings.get(name) ?? pooled);
        }
        yield reader.take();
        return;
      }
      const sequences = lists.map((list, key) => {
        const name = rows.groupNames.texts[key];
        const id = config.series !== undefined && { id: name };
        try {
          rows.problems.get(key)?.throwIfAny();
          const scaling = scalings.get(name);
          const trained = scaling ?? { ...pooled, interval: undefined };
          const { gaps, ...window } = windowToPredict({ name, list, rows }, config, trained);
          const isNew = id !== false && scaling === undefined;
          const warnings = [...gaps, ...(isNew ? [notTrained(name, rows.place(list[0]))] : [])];
          return { ...window, ...id, ...(warnings.length > 0 && { warnings }) };
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          return { problems: error.diagnostics, ...id };
        }
      });
      yield [...sequences, ...reader.take()];
    },
  };
}

/** Windows that are made at once. */
const WINDOWS = 64;

/** Yields all windows of a series that have targets, in the order of a split. */
function* windowsToEvaluate(
  table: InputSeries,
  config: ForecastConfig,
  { naive_error, ...scaling }: Scaling & { readonly naive_error?: number },
): Generator<readonly ReadSequence[]> {
  const { list, rows } = table;
  const { input_steps, horizon, stride } = config;
  const { size, steps, width } = windowShape(config);
  const valueAt = (row: number, column: number) => rows.features.at(row * width + column);
  const series = {
    ...scaledSeries(list, valueAt, scaling, config),
    name: table.name,
    naiveError: naive_error,
  };
  const problemsIn = cellProblems(table, config);
  // rows without a target at the end are those whose future is not known yet
  const end = 1 + lastTarget(table, width);
  const origins: number[] = [];
  for (let origin = input_steps; origin + horizon <= end; origin += stride) origins.push(origin);
  for (let from = 0; from < origins.length; from += WINDOWS) {
    const windows = origins.slice(from, from + WINDOWS).map(origin => ({ series, origin }));
    const id = (index: number) => idOf(windows[index], rows.order);
    const { read, targets } = forecastSplit(windows, rows.keys, config, id);
    const perWindow = targets.values.length / windows.length;
    yield windows.map(({ origin }, i): ReadSequence => {
      const problems = problemsIn(origin - input_steps, origin + horizon, true);
      if (problems.length > 0) return { problems, id: id(i) };
      const values = new Float32Array(steps * size);
      read(i, values, 0, size);
      return {
        ...{ length: steps, values, id: id(i), errorScale: naive_error },
        targets: targets.values.subarray(i * perWindow, (i + 1) * perWindow),
        targetScaling: step => targets.scaling((i * perWindow) / targets.size + step),
      };
    });
  }
}

/** The last step of a series with a target. */
function lastTarget({ list, rows }: InputSeries, width: number): number {
  return list.findLastIndex(row => !isMissing(rows.texts.get(row * width) ?? 'a number'));
}

/** Warning: the training data do not have this series. */
function notTrained(series: string, place: RowPlace): Diagnostic {
  const message = `the series ${JSON.stringify(series)} is not in the training data: expect a poor forecast`;
  return { code: 'data/new-series', message, ...place };
}

/**
 * @param trained what training recorded of the series
 * @throws UserError (exit 5) if the series has no window that a model can read
 */
function windowToPredict(
  series: InputSeries,
  config: ForecastConfig,
  trained: Scaling & { readonly interval?: Interval | undefined },
): NewSequence & { readonly gaps: readonly Diagnostic[] } {
  const { name, list, rows } = series;
  const { input_steps, horizon } = config;
  const { size, width, steps } = windowShape(config);
  checkDates(series, config);
  const last = lastTarget(series, width);
  const ahead = Math.min(horizon, list.length - 1 - last);
  const range = { first: last + 1 - input_steps, last, ahead };
  refuseLacking(series, config, range);
  const wrong = new Problems();
  wrong.add(...cellProblems(series, config)(range.first, last + 1 + range.ahead, false));
  const read = list.slice(range.first, last + 1);
  const future = list.slice(last + 1, last + 1 + ahead);
  wrong.throwIfAny();
  const given = [...read, ...future];
  const next = nextTimes(series, config, given, trained.interval);
  // the steps of the window are its own rows: those that continue the dates are not in the table
  const keys = [...given.map(row => rows.keys[row]), ...(next?.keys ?? [])];
  const valueAt = (step: number, column: number) =>
    step < given.length ? rows.features.at(given[step] * width + column) : Number.NaN;
  const scaled = scaledSeries([...Array(input_steps + horizon).keys()], valueAt, trained, config);
  const own = { series: scaled, origin: input_steps };
  const split = forecastSplit([own], keys, config, () => name);
  const values = new Float32Array(steps * size);
  split.read(0, values, 0, size);
  return {
    ...{ length: steps, values, place: rows.place(list[0]), targetScaling: split.targets.scaling },
    history: split.history(0),
    ...(next && { times: [...future.map(row => rows.order[row]), ...next.order] }),
    gaps: gapWarnings(series, config, range),
  };
}

/**
 * Returns the times of the steps to forecast that the table does not list; undefined if they are
 * unknown.
 * @param given the rows of the window
 */
function nextTimes(
  { name, list, rows }: InputSeries,
  { calendar = [], input_steps, horizon, series, time }: ForecastConfig,
  given: RowList,
  trained: Interval | undefined,
): ReturnType<typeof timesAfter> | undefined {
  const count = input_steps + horizon - given.length;
  if (time === undefined) return undefined;
  if (count === 0) return { keys: [], order: [] };
  const last = given[given.length - 1];
  const interval = trained ?? intervalOf(list, rows);
  if (interval !== undefined) return timesAfter(rows.order[last], interval, count);
  if (calendar.length === 0) return undefined;
  const of = series === undefined ? 'the table' : `series ${JSON.stringify(name)}`;
  throw damagedError(
    'data/forecast-steps',
    `the dates to forecast are unknown: the steps of ${of} have no usual interval`,
    {
      ...rows.place(last),
      expected: `${counted(horizon, 'row')} without a target after the last one, with the dates to forecast`,
    },
  );
}

/**
 * Returns the function from the steps of a window to its cells that are no numbers, among those of
 * the columns that a model reads at a step, and of the targets if it `hasTargets`.
 */
function cellProblems({ list, rows }: InputSeries, config: ForecastConfig) {
  const { features: columns } = tableColumns(config);
  const { width, observed } = windowShape(config);
  const known = new Map<number, Diagnostic>();
  const problemAt = (row: number, column: number): readonly Diagnostic[] => {
    const at = row * width + column;
    const text = rows.texts.get(at);
    const problem =
      known.get(at) ??
      (text !== undefined
        ? badNumber(text, { ...rows.place(row), columnName: columns[column].name })
        : column === 0 && withoutLogarithm([row], rows, config));
    if (!problem) return [];
    // windows share cells
    known.set(at, problem);
    return [problem];
  };
  return (first: number, end: number, hasTargets: boolean): readonly Diagnostic[] => {
    if (rows.texts.size === 0 && config.transform === undefined) return [];
    return list.slice(first, end).flatMap((row, step) => {
      const isRead = (column: number) =>
        step < config.input_steps || column >= observed || (hasTargets && column === 0);
      return columns.flatMap((_, column) => (isRead(column) ? problemAt(row, column) : []));
    });
  };
}

/** The model reads calendar features of dates. */
function checkDates({ list, rows }: InputSeries, { calendar = [], time }: ForecastConfig): void {
  const [row] = list;
  const first = rows.order[row];
  if (calendar.length === 0 || row === undefined || (first !== undefined && !NUMBER.test(first))) return;
  throw damagedError('data/calendar', 'the model reads calendar features, so times must be dates', {
    ...rows.place(row),
    ...(time !== undefined && { columnName: time, got: JSON.stringify(first.slice(0, 60)) }),
    expected: 'ISO 8601 dates or times such as 2025-03-01 or 2025-03-01T12:00:00Z',
  });
}

/** @throws UserError (exit 5) if a series is too short for a window */
function refuseLacking(
  { name, list, rows }: InputSeries,
  { input_steps, horizon, known = [], series }: ForecastConfig,
  { first, ahead, last }: WindowRange,
): void {
  // the dates of the steps to forecast can be computed, other columns cannot
  const needed = known.length > 0 ? horizon : 0;
  if (first >= 0 && ahead >= needed) return;
  const columns = `${known.join(', ')}, which the model reads in advance`;
  const after = needed === 0 ? '' : `, then ${counted(needed, 'row')} without a target and ${columns}`;
  throw damagedError(
    'data/forecast-steps',
    `${series === undefined ? 'the table' : `series ${JSON.stringify(name)}`} has too few rows to forecast from`,
    {
      ...rows.place(list[first < 0 ? 0 : list.length - 1]),
      expected: `${counted(input_steps, 'row')} with a target${after}`,
      got: `${last + 1}${needed === 0 ? '' : `, then ${ahead}`}`,
    },
  );
}
