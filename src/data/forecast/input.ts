/**
 * Windows of a table to predict: for each series, its last steps with a target, and inputs known in
 * advance from the rows after them, whose target is empty; or, to evaluate, all windows with
 * targets.
 */

import { caught, type Diagnostic, damagedError, UserError } from '../../util/errors.js';
import { counted } from '../../util/words.js';
import { timeColumn } from '../core/columns.js';
import type {
  NewSequence,
  NewSequencesOptions,
  ReadSequence,
  SequenceReader,
  SeriesReader,
} from '../core/dataset.js';
import { doubtsOf, type ReadColumn } from '../core/doubts.js';
import { knownCategories, numbersOf } from '../core/feature-columns.js';
import { Problems } from '../core/problems.js';
import type { DataRecord, Interval, SeriesScaling } from '../core/record.js';
import type { RowList } from '../csv/rows.js';
import { TableReader } from '../csv/table.js';
import { NUMBER } from '../formats/numbers.js';
import type { RowPlace } from '../formats/table-records.js';
import { readTable } from '../formats/tables.js';
import { allBytes, oneChunk } from '../reading/byte-sources.js';
import { MAX_TEXT_BYTES } from '../reading/files.js';
import type { ForecastConfig } from './facts.js';
import { gapWarnings, type InputSeries, type WindowRange } from './gaps.js';
import { cellProblem, lastTarget, seriesOf, staticsIn, stepShape, tableColumns } from './series.js';
import { intervalOf, timesAfter } from './times.js';
import { forecastSplit, hasTarget, type SplitOptions, type Window } from './windows.js';

export function forecastSequences(
  config: ForecastConfig,
  data: DataRecord,
  { targets, past = 0 }: NewSequencesOptions = {},
): SequenceReader {
  const { preparation } = data.series_scaling as SeriesScaling;
  const { columns, seriesIn, lastWindows } = tableOf(config, data);
  const { size, width, statics: count } = stepShape(config, preparation);
  const [statics, first] = [numbersOf(columns.features).slice(width), size - count];
  return {
    hasIds: config.series !== undefined,
    hasTimes: config.time !== undefined,
    columnNames: Array.from({ length: size }, (_, i) => statics[i - first]?.name ?? `feature ${i}`),
    async *read(sources) {
      const whole = sources.map(source => ({
        name: source.name,
        open: async () => oneChunk(source.name, await allBytes(await source.open(), MAX_TEXT_BYTES)),
      }));
      const reader = new TableReader(columns, whole, true);
      for await (const _ of reader.read(readTable));
      if (targets === undefined) return yield* lastWindows(reader, past);
      for (const { own, series } of seriesIn(reader)) {
        const problems = new Problems();
        problems.add(...(own?.all ?? []));
        problems.attempt(() => checkDates(series, config));
        if (problems.all.length > 0) yield [{ problems: problems.all, id: series.name }];
        else yield* windowsToEvaluate(series, config);
      }
      yield reader.take();
    },
  };
}

/** Reads series that a program passes, as the rows of their table. */
export function forecastReader(config: ForecastConfig, data: DataRecord): SeriesReader {
  const { columns, lastWindows } = tableOf(config, data);
  const series = [config.series ?? []].flat();
  const values = columns.features.map(({ name }) => name);
  const { name: time, parts = [time] } = columns.order ?? {};
  return {
    columns: [...new Set([...values, ...parts, ...series])].filter(name => name !== undefined),
    ...{ values: values.length, time, series },
    read(rows, file) {
      const reader = new TableReader(columns, [], true);
      const isWhole = time !== undefined && rows.some(row => row[time] !== undefined);
      const others = isWhole ? parts.filter(name => name !== time) : parts.length > 1 ? [time] : [];
      const names = reader.wanted.filter(name => !others.includes(name));
      const record = (fields: readonly string[], row: number) => ({
        ...{ fields, row: { file, row } },
        place: (field: number) => ({ file, row, columnName: names[field] }),
      });
      reader.header(record(names, 0));
      rows.forEach(
        (row, i) =>
          void reader.add(
            record(
              names.map(name => row[name] ?? ''),
              i,
            ),
          ),
      );
      return [...lastWindows(reader)].flat();
    },
  };
}

