/**
 * Windows of a forecast: what they consist of (numbers of their steps, calendar features and
 * levels), which of them a split has, the split that reads them, and those to predict: for each
 * series of a table, its last steps with a target. Inputs known in advance come from the rows after
 * them, whose target is empty.
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
  Split,
  SplitName,
  Targets,
} from './core/dataset.js';
import { NUMBER } from './core/labels.js';
import { configError, Problems } from './core/problems.js';
import { badNumber, isMissing } from './csv-columns.js';
import type { RowList } from './csv-rows.js';
import { type TableColumns, TableReader } from './csv-table.js';
import type { CalendarFeature, ForecastConfig } from './forecast.js';
import { gapWarnings, type InputSeries, type WindowRange } from './forecast-gaps.js';
import { intervalOf, MS_OF_DAY, timesAfter } from './forecast-times.js';
import type { RowPlace } from './formats/tables.js';
import { allBytes, inTurn, oneChunk } from './reading/byte-sources.js';
import { MAX_TEXT_BYTES } from './reading/files.js';

const DAYS_OF_YEAR = 365.2425;

const CYCLES: Readonly<Record<CalendarFeature, (time: Date) => number>> = {
  hour: time => (time.getTime() / MS_OF_DAY) % 1,
  day_of_week: time => ((time.getUTCDay() + 6) % 7) / 7,
  day_of_month: time => (time.getUTCDate() - 1) / 31,
  day_of_year: time => (time.getTime() - Date.UTC(time.getUTCFullYear(), 0)) / MS_OF_DAY / DAYS_OF_YEAR,
  month: time => time.getUTCMonth() / 12,
};

export function windowShape({
  features = [],
  known = [],
  calendar = [],
  input_steps,
  horizon,
  per_step = false,
}: ForecastConfig) {
  /** Number of columns: target, features, known. */
  const width = 1 + features.length + known.length;
  /** True if anything is known in advance. */
  const hasFuture = per_step || known.length + calendar.length > 0;
  return {
    size: width + 2 * calendar.length + (hasFuture ? 1 : 0),
    width,
    /** Number of columns that are unknown in the horizon: target and features. */
    observed: 1 + features.length,
    hasFuture,
    steps: input_steps + (hasFuture ? horizon : 0),
  };
}

/**
 * Level of a step: the mean of the values `period`, 2 `period`, … `count` `period` steps before it.
 */
export interface Levels {
  readonly period: number;
  readonly count: number;
}

/** Returns the levels of a config; undefined without `relative_to`. */
export function levelsOf({ relative_to, season, input_steps }: ForecastConfig): Levels | undefined {
  if (relative_to === undefined) return undefined;
  if (relative_to === 'last_value') return { period: 1, count: 1 };
  if (season !== undefined && season <= input_steps)
    return { period: season, count: Math.floor(input_steps / season) };
  throw configError({
    code: 'data/relative-to',
    keyPath: ['dataset', 'relative_to'],
    message:
      season === undefined
        ? '`relative_to: season` needs `season`'
        : 'the input window is shorter than the season',
    expected: season === undefined ? 'dataset.season' : `input_steps of ${season} or more`,
    ...(season !== undefined && { got: `input_steps: ${input_steps}` }),
  });
}

/**
 * Returns the level of a step of a window whose first forecast step is `origin`. An input step has
 * the level of the forecast steps at the same position of a season.
 */
export function levelAt(
  { period, count }: Levels,
  valueAt: (step: number) => number,
  { origin, step }: { readonly origin: number; readonly step: number },
): number {
  const phase = (((step - origin) % period) + period) % period;
  let sum = 0;
  for (let k = 1; k <= count; k++) sum += valueAt(origin + phase - k * period);
  return sum / count;
}

export interface Series {
  readonly name: string;
  readonly rows: readonly number[];
  /** `[steps, width]`: target, features and known columns of each step, scaled. */
  readonly values: Float64Array;
  /** The target at a step, as in the data. */
  targetAt(step: number): number;
  readonly scaling: Scaling;
  /** Mean of |y_t - y_(t-m)| over its rows in the training split, in the units of the data. */
  readonly naiveError: number | undefined;
}

