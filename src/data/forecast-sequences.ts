/**
 * Reads windows to forecast from: for each series of a table, the last steps with a known target.
 * Inputs known in advance come from the rows after them, whose target is empty.
 */
import type { Diagnostic } from '../util/errors.js';
import { counted } from '../util/words.js';
import type { SeriesScaling } from './core/dataset.js';
import { NUMBER } from './core/labels.js';
import type { DataRecord, ReadSequence, SequenceReader } from './core/pipeline.js';
import { Problems } from './core/problems.js';
import { repeated } from './core/scaling.js';
import { badNumber, cellNumber, findColumns, isMissing, missingCell } from './csv-columns.js';
import type { ForecastConfig } from './forecast.js';
import { gapWords, timeGaps } from './forecast-gaps.js';
import { forecastSplit, windowShape } from './forecast-windows.js';
import {
  type CellPlace,
  type RowPlace,
  readTable,
  type TableHandlers,
  type TableRecord,
} from './formats/tables.js';
import { allBytes, inTurn, oneChunk } from './reading/byte-sources.js';
import { MAX_TEXT_BYTES } from './reading/limits.js';
import { type FirstOrder, mixedOrder, orderKey, orderRest, sameOrder } from './row-order.js';

export function forecastSequences(config: ForecastConfig, { series_scaling }: DataRecord): SequenceReader {
  const scalings = {
    bySeries: series_scaling && new Map(series_scaling.series.map(one => [one.name, one])),
    pooled: series_scaling?.pooled,
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
        ...[...rows.series.values()].map(series => sequenceOf(series, config, scalings)),
        ...rows.strays.map(problem => ({ problems: [problem] })),
      ];
    },
  };
}

/** The last window of a series, or its problems. */
function sequenceOf(
  { name, steps: unordered, problems, place }: InputSeries,
  config: ForecastConfig,
  { pooled, bySeries }: Scalings,
): ReadSequence {
  const id = name !== undefined && { id: name };
  if (problems.all.length > 0) return { problems: problems.all, ...id };
  const { size, width, observed, hasFuture, steps: length } = windowShape(config);
  const compare = (a: Step, b: Step): number => a.key - b.key || a.rest - b.rest;
  const steps = unordered.toSorted(compare);
  const tie = steps.findIndex((step, i) => i > 0 && compare(step, steps[i - 1]) === 0);
  if (tie > 0) {
    const { time = '', row } = steps[tie];
    const owner = name === undefined ? '' : ` of series ${JSON.stringify(name)}`;
    const problem = sameOrder(owner, config.time ?? '', time, [steps[tie - 1].row, row]);
    return { problems: [problem], ...id };
  }
  const last = steps.findLastIndex(({ cells }) => cells[0] !== '');
  const ahead = hasFuture ? config.horizon : 0;
  const lacking = lackingSteps(steps, config, { last, ahead, series: name });
  if (lacking !== undefined) return { problems: [lacking], ...id };
  const first = last + 1 - config.input_steps;
  const gaps = gapsOf(steps, config, { first, last, ahead, series: name });
  if ('error' in gaps) return { problems: [gaps.error], ...id };
  const trained = bySeries?.get(name ?? '');
  const { offset, scale } = trained ?? pooled ?? repeated([0, 1], width);
  const window = steps.slice(first, last + 1 + ahead);
  const values = new Float64Array(window.length * width);
  const wrong = new Problems();
  const columns = columnsOf(config);
  window.forEach(({ cells, row }, step) => {
    cells.forEach((cell, column) => {
      if (step >= config.input_steps && column < observed) return;
      const value = cellNumber(cell);
      if (value === undefined) wrong.add(badNumber(cell, { ...row, columnName: columns[column] }));
      else values[step * width + column] = (value - offset[column]) / scale[column];
    });
  });
  if (wrong.all.length > 0) return { problems: wrong.all, ...id };
  const series = {
    ...{ name: '', values, naiveError: undefined, targetAt: () => Number.NaN },
    rows: [...window.keys()],
    scalings: offset.map((one, column) => [one, scale[column]] as const),
  };
  const keys = Float64Array.from(window, ({ key }) => key);
  const { read, targets } = forecastSplit([{ series, origin: config.input_steps }], keys, config, () => '');
  const features = new Float32Array(length * size);
  read(0, features, 0, size);
  // a prediction for the whole horizon has the time of the last known target
  const predicted = config.per_step ? window : window.slice(0, config.input_steps);
  const times = predicted.flatMap(({ time }) => time ?? []);
  const isNew = bySeries !== undefined && name !== undefined && trained === undefined;
  const warnings = isNew ? [...gaps.warnings, notTrained(name, place)] : gaps.warnings;
  return {
    ...{ length, values: features, ...id, place, targetScaling: targets.scaling },
    ...(times.length > 0 && { times }),
    ...(warnings.length > 0 && { warnings }),
  };
}

