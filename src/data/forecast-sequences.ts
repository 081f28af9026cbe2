/**
 * Reads windows to forecast from: for each series of a table, the last steps with a known target.
 * Inputs known in advance come from the rows after them, whose target is empty.
 */
import { type Diagnostic, damagedError, UserError } from '../util/errors.js';
import { counted } from '../util/words.js';
import { NUMBER } from './core/labels.js';
import type { DataRecord, NewSequence, ReadSequence, SequenceReader } from './core/pipeline.js';
import { Problems } from './core/problems.js';
import { repeated } from './core/scaling.js';
import { ABSENT, badNumber, cellNumber, findColumns, isMissing, missingCell } from './csv-columns.js';
import type { ForecastConfig } from './forecast.js';
import { gapWords, timeGaps } from './forecast-gaps.js';
import { forecastSplit, windowShape } from './forecast-windows.js';
import { type RowPlace, readTable, type TableHandlers, type TableRecord } from './formats/tables.js';
import { allBytes, inTurn, oneChunk } from './reading/byte-sources.js';
import { MAX_TEXT_BYTES } from './reading/limits.js';
import { type FirstOrder, mixedOrder, orderKey, orderRest, sameOrder } from './row-order.js';

export function forecastSequences(config: ForecastConfig, { series_scaling }: DataRecord): SequenceReader {
  const bySeries = series_scaling && new Map(series_scaling.series.map(one => [one.name, one]));
  const windowOf = (columns: readonly string[], series: InputSeries): NewSequence => {
    const { name, problems, place } = series;
    problems.throwIfAny();
    const steps = ordered(series, config.time);
    const { size, width, observed, hasFuture, steps: length } = windowShape(config);
    const last = steps.findLastIndex(({ cells }) => cells[0] !== '');
    const range = { first: last + 1 - config.input_steps, last, ahead: hasFuture ? config.horizon : 0 };
    refuseLacking(config, name, steps, range);
    const trained = bySeries?.get(name ?? '');
    const { offset, scale } = trained ?? series_scaling?.pooled ?? repeated([0, 1], width);
    const window = steps.slice(range.first, last + 1 + range.ahead);
    const values = new Float64Array(window.length * width);
    const wrong = new Problems();
    window.forEach(({ cells, row }, step) => {
      cells.forEach((cell, column) => {
        if (step >= config.input_steps && column < observed) return;
        const value = cellNumber(cell);
        if (value === undefined) wrong.add(badNumber(cell, { ...row, columnName: columns[column] }));
        else values[step * width + column] = (value - offset[column]) / scale[column];
      });
    });
    wrong.throwIfAny();
    const windowed = {
      ...{ name: '', values, naiveError: undefined, targetAt: () => Number.NaN },
      rows: [...window.keys()],
      scalings: offset.map((one, column) => [one, scale[column]] as const),
    };
    const keys = Float64Array.from(window, ({ key }) => key);
    const windows = [{ series: windowed, origin: config.input_steps }];
    const { read, targets } = forecastSplit(windows, keys, config, () => '');
    const features = new Float32Array(length * size);
    read(0, features, 0, size);
    // a prediction for the whole horizon has the time of the last known target
    const predicted = config.per_step ? window : window.slice(0, config.input_steps);
    const times = predicted.flatMap(({ time }) => time ?? []);
    const isNew = bySeries !== undefined && name !== undefined && trained === undefined;
    const warnings = [
      ...gapWarnings(config, name, steps, range),
      ...(isNew ? [notTrained(name, place)] : []),
    ];
    return {
      ...{ length, values: features, place, targetScaling: targets.scaling },
      ...(times.length > 0 && { times }),
      ...(warnings.length > 0 && { warnings }),
    };
  };
  const read = (columns: readonly string[], series: InputSeries): ReadSequence => {
    const id = series.name !== undefined && { id: series.name };
    try {
      return { ...windowOf(columns, series), ...id };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return { problems: error.diagnostics, ...id };
    }
  };
  return {
    hasIds: config.series !== undefined,
    hasTimes: config.time !== undefined,
    async *read(sources) {
      const rows = new Rows(config);
      for await (const source of inTurn(sources)) {
        const bytes = oneChunk(source.name, await allBytes(source, MAX_TEXT_BYTES));
        for await (const _ of readTable(bytes, rows, config.delimiter));
      }
      yield [
        ...Array.from(rows.series.values(), series => read(rows.columns, series)),
        ...rows.strays.map(problem => ({ problems: [problem] })),
      ];
    },
  };
}