/** A series of rows, without the facts about its training. */
export function scaledSeries(
  rows: RowList,
  valueAt: (row: number, column: number) => number,
  scaling: Scaling,
): Series {
  const { offset, scale } = scaling;
  const width = offset.length;
  const values = new Float64Array(rows.length * width);
  rows.forEach((row, step) => {
    for (let column = 0; column < width; column++)
      values[step * width + column] = (valueAt(row, column) - offset[column]) / scale[column];
  });
  const targetAt = (step: number) => valueAt(rows[step], 0);
  return { name: '', rows, values, targetAt, scaling, naiveError: undefined };
}

/** The columns to read: the target, then the features and those known in advance. */
export function tableColumns({
  target,
  features = [],
  known = [],
  series,
  time,
  delimiter,
  date_format,
}: ForecastConfig): Omit<TableColumns, 'purpose'> {
  const named = (name: string, ...at: (string | number)[]) => ({ name, keyPath: ['dataset', ...at] });
  return {
    delimiter,
    dateFormat: date_format,
    features: [
      named(target, 'target'),
      ...features.map((name, i) => named(name, 'features', i)),
      ...known.map((name, i) => named(name, 'known', i)),
    ],
    targets: [],
    targetKind: 'value',
    keepsFloat64: true,
    group: series === undefined ? 'table' : named(series, 'series'),
    groupWord: 'series',
    order: time === undefined ? undefined : named(time, 'time'),
  };
}

/** A window; its first predicted step is step `origin` of the series. */
export interface Window {
  readonly series: Series;
  readonly origin: number;
}

/** First point in time of each split; undefined if there is no such split. */
export interface Cuts {
  readonly validation: number | undefined;
  readonly test: number;
}

export function windowsOf(
  all: readonly Series[],
  keys: ArrayLike<number>,
  { validation, test }: Cuts,
  name: SplitName,
  { input_steps, horizon, stride, limit = Number.POSITIVE_INFINITY }: ForecastConfig,
): Window[] {
  const [from, to] = {
    train: [Number.NEGATIVE_INFINITY, validation ?? test],
    validation: [validation ?? test, test],
    test: [test, Number.POSITIVE_INFINITY],
  }[name];
  const windows: Window[] = [];
  for (const series of all) {
    const { rows } = series;
    const first = rows.findIndex(row => keys[row] >= from);
    if (first < 0) continue;
    for (let origin = Math.max(first, input_steps); origin + horizon <= rows.length; origin += stride) {
      if (keys[rows[origin + horizon - 1]] >= to) break;
      windows.push({ series, origin });
    }
  }
  if (windows.length === 0) {
    throw configError({
      code: 'data/no-window',
      keyPath: ['dataset', 'horizon'],
      message: `the ${name === 'train' ? 'training' : name} split has no window of ${input_steps} input steps and ${horizon} steps to predict`,
    });
  }
  return name === 'train' ? windows.slice(0, limit) : windows;
}

interface ForecastSplit extends Split {
  readonly targets: Extract<Targets, { readonly kind: 'value' }> & { scaling(at: number): Scaling };
}