/** Scalings of the run's series, if each series is scaled by itself. */
interface Scalings {
  readonly bySeries: ReadonlyMap<string, SeriesScaling['series'][number]> | undefined;
  readonly pooled: SeriesScaling['pooled'] | undefined;
}

/** A row of the table. */
interface Step {
  readonly key: number;
  /** What `key` leaves out. */
  readonly rest: number;
  readonly time: string | undefined;
  readonly cells: readonly string[];
  readonly row: RowPlace;
}

/** The rows of a series. */
interface InputSeries {
  /** Undefined if the table is one series. */
  readonly name: string | undefined;
  /** In the order of the files. */
  readonly steps: Step[];
  readonly problems: Problems;
  readonly place: RowPlace;
}

/** Names of the columns of a step's cells. */
function columnsOf({ target, features = [], known = [] }: ForecastConfig): readonly string[] {
  return [target, ...features, ...known];
}

class Rows implements TableHandlers {
  /** By name, in the order of the rows. */
  readonly series = new Map<string, InputSeries>();
  /** Problems of rows without a series. */
  readonly strays: Diagnostic[] = [];
  private columns: readonly number[] = [];
  private group = -1;
  private time = -1;
  private first: FirstOrder | undefined;

  constructor(private readonly config: ForecastConfig) {}

  get wanted(): readonly string[] {
    const { series, time } = this.config;
    return [...columnsOf(this.config), series, time].flatMap(name => name ?? []);
  }

  header(record: TableRecord): void {
    const { series, time, delimiter } = this.config;
    const named = (name: string) => ({ name });
    const columns = columnsOf(this.config).map(named);
    const [group, order] = [series, time].map(name => (name === undefined ? undefined : named(name)));
    const all = [...columns, group, order].filter(column => column !== undefined);
    const indexOf = findColumns(record, delimiter, all, 'predict');
    this.columns = columns.map(indexOf);
    [this.group, this.time] = [indexOf(group), indexOf(order)];
  }

  add(record: TableRecord): void {
    const { fields, row } = record;
    const series = this.seriesOf(record, () =>
      missingCell(fields[this.group].trim(), record.place(this.group)),
    );
    if (series === undefined) return;
    const cells = this.columns.map(column => fields[column].trim());
    const text = this.time < 0 ? undefined : fields[this.time].trim();
    if (text === undefined) {
      series.steps.push({ key: series.steps.length, rest: 0, time: undefined, cells, row });
      return;
    }
    this.first ??= { numeric: NUMBER.test(text), place: row };
    const { first } = this;
    const [key, rest] = [orderKey(first.numeric)(text), orderRest(first.numeric)(text)];
    const { calendar = [] } = this.config;
    const place = () => record.place(this.time);
    if (isMissing(text)) complain(series, () => missingCell(text, place()));
    else if (!Number.isFinite(key)) complain(series, () => mixedOrder(text, place(), first));
    else if (first.numeric && calendar.length > 0) complain(series, () => withoutCalendar(text, place()));
    else series.steps.push({ key, rest, time: text, cells, row });
  }

  ragged(record: TableRecord, problem: Diagnostic): void {
    const series = this.seriesOf(record, () => problem);
    if (series !== undefined) complain(series, () => problem);
  }

  /**
   * The series of a row. Without one, the row is left out alone.
   * @param problem of a row without one
   */
  private seriesOf({ fields, row }: TableRecord, problem: () => Diagnostic): InputSeries | undefined {
    const name = this.group < 0 ? '' : fields[this.group]?.trim();
    if (this.group >= 0 && (name === undefined || isMissing(name))) {
      this.strays.push(problem());
      return undefined;
    }
    const known = this.series.get(name);
    if (known) return known;
    const series = {
      name: this.group < 0 ? undefined : name,
      steps: [],
      problems: new Problems(),
      place: row,
    };
    this.series.set(name, series);
    return series;
  }
}