interface Step {
  readonly key: number;
  /** What `key` leaves out. */
  readonly rest: number;
  readonly time: string | undefined;
  /** Of the target, the features and the columns known in advance. */
  readonly cells: readonly string[];
  readonly row: RowPlace;
}

interface InputSeries {
  /** Undefined if the table is one series. */
  readonly name: string | undefined;
  readonly steps: Step[];
  readonly problems: Problems;
  readonly place: RowPlace;
}

class Rows implements TableHandlers {
  /** By name, in the order of the rows. */
  readonly series = new Map<string, InputSeries>();
  /** Problems of rows without a series. */
  readonly strays: Diagnostic[] = [];
  /** Names of the cells of a step. */
  readonly columns: readonly string[];
  readonly wanted: readonly string[];
  private indices: readonly number[] = [];
  private group = ABSENT;
  private time = ABSENT;
  private first: FirstOrder | undefined;

  constructor(private readonly config: ForecastConfig) {
    const { target, features = [], known = [], series, time } = config;
    this.columns = [target, ...features, ...known];
    this.wanted = [...this.columns, series, time].flatMap(name => name ?? []);
  }

  header(record: TableRecord): void {
    const { series, time, delimiter } = this.config;
    const named = this.wanted.map(name => ({ name }));
    const indexOf = findColumns(record, delimiter, named, 'predict');
    this.indices = this.columns.map(name => indexOf({ name }));
    [this.group, this.time] = [series, time].map(name => (name === undefined ? ABSENT : indexOf({ name })));
  }

  add(record: TableRecord): void {
    const { fields, row } = record;
    const series = this.seriesOf(record, () =>
      missingCell(fields[this.group].trim(), record.place(this.group)),
    );
    if (series === undefined) return;
    const { steps, problems } = series;
    const cells = this.indices.map(index => fields[index].trim());
    if (this.time === ABSENT) {
      steps.push({ key: steps.length, rest: 0, time: undefined, cells, row });
      return;
    }
    const time = fields[this.time].trim();
    this.first ??= { numeric: NUMBER.test(time), place: row };
    const { numeric } = this.first;
    const [key, rest] = [orderKey(numeric)(time), orderRest(numeric)(time)];
    const place = record.place(this.time);
    if (isMissing(time)) problems.add(missingCell(time, place));
    else if (!Number.isFinite(key)) problems.add(mixedOrder(time, place, this.first));
    else if (numeric && this.config.calendar !== undefined && this.config.calendar.length > 0) {
      const message = 'the model reads calendar features, so times must be dates';
      const expected = 'ISO 8601 dates or times such as 2025-03-01 or 2025-03-01T12:00:00Z';
      const got = JSON.stringify(time.slice(0, 60));
      problems.add({ code: 'data/calendar', message, ...place, expected, got });
    } else steps.push({ key, rest, time, cells, row });
  }

  ragged(record: TableRecord, problem: Diagnostic): void {
    this.seriesOf(record, () => problem)?.problems.add(problem);
  }

  /** The series of a row. Without one, the row is left out alone. */
  private seriesOf({ fields, row: place }: TableRecord, problem: () => Diagnostic) {
    const name = this.group === ABSENT ? '' : fields[this.group]?.trim();
    if (this.group !== ABSENT && (name === undefined || isMissing(name))) {
      this.strays.push(problem());
      return undefined;
    }
    const known = this.series.get(name);
    if (known) return known;
    const own = this.group === ABSENT ? undefined : name;
    const series: InputSeries = { name: own, steps: [], problems: new Problems(), place };
    this.series.set(name, series);
    return series;
  }
}