/** How the series of a table are read. */
function tableOf(config: ForecastConfig, data: DataRecord) {
  const { pooled, series, preparation } = data.series_scaling as SeriesScaling;
  const known = new Map(series.map(one => [one.name, one]));
  const table = tableColumns(config);
  const columns = { ...table, category: knownCategories(table.features, data), purpose: 'predict' } as const;
  const fill = preparation?.columns.map(column => column.fill?.value ?? 0);
  const seriesIn = (reader: TableReader) => {
    const lists = reader.lists();
    const { rows } = reader;
    return lists.map((list, key) => {
      const name = rows.groupNames.texts[key];
      const series: InputSeries = {
        ...{ name, list, rows, preparation },
        warnings: rows.warnings.get(key) ?? [],
        trained: known.get(name) ?? { ...pooled, ...(fill && { fill }) },
      };
      return { series, own: rows.problems.get(key) };
    });
  };
  /** The window of each series that its forecast reads, after up to `past` earlier ones. */
  function* lastWindows(reader: TableReader, past = 0): Generator<readonly ReadSequence[]> {
    for (const { series, own } of seriesIn(reader)) {
      const { name, list, rows } = series;
      const id = config.series !== undefined && { id: name };
      const read = caught(() => {
        own?.throwIfAny();
        return windowsToPredict(series, config, past);
      });
      if (read instanceof UserError) {
        yield [{ problems: read.diagnostics, ...id }];
        continue;
      }
      const isNew = id !== false && !known.has(name);
      const warnings = [
        ...series.warnings,
        ...read.gaps,
        ...(isNew ? [notTrained(name, rows.place(list[0]))] : []),
      ];
      yield [...read.past, { ...read.window, ...id, ...(warnings.length > 0 && { warnings }) }];
    }
    yield reader.take();
  }
  return { columns, seriesIn, lastWindows };
}

/** Windows that are made at once. */
const WINDOWS = 64;

/** Yields all windows of a series that have targets, in the order of a split. */
function* windowsToEvaluate(table: InputSeries, config: ForecastConfig): Generator<readonly ReadSequence[]> {
  const { name, list, rows, preparation, trained, warnings } = table;
  const { input_steps, horizon, stride } = config;
  const { rowWidth } = stepShape(config, undefined);
  const cellAt = (step: number, column: number) => rows.features.at(list[step] * rowWidth + column);
  const statics = staticsIn(rows, list, config);
  const series = { ...seriesOf(list, cellAt, trained, config), name, statics };
  const problemsIn = problemsOf(table, config);
  const doubtsFrom = doubtsIn(table, config);
  const end = 1 + lastTarget(list, rows, config);
  const all: Window[] = [];
  for (let origin = input_steps; origin + horizon <= end; origin += stride) all.push({ series, origin });
  for (let from = 0; from < all.length; from += WINDOWS) {
    const windows = all.slice(from, from + WINDOWS);
    const { keys, order } = rows;
    const { split, sequenceAt } = sequencesOf(windows, { keys, order, config, preparation });
    const { id, naive, targets } = split;
    const perWindow = targets.values.length / windows.length / targets.size;
    yield windows.flatMap((window, i): ReadSequence[] => {
      const { origin } = window;
      const problems = problemsIn(origin - input_steps, origin + horizon, true);
      if (problems.length > 0) return [{ problems, id: id(i) }];
      if (!hasTarget(window, config)) return [];
      const doubts = [...(from + i === 0 ? warnings : []), ...doubtsFrom(origin - input_steps)];
      return [
        {
          ...{ ...sequenceAt(i), id: id(i), errorScale: series.naiveErrors },
          naive: (name, at) => naive?.[name]?.(i * perWindow + at),
          ...(doubts.length > 0 && { warnings: doubts }),
        },
      ];
    });
  }
}

/** Returns the split of some windows, and the function from an index to its sequence. */
function sequencesOf(windows: readonly Window[], options: SplitOptions) {
  const split = forecastSplit(windows, options);
  const { read, forecast, targets } = split;
  const { size, steps } = stepShape(options.config, options.preparation);
  const perWindow = targets.values.length / windows.length;
  const sequenceAt = (index: number) => {
    const values = new Float32Array(steps * size);
    read(index, values, 0, size);
    const first = (index * perWindow) / targets.size;
    return {
      ...{ length: steps, values, window: forecast(index) },
      targets: targets.values.subarray(index * perWindow, (index + 1) * perWindow),
      targetScaling: (step: number) => targets.scaling(first + step),
    };
  };
  return { split, sequenceAt };
}

/** Warning: the training data do not have this series. */
function notTrained(series: string, place: RowPlace): Diagnostic {
  const message = `the series ${JSON.stringify(series)} is not in the training data: expect a poor forecast`;
  return { code: 'data/new-series', message, ...place };
}

/**
 * Returns the window of a series that its forecast reads, after up to `past` earlier ones, of whose
 * targets some are known.
 * @throws UserError (exit 5) if the series has no window that a model can read
 */
