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
import { MAX_TOLD } from './csv-sequences.js';
import type { ForecastConfig } from './forecast.js';
import { gapWords, timeGaps } from './forecast-gaps.js';
import { forecastSplit, windowShape } from './forecast-windows.js';
import {
  type CellPlace,
  type RowPlace,
  rowName,
  TableFile,
  type TableHandlers,
  type TableRecord,
} from './formats/tables.js';
import { allBytes, inTurn } from './reading/byte-sources.js';
import { MAX_TEXT_BYTES } from './reading/limits.js';
import { type FirstOrder, mixedOrder, orderKey, orderRest, samePlace } from './row-order.js';

export function forecastSequences(config: ForecastConfig, { series_scaling }: DataRecord): SequenceReader {
  const scalings = {
    bySeries: series_scaling && new Map(series_scaling.series.map(one => [one.name, one])),
    pooled: series_scaling?.pooled,
  };
  return {
    hasIds: config.series !== undefined,
    hasTimes: config.time !== undefined,
    async *read(sources) {
      const problems = new Problems();
      const rows = new Rows(config);
      for await (const source of inTurn(sources)) {
        const file = new TableFile(source.name, await allBytes(source, MAX_TEXT_BYTES), config.delimiter);
        await file.scan(rows.ofFile(file), problems);
      }
      problems.throwIfAny();
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
  if (problems.length > 0) return { problems, ...id };
  const { size, width, observed, hasFuture, steps: length } = windowShape(config);
  const compare = (a: Step, b: Step): number => a.key - b.key || a.rest - b.rest;
  const steps = unordered.toSorted(compare);
  const tie = steps.findIndex((step, i) => i > 0 && compare(step, steps[i - 1]) === 0);
  if (tie > 0) {
    const { time = '', row } = steps[tie];
    const at = row();
    const earlier = rowName(steps[tie - 1].row(), at);
    return { problems: [samePlace({ series: name }, time, { place: at, earlier })], ...id };
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
  window.forEach(({ cells, place }, step) => {
    cells.forEach((cell, column) => {
      if (step >= config.input_steps && column < observed) return;
      const value = cellNumber(cell);
      if (value === undefined) wrong.add(badNumber(cell, place(column)));
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
  row(): RowPlace;
  /** Position of the cell of column `index`, of target, features, known. */
  place(index: number): CellPlace;
  /** Position of the time, or of the target if steps have no times. */
  timePlace(): CellPlace;
}

/** The rows of a series. */
interface InputSeries {
  /** Undefined if the table is one series. */
  readonly name: string | undefined;
  /** In the order of the files. */
  readonly steps: Step[];
  /** Of its rows, {@link MAX_TOLD} at most. */
  readonly problems: Diagnostic[];
  readonly place: RowPlace;
}

/** A row of a file. */
interface RowAt {
  readonly file: TableFile;
  /** Its position, for {@link TableFile.place}. */
  readonly start: number;
}

class Rows {
  /** By name, in the order of the rows. */
  readonly series = new Map<string, InputSeries>();
  /** Problems of rows without a series. */
  readonly strays: Diagnostic[] = [];
  private columns: readonly number[] = [];
  private group = -1;
  private time = -1;
  private first: FirstOrder | undefined;

  constructor(private readonly config: ForecastConfig) {}

  /** Names of the columns that are read. */
  get wanted(): readonly string[] {
    const { target, features = [], known = [], series, time } = this.config;
    return [target, ...features, ...known, series, time].flatMap(name => name ?? []);
  }

  /** What reads the rows of a file, after those of the files before it. */
  ofFile(file: TableFile): TableHandlers {
    return {
      wanted: this.wanted,
      header: record => this.header(record),
      add: ({ fields, at }) => this.row(fields, { file, start: at }),
      ragged: ({ fields, at }, problem) => this.ragged(fields, { file, start: at }, () => problem),
    };
  }

  private header(record: TableRecord): void {
    const { target, features = [], known = [], series, time, delimiter } = this.config;
    const named = (name: string) => ({ name });
    const columns = [target, ...features, ...known].map(named);
    const [group, order] = [series, time].map(name => (name === undefined ? undefined : named(name)));
    const all = [...columns, group, order].filter(column => column !== undefined);
    const indexOf = findColumns(record, delimiter, all, 'predict');
    this.columns = columns.map(indexOf);
    [this.group, this.time] = [indexOf(group), indexOf(order)];
  }

  private row(fields: readonly string[], at: RowAt): void {
    const placeOf = (field: number) => at.file.place(at.start, field);
    const series = this.seriesOf(fields, at, () =>
      missingCell(fields[this.group].trim(), placeOf(this.group)),
    );
    if (series === undefined) return;
    const text = this.time < 0 ? undefined : fields[this.time].trim();
    if (text === undefined) {
      series.steps.push(this.step(fields, at, { key: series.steps.length, rest: 0, time: undefined }));
      return;
    }
    this.first ??= { numeric: NUMBER.test(text), place: at.file.placeOfRow(at.start) };
    const { first } = this;
    const [key, rest] = [orderKey(first.numeric)(text), orderRest(first.numeric)(text)];
    const { calendar = [] } = this.config;
    const place = () => placeOf(this.time);
    if (isMissing(text)) complain(series, () => missingCell(text, place()));
    else if (!Number.isFinite(key)) complain(series, () => mixedOrder(text, place(), first));
    else if (first.numeric && calendar.length > 0) complain(series, () => withoutCalendar(text, place()));
    else series.steps.push(this.step(fields, at, { key, rest, time: text }));
  }

  private ragged(fields: readonly string[], at: RowAt, problem: () => Diagnostic): void {
    const series = this.seriesOf(fields, at, problem);
    if (series !== undefined) complain(series, problem);
  }

  /**
   * The series of a row. Without one, the row is left out alone.
   * @param problem of a row without one
   */
  private seriesOf(
    fields: readonly string[],
    { file, start }: RowAt,
    problem: () => Diagnostic,
  ): InputSeries | undefined {
    const name = this.group < 0 ? '' : fields[this.group]?.trim();
    if (this.group >= 0 && (name === undefined || isMissing(name))) {
      this.strays.push(problem());
      return undefined;
    }
    const known = this.series.get(name);
    if (known) return known;
    const place = file.placeOfRow(start);
    const series = { name: this.group < 0 ? undefined : name, steps: [], problems: [], place };
    this.series.set(name, series);
    return series;
  }

  private step(
    fields: readonly string[],
    { file, start }: RowAt,
    order: Pick<Step, 'key' | 'rest' | 'time'>,
  ): Step {
    const { columns, time } = this;
    return {
      ...order,
      cells: columns.map(column => fields[column].trim()),
      row: () => file.placeOfRow(start),
      place: index => file.place(start, columns[index]),
      timePlace: () => file.place(start, time < 0 ? columns[0] : time),
    };
  }
}

function complain({ problems }: InputSeries, problem: () => Diagnostic): void {
  if (problems.length < MAX_TOLD) problems.push(problem());
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
    return { code, message, ...steps[0].timePlace(), expected, got: String(history) };
  }
  if (future >= ahead) return undefined;
  const columns =
    known.length > 0 ? `with the features known in advance (${known.join(', ')})` : 'at its end';
  const message = `${name} needs ${missing(ahead, future)} ${columns}, without a target`;
  const expected = `${counted(ahead, 'row')} after its last target`;
  // where they are missing
  return { code, message, ...(steps.at(-1) ?? steps[0]).timePlace(), expected, got: String(future) };
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
  const placeOf = (before: string) => steps[cells.indexOf(before)].timePlace();
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