export function forecastSplit(
  windows: readonly Window[],
  keys: ArrayLike<number>,
  config: ForecastConfig,
  id: (index: number) => string,
): ForecastSplit {
  const { input_steps, horizon, season, calendar = [], per_step = false } = config;
  const { steps, size, width, observed, hasFuture } = windowShape(config);
  const levels = levelsOf(config);
  const level = ({ series, origin }: Window, step: number): number =>
    levels ? levelAt(levels, one => series.values[one * width], { origin, step }) : 0;
  /** The values of a step that its time determines: calendar features and the flag. */
  const rest = (row: number, isFuture: boolean): number[] => {
    const time = new Date(keys[row]);
    const angles = calendar.map(feature => 2 * Math.PI * CYCLES[feature](time));
    return [
      ...angles.flatMap(angle => [Math.sin(angle), Math.cos(angle)]),
      ...(hasFuture ? [isFuture ? 1 : 0] : []),
    ];
  };
  // with `per_step`, a window has one prediction per step
  const [predictions, first] = per_step ? [steps, input_steps] : [1, 0];
  const numTargets = per_step ? 1 : horizon;
  const targets = new Float32Array(windows.length * predictions * numTargets).fill(Number.NaN);
  windows.forEach((window, i) => {
    const { series, origin } = window;
    const from = (i * predictions + first) * numTargets;
    for (let h = 0; h < horizon; h++)
      targets[from + h] = series.values[(origin + h) * width] - level(window, origin + h);
  });
  /** The window of prediction `at`, and its steps: the first is `h` after the origin. */
  const predictionOf = (at: number) => {
    const window = windows[Math.floor(at / predictions)];
    const h = (at % predictions) - first;
    return { window, h, ahead: Array.from({ length: numTargets }, (_, more) => window.origin + h + more) };
  };
  const naive =
    (stepOf: (origin: number, h: number) => number) =>
    (at: number): Float32Array | undefined => {
      const { window, h, ahead } = predictionOf(at);
      const { series, origin } = window;
      if (h < 0 || stepOf(origin, 0) < 0) return undefined;
      // relative to the level of the step that is forecast
      return Float32Array.from(
        ahead,
        step => series.values[stepOf(origin, step - origin) * width] - level(window, step),
      );
    };
  return {
    count: windows.length,
    targets: {
      kind: 'value',
      size: numTargets,
      values: targets,
      ...(per_step && { perStep: true }),
      scaling: at => {
        const { window, ahead } = predictionOf(at);
        const { offset, scale } = window.series.scaling;
        return {
          offset: ahead.map(step => offset[0] + level(window, step) * scale[0]),
          scale: ahead.map(() => scale[0]),
        };
      },
      given: at => {
        const { window, ahead } = predictionOf(at);
        return ahead.map(step => window.series.targetAt(step));
      },
    },
    id,
    errorScale: index => windows[index].series.naiveError,
    naive: {
      last_value: naive(origin => origin - 1),
      ...(season !== undefined && {
        seasonal_naive: naive((origin, h) => origin + h - season * Math.ceil((h + 1) / season)),
      }),
    },
    read(index, out, offset, stepStride) {
      const window = windows[index];
      const { rows, values } = window.series;
      for (let step = 0; step < steps; step++) {
        const at = window.origin - input_steps + step;
        const isFuture = step >= input_steps;
        const to = offset + step * stepStride;
        for (let c = 0; c < width; c++) {
          const value = values[at * width + c] - (c === 0 ? level(window, at) : 0);
          out[to + c] = isFuture && c < observed ? 0 : value;
        }
        if (size > width) out.set(rest(rows[at], isFuture), to + width);
      }
    },
  };
}

/**
 * The columns of a window's steps in the units of the data; those that are unknown in the horizon
 * end before it.
 */
export function unscaledWindow({ series, origin }: Window, config: ForecastConfig): number[][] {
  const { steps, width, observed } = windowShape(config);
  const { input_steps } = config;
  const { offset, scale } = series.scaling;
  return offset.map((_, c) =>
    Array.from({ length: c < observed ? input_steps : steps }, (_, step) => {
      const at = origin - input_steps + step;
      return series.values[at * width + c] * scale[c] + offset[c];
    }),
  );
}

/**
 * Names a window by its series and the time of its first target, or the number of that step, from
 * 1.
 */
export function idOf({ series, origin }: Window, order: readonly string[]): string {
  const row = series.rows[origin];
  return [series.name, order[row] ?? String(origin + 1)].filter(part => part !== '').join(' ');
}

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
  const series = { ...scaledSeries(list, valueAt, scaling), name: table.name, naiveError: naive_error };
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
  const scaled = scaledSeries([...Array(input_steps + horizon).keys()], valueAt, trained);
  const own = { series: scaled, origin: input_steps };
  const split = forecastSplit([own], keys, config, () => name);
  const values = new Float32Array(steps * size);
  split.read(0, values, 0, size);
  return {
    ...{ length: steps, values, place: rows.place(list[0]), targetScaling: split.targets.scaling },
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
    if (text === undefined) return [];
    const problem =
      known.get(at) ?? badNumber(text, { ...rows.place(row), columnName: columns[column].name });
    // windows share cells
    known.set(at, problem);
    return [problem];
  };
  return (first: number, end: number, hasTargets: boolean): readonly Diagnostic[] => {
    if (rows.texts.size === 0) return [];
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