function complain({ problems }: InputSeries, problem: () => Diagnostic): void {
  if (!problems.full) problems.add(problem());
}

/** Warning: the training data do not have this series. */
function notTrained(series: string, place: RowPlace): Diagnostic {
  return {
    code: 'data/new-series',
    message: `the series ${JSON.stringify(series)} is not in the training data: expect a poor forecast`,
    ...place,
  };
}

/** Problem: a number has no place in the calendar, which the model reads. */
function withoutCalendar(text: string, place: Partial<CellPlace>): Diagnostic {
  return {
    code: 'data/calendar',
    message: 'the model reads calendar features, so times must be dates',
    ...place,
    expected: 'ISO 8601 dates or times such as 2025-03-01 or 2025-03-01T12:00:00Z',
    got: JSON.stringify(text.slice(0, 60)),
  };
}

/** A window in the steps of a series. */
interface Place {
  /** Last step with a target. */
  readonly last: number;
  /** Number of steps after it. */
  readonly ahead: number;
  readonly series: string | undefined;
}

/** Problem: a series is too short for a window. */
function lackingSteps(
  steps: readonly Step[],
  { input_steps, known = [] }: ForecastConfig,
  { last, ahead, series }: Place,
): Diagnostic | undefined {
  const name = series === undefined ? 'the series' : `series ${JSON.stringify(series)}`;
  const code = 'data/forecast-steps';
  const [history, future] = [last + 1, steps.length - 1 - last];
  const missing = (needed: number, rows: number): string =>
    rows === 0 ? counted(needed, 'row') : counted(needed - rows, 'more row');
  if (history < input_steps) {
    const message = `${name} needs ${missing(input_steps, history)} with a target`;
    const expected = counted(input_steps, 'row');
    return { code, message, ...steps[0].row, expected, got: String(history) };
  }
  if (future >= ahead) return undefined;
  const columns =
    known.length > 0 ? `with the features known in advance (${known.join(', ')})` : 'at its end';
  const message = `${name} needs ${missing(ahead, future)} ${columns}, without a target`;
  const expected = `${counted(ahead, 'row')} after its last target`;
  // where they are missing
  return { code, message, ...(steps.at(-1) ?? steps[0]).row, expected, got: String(future) };
}

/**
 * Steps that are missing in a window. They are warned of, as before training: some series lack
 * steps for a reason, such as the holidays of a market, and the model learned to read across them.
 * But what comes after a gap that is longer than the window does not continue it.
 */
function gapsOf(
  steps: readonly Step[],
  { input_steps, horizon }: ForecastConfig,
  { first, last, ahead, series = '' }: Place & { readonly first: number },
): { readonly error: Diagnostic } | { readonly warnings: readonly Diagnostic[] } {
  const cells = steps.flatMap(({ time }) => time ?? []);
  if (cells.length === 0) return { warnings: [] };
  const times = { keys: Float64Array.from(steps, ({ key }) => key), cells, isNumeric: NUMBER.test(cells[0]) };
  const between = (first: number, last: number) =>
    timeGaps([{ name: series, rows: [...steps.keys()] }], times, { first, last });
  const placeOf = (before: string) => steps[cells.indexOf(before)].row;
  const leap = between(last, last + Math.min(1, ahead));
  if (leap !== undefined && leap.missing >= input_steps + horizon) {
    const { after, before, step } = leap.largest;
    const message = `${gapWords(leap).lacking}. The rows without a target do not continue the series`;
    const expected = `rows for the ${counted(horizon, 'step')} after ${after} (usual step: ${step})`;
    return { error: { code: 'data/forecast-steps', message, ...placeOf(before), expected } };
  }
  const warning = (gaps: ReturnType<typeof between>, effect: string): Diagnostic[] => {
    if (gaps === undefined) return [];
    const { lacking, expected } = gapWords(gaps);
    const message = `${lacking}. ${effect} as if nothing were missing`;
    return [{ code: 'data/time-gaps', message, ...placeOf(gaps.largest.before), expected }];
  };
  return {
    warnings: [
      ...warning(between(first, last), 'The forecast reads across the gap'),
      ...warning(between(last, last + ahead), 'The forecast takes the next rows for the next steps'),
    ],
  };
}