/** Sorts the steps by time. Throws if two have the same time. */
function ordered({ steps: unordered, name }: InputSeries, column = ''): readonly Step[] {
  const compare = (a: Step, b: Step): number => a.key - b.key || a.rest - b.rest;
  const steps = unordered.toSorted(compare);
  const tie = steps.findIndex((step, i) => i > 0 && compare(step, steps[i - 1]) === 0);
  if (tie < 0) return steps;
  const owner = name === undefined ? '' : ` of series ${JSON.stringify(name)}`;
  throw damagedError(sameOrder(owner, column, steps[tie].time ?? '', [steps[tie - 1].row, steps[tie].row]));
}

/** Warning: the training data do not have this series. */
function notTrained(series: string, place: RowPlace): Diagnostic {
  const message = `the series ${JSON.stringify(series)} is not in the training data: expect a poor forecast`;
  return { code: 'data/new-series', message, ...place };
}

interface WindowRange {
  readonly first: number;
  readonly last: number;
  /** Number of steps after it. */
  readonly ahead: number;
}

/** @throws UserError (exit 5) if a series is too short for a window */
function refuseLacking(
  { input_steps, known = [] }: ForecastConfig,
  name: string | undefined,
  steps: readonly Step[],
  { first, last, ahead }: WindowRange,
): void {
  const future = steps.length - 1 - last;
  if (first >= 0 && future >= ahead) return;
  const columns = known.length > 0 ? ` and ${known.join(', ')}, which the model reads in advance` : '';
  const after = ahead === 0 ? '' : `, then ${counted(ahead, 'row')} without a target${columns}`;
  throw damagedError({
    code: 'data/forecast-steps',
    message: `${name === undefined ? 'the table' : `series ${JSON.stringify(name)}`} has too few rows to forecast from`,
    ...(first < 0 ? steps[0] : (steps.at(-1) ?? steps[0])).row,
    expected: `${counted(input_steps, 'row')} with a target${after}`,
    got: `${last + 1}${ahead === 0 ? '' : `, then ${future}`}`,
  });
}

/**
 * Steps that are missing in a window. They are warned of, as before training: some series lack
 * steps for a reason, such as the holidays of a market, and the model learned to read across them.
 * But what comes after a gap that is longer than the window does not continue it.
 */
function gapWarnings(
  { input_steps, horizon }: ForecastConfig,
  name = '',
  steps: readonly Step[],
  { first, last, ahead }: WindowRange,
): readonly Diagnostic[] {
  const cells = steps.flatMap(({ time }) => time ?? []);
  if (cells.length === 0) return [];
  const times = { keys: Float64Array.from(steps, ({ key }) => key), cells, isNumeric: NUMBER.test(cells[0]) };
  const between = (first: number, last: number) =>
    timeGaps([{ name, rows: [...steps.keys()] }], times, { first, last });
  const leap = between(last, last + Math.min(1, ahead));
  const gaps = between(first, last + ahead);
  if (gaps === undefined) return [];
  const isTooLong = leap !== undefined && leap.missing >= input_steps + horizon;
  const { lacking, expected } = gapWords(isTooLong ? leap : gaps);
  const { before } = (isTooLong ? leap : gaps).largest;
  const place = steps[cells.indexOf(before)].row;
  const code = isTooLong ? 'data/forecast-steps' : 'data/time-gaps';
  const effect = isTooLong
    ? 'The rows without a target do not continue the series'
    : 'The forecast reads the rows as if nothing were missing';
  const problem = { code, message: `${lacking}. ${effect}`, ...place, expected };
  if (isTooLong) throw damagedError(problem);
  return [problem];
}