function windowsToPredict(series: InputSeries, config: ForecastConfig, past: number) {
  const { name, list, rows, preparation, trained } = series;
  const { input_steps, horizon, stride } = config;
  const { rowWidth } = stepShape(config, undefined);
  checkDates(series, config);
  const last = lastTarget(list, rows, config);
  const ahead = Math.min(horizon, list.length - 1 - last);
  const range = { first: last + 1 - input_steps, last, ahead };
  refuseLacking(series, config, range);
  const wrong = new Problems();
  wrong.add(...problemsOf(series, config)(range.first, last + 1 + range.ahead, false));
  wrong.throwIfAny();
  const earlier = Math.min(past, Math.floor(range.first / stride));
  const start = range.first - earlier * stride;
  const given = list.slice(start, last + 1 + ahead);
  const own = given.slice(earlier * stride);
  const next = nextTimes(series, config, own, trained.interval);
  // the steps of the windows are their own rows: those that continue the dates are not in the table
  const keys = [...given.map(row => rows.keys[row]), ...(next?.keys ?? [])];
  const cellAt = (step: number, column: number) =>
    step < given.length ? rows.features.at(given[step] * rowWidth + column) : Number.NaN;
  const ownSteps = [...Array(earlier * stride + input_steps + horizon).keys()];
  const statics = staticsIn(rows, list, config);
  const windowed = { ...seriesOf(ownSteps, cellAt, trained, config), name, statics };
  const windows = Array.from({ length: earlier + 1 }, (_, i) => ({
    series: windowed,
    origin: input_steps + i * stride,
  }));
  const { split, sequenceAt } = sequencesOf(windows, { keys, order: [], config, preparation });
  const { targets: _, ...latest } = sequenceAt(earlier);
  return {
    past: Array.from({ length: earlier }, (_, i): NewSequence => ({ ...sequenceAt(i), isPast: true })),
    window: {
      ...latest,
      place: rows.place(list[0]),
      history: split.history(earlier),
      ...(next && { times: [...own.slice(input_steps).map(row => rows.order[row]), ...next.order] }),
    },
    gaps: [...gapWarnings(series, config, range), ...doubtsIn(series, config)(range.first)],
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
 * Returns the function from the steps of a window to the problems of its cells: of those that a
 * model reads, and of the targets if it `hasTargets`.
 */
function problemsOf({ list, rows }: InputSeries, config: ForecastConfig) {
  const { rowWidth, observed, targets } = stepShape(config, undefined);
  const cells = [...Array(rowWidth).keys()];
  const problemAt = cellProblem(rows, config);
  return (first: number, end: number, hasTargets: boolean): readonly Diagnostic[] => {
    if (rows.texts.size === 0 && config.transform === undefined) return [];
    return list.slice(first, end).flatMap((row, step) => {
      const isRead = (column: number) =>
        step < config.input_steps || column >= observed || (hasTargets && column < targets);
      return cells.flatMap(column => (isRead(column) ? (problemAt(row, column) ?? []) : []));
    });
  };
}

/**
 * Returns the function from the first step of a window to the warnings of what the model reads: of
 * its input steps, and of the values known in advance.
 */
function doubtsIn({ list, rows, preparation, trained }: InputSeries, config: ForecastConfig) {
  const { input_steps, horizon, normalize: method, transform, relative_to } = config;
  const { width, rowWidth, observed, targets } = stepShape(config, undefined);
  const names = numbersOf(tableColumns(config).features).slice(0, width);
  const columns = names.map(({ name }, c): ReadColumn => {
    const { fill } = preparation?.columns[c] ?? {};
    // the scale of logarithms and of differences is not that of the values
    const isChanged = c < targets && (transform !== undefined || relative_to !== undefined);
    const isScaled = method !== undefined && method !== 'none' && !isChanged;
    const scaling = isScaled && { method, offset: trained.offset[c], scale: trained.scale[c] };
    return { name, ...(fill && { fill }), ...(scaling && { scaling }) };
  });
  const known = columns.slice(observed).map(one => ({
    ...one,
    name: `${one.name} in the horizon`,
    isKnown: true,
  }));
  return (first: number): readonly Diagnostic[] => {
    const doubts = (own: RowList, of: readonly ReadColumn[]) => {
      const from = width - of.length;
      const values = own.flatMap(row => [
        ...rows.features.subarray(row * rowWidth + from, row * rowWidth + width),
      ]);
      return own.length === 0 ? [] : doubtsOf(values, of, rows.place(own[0]));
    };
    const origin = first + input_steps;
    return [
      ...doubts(list.slice(first, origin), columns),
      ...doubts(known.length > 0 ? list.slice(origin, origin + horizon) : [], known),
    ];
  };
}

/** The model reads calendar features of dates. */
function checkDates({ list, rows }: InputSeries, { calendar = [], time }: ForecastConfig): void {
  const [row] = list;
  const first = rows.order[row];
  if (calendar.length === 0 || row === undefined || (first !== undefined && !NUMBER.test(first))) return;
  throw damagedError('data/calendar', 'the model reads calendar features, so times must be dates', {
    ...rows.place(row),
    ...(time !== undefined && { columnName: timeColumn(time).name, got: JSON.stringify(first.slice(0, 60)) }),
    expected: 'ISO 8601 dates or times such as 2025-03-01 or 2025-03-01T12:00:00Z',
  });
}

/** @throws UserError (exit 5) if a series is too short for a window */
function refuseLacking(
  { name, list, rows }: InputSeries,
  { input_steps, horizon, known: given = [], series }: ForecastConfig,
  { first, ahead, last }: WindowRange,
): void {
  const known = given.map(one => (typeof one === 'string' ? one : one.column));
  // the dates of the steps to forecast can be computed, other columns cannot
  const needed = known.length > 0 ? horizon : 0;
  if (first >= 0 && ahead >= needed) return;
  const after =
    needed === 0 ? '' : `, then ${counted(needed, 'row')} with ${known.join(', ')} and an empty target`;
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
