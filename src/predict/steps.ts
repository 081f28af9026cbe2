/** Sequences that a program passes: their steps as numbers, or what is wrong with them. */
import { cellNumber } from '../data/core/cells.js';
import { type Elapsed, joinedText, type ValueReaders } from '../data/core/columns.js';
import {
  dataWidth,
  type ReadSequence,
  type RecordingReader,
  type SeriesReader,
} from '../data/core/dataset.js';
import type { DataRecord, Vocabulary } from '../data/core/record.js';
import { encodeText, symbolReader, UnknownSymbol } from '../data/core/vocabulary.js';
import { inWords } from '../util/arguments.js';
import {
  caught,
  type Diagnostic,
  damagedError,
  damagedErrors,
  UserError,
  usageError,
} from '../util/errors.js';
import { counted } from '../util/words.js';

/**
 * One step of a sequence in the units of the data: F numbers, in order or (if the data name the
 * features) by feature name. For a model of symbols, one symbol: its number from 0, or its text. A
 * text that is not in the vocabulary is refused, unless training had unknown symbols: then it is
 * read as one. NaN, null or a marker is a missing value, if `dataset.missing` of the run fills it.
 * Static features follow the others; only the first step needs them.
 */
export type StepValues =
  | readonly ColumnValue[]
  | Float32Array
  | Readonly<Record<string, ColumnValue>>
  | number
  | string;

/**
 * Value of a feature column in a step, read like the cell of a table with its text: a number; for a
 * column with `encode`, also a word, a truth value or a date. Null if it is missing.
 */
export type ColumnValue = number | string | boolean | Date | null;

/**
 * A sequence to predict: its steps, optionally with an id and times. A text is split into symbols
 * like the training data. A forecasting model reads the last steps of a series, whose name is the
 * id, with its times; steps whose target is missing at the end are those to forecast. A model of
 * recordings also reads samples.
 */
export type SequenceValues =
  | string
  | readonly StepValues[]
  | {
      readonly steps: string | readonly StepValues[];
      /** Returned with the prediction. */
      readonly id?: string;
      /** One per step; returned with the predictions. */
      readonly times?: readonly string[];
    }
  | {
      readonly samples: Samples;
      /** Samples per second; default: those of the training data. */
      readonly rate?: number;
      /** Returned with the prediction. */
      readonly id?: string;
    };

/** Samples of one channel: integers of 16 bits, or numbers from -1 to 1. */
export type Samples = Int16Array | Float32Array | Float64Array | readonly number[];

/** Handling of sequences that cannot be read. */
export interface RejectionOptions {
  /**
   * Called for each sequence that cannot be read, with its problems and position in the input; the
   * others are predicted. Absent: the first such sequence ends the predictions with an error. A
   * model that carries states refuses it: others would start in the states of a skipped sequence.
   */
  readonly onRejected?: ((problems: readonly Diagnostic[], index: number) => void) | undefined;
}

/** What the reading of steps needs of a model. */
export interface ReadingModel {
  readonly data: DataRecord;
  readonly readers: ValueReaders | undefined;
  readonly series?: SeriesReader | undefined;
  /**
   * Returns what reads whole recordings; undefined if the model does not read recordings.
   * @throws UserError (exit 2) if it scales several of them together
   */
  recordings?(): RecordingReader | undefined;
}

/** @internal */
export function givenSequence(given: SequenceValues, index: number, model: ReadingModel): ReadSequence {
  const place = `sequence ${index}`;
  if (typeof given === 'object' && given !== null && 'samples' in given) return recordingOf(given, model);
  const isObject = typeof given === 'object' && given !== null && 'steps' in given;
  const { steps: listed, id, times } = isObject ? given : { steps: given, id: undefined, times: undefined };
  const named = id !== undefined && { id };
  const read = caught((): ReadSequence => {
    const steps = stepsOf(listed, model, place);
    if (times !== undefined && times.length !== steps.length) {
      const counts = { expected: counted(steps.length, 'time'), got: counted(times.length, 'time') };
      throw unfit(`${place} has a different number of times and steps`, counts);
    }
    if (model.series) return windowOf(model.series, steps, { id, times, place });
    const width = dataWidth(model.data);
    const values = new Float32Array(steps.length * width);
    const reader = new StepReader(model);
    reader.findStatics(steps);
    steps.forEach((step, i) => {
      values.set(reader.read(step, `${place}, step ${i}`), i * width);
    });
    const symbols = steps.every((step): step is string => typeof step === 'string') && { symbols: steps };
    return { length: steps.length, values, ...named, ...(times && { times }), ...symbols };
  });
  return read instanceof UserError ? { problems: read.diagnostics, ...named } : read;
}

/** @throws UserError (exit 2) if the model does not read recordings */
function recordingOf(
  { samples, rate, id }: Extract<SequenceValues, { readonly samples: Samples }>,
  model: ReadingModel,
): ReadSequence {
  const reader = model.recordings?.();
  if (reader === undefined) {
    const message = 'the model does not read recordings, so it takes no samples';
    throw usageError('model/no-recordings', message, { expected: 'the steps of each sequence' });
  }
  const named = id !== undefined && { id };
  const read = caught(() => {
    const numbers = numbersOf(samples);
    if (numbers.length === 0) throw unfit('the recording has no samples');
    return reader.read(numbers, rate);
  });
  return { ...(read instanceof UserError ? { problems: read.diagnostics } : read), ...named };
}

/** The window of a series that its forecast reads. */
function windowOf(
  { columns, values, time, series, read }: SeriesReader,
  steps: readonly StepValues[],
  { id, times, place }: { readonly id?: string; readonly times?: readonly string[]; readonly place: string },
): ReadSequence {
  const rows = steps.map((step, i) => {
    const listed = valuesOf(step, undefined, () => false);
    if (listed ? listed.length !== values : typeof step !== 'object' || step === null) {
      const expected = `${counted(values, 'value')}, or an object with ${columns.slice(0, MAX_NAMED).join(', ')}`;
      throw unfit(`${place}, step ${i} does not fit the model`, {
        expected,
        got: listed ? counted(listed.length, 'value') : inWords(step),
      });
    }
    const named = step as Readonly<Record<string, unknown>>;
    const at = times?.[i] ?? (listed || time === undefined ? undefined : named[time]);
    const row = columns.map((name, c) => [name, cellOf(listed ? listed[c] : named[name])] as const);
    return {
      ...Object.fromEntries(row),
      ...(time !== undefined && at !== undefined && { [time]: cellOf(at) }),
      ...(series.length === 1 && id !== undefined && { [series[0]]: id }),
    };
  });
  const [window, ...others] = read(rows, place);
  if (others.length > 0) throw unfit(`${place} has steps of several series`, { expected: 'those of one' });
  return { ...(id !== undefined && { id }), ...window };
}

/** The numbers of samples. Callers in JavaScript may hand over anything. */
export function numbersOf(given: unknown): Float64Array {
  if (given instanceof Int16Array) return Float64Array.from(given, sample => sample / 2 ** 15);
  if (!Array.isArray(given) && !(given instanceof Float32Array) && !(given instanceof Float64Array)) {
    const expected = 'an Int16Array, a Float32Array, a Float64Array or a list of numbers';
    throw unfit('the samples do not fit', { expected, got: inWords(given) });
  }
  given.forEach((sample: unknown, i: number) => {
    if (typeof sample === 'number' && Number.isFinite(Math.fround(sample))) return;
    throw unfit(`sample ${i} is not a finite float32 number`, { got: inWords(sample) });
  });
  return Float64Array.from(given as ArrayLike<number>);
}

function stepsOf(given: unknown, { data }: ReadingModel, place: string): readonly StepValues[] {
  const isText = typeof given === 'string';
  if (!isText && !Array.isArray(given) && !ArrayBuffer.isView(given)) {
    const expected = 'a list of steps, a text, or an object with `steps`';
    throw unfit(`${place} is not a sequence`, { expected, got: inWords(given) });
  }
  const steps = isText
    ? known(place, () => encodeText(given, textsOf(data, place)))
    : (given as readonly StepValues[]);
  if (steps.length === 0) throw unfit(`${place} has no steps`);
  return steps;
}

/** Maximum number of features that a message lists. */
const MAX_NAMED = 30;

/** Reads the steps of one sequence at a time: the columns of the data, before their preparation. */
export class StepReader {
  private readonly width: number;
  private readonly elapsed: Elapsed | undefined;
  /** Values of static columns in the sequence, by column. */
  private readonly statics = new Map<number, unknown>();

  constructor(private readonly model: ReadingModel) {
    this.width = dataWidth(model.data);
    this.elapsed = model.readers?.elapsed?.();
  }

  /** The next step is the first of a sequence. */
  restart(): void {
    this.elapsed?.restart();
    this.statics.clear();
  }

  /** Takes the static values of a whole sequence from any of its steps: others may lack them. */
  findStatics(steps: readonly StepValues[]): void {
    const { columns = [] } = this.model.readers ?? {};
    const names = columns.map(({ name }) => name);
    const known = steps.map(step => valuesOf(step, names, () => true));
    for (const [i, column] of columns.entries()) {
      const first = column.isStatic && known.find(values => !isHole(values?.[i], column));
      if (first) this.statics.set(i, first[i]);
    }
  }

  /** @param place names the step in messages */
  read(given: StepValues, place: string): Float32Array {
    const { data, readers } = this.model;
    if (typeof given === 'string' && data.vocabulary)
      return Float32Array.of(known(place, () => symbolReader(textsOf(data, place))(given)));
    const values = this.checked(given, place);
    const numbers: number[] = [];
    for (let f = 0; f < values.length; f++) {
      const column = readers?.columns[f];
      const what = `${place}: ${column?.name ?? `feature ${f}`}`;
      const value = column?.isStatic ? this.staticValue(values[f], f, what) : values[f];
      if (column?.reader) {
        const problem = column.reader.read(cellOf(value), number => numbers.push(number));
        if (problem) throw unfit(`${what}: ${problem({}).message}`, { got: inWords(value) });
      } else numbers.push(this.numberOf(value, column, numbers.length, what));
    }
    const exact = Float64Array.from(numbers);
    this.elapsed?.step(exact, 0);
    return Float32Array.from(exact);
  }

  /** The value of a static column: that of the first step which has one. */
  private staticValue(given: unknown, column: number, place: string): unknown {
    const of = this.model.readers?.columns[column];
    const known = this.statics.get(column);
    const isKnown = !isHole(known, of);
    if (isKnown && isHole(given, of)) return known;
    if (isKnown && cellOf(given) !== cellOf(known)) {
      const expected = `${inWords(known)}, as before: a static feature has one value per sequence`;
      throw unfit(`${place} changes`, { expected, got: inWords(given) });
    }
    this.statics.set(column, given);
    return given;
  }

  /** The values of the columns in a step, or its symbol. */
  private checked(given: StepValues, place: string): ArrayLike<unknown> {
    const { data, readers } = this.model;
    const { input } = data;
    const names = readers?.columns.map(({ name }) => name);
    const values = valuesOf(withTime(given, readers), names, column => this.statics.has(column));
    const isSymbol = input.kind === 'symbol';
    const isFit = (value: unknown) =>
      !isSymbol || (Number.isInteger(value) && Number(value) >= 0 && Number(value) < input.count);
    const count = isSymbol ? 1 : (names?.length ?? this.width);
    if (values && values.length === count && isFit(values[0])) return values;
    const listed = names ? `, or an object with ${names.slice(0, MAX_NAMED).join(', ')}` : '';
    const hasWords = readers?.columns.some(({ reader }) => reader !== undefined);
    const counts = (number: number) => counted(number, hasWords ? 'value' : 'number');
    throw unfit(`${place} does not fit the model`, {
      expected: isSymbol ? `an integer from 0 to ${input.count - 1}` : counts(count) + listed,
      got: values && !isSymbol ? counts(values.length) : inWords(given),
    });
  }

  /** @param index of the number in the data */
  private numberOf(value: unknown, column: Column | undefined, index: number, place: string): number {
    const isFilled = this.model.data.preparation?.columns[index].fill !== undefined;
    // other values may not convert: a bigint throws
    const isText = typeof value === 'string' && column?.isMissing !== undefined;
    const number = isText ? cellNumber(value) : typeof value === 'number' ? value : undefined;
    if (isHole(value, column)) {
      if (isFilled) return Number.NaN;
    } else if (number !== undefined && Number.isFinite(Math.fround(number))) return number;
    throw unfit(`${place} is not a finite float32 number`, { got: inWords(value) });
  }
}

/** Adds the time column of a step whose date and time of day are separate values. */
function withTime(given: StepValues, readers: ValueReaders | undefined): unknown {
  const column = readers?.columns.find(({ parts }) => parts);
  if (!column?.parts || typeof given !== 'object' || given === null || column.name in given) return given;
  const values = given as Readonly<Record<string, unknown>>;
  if (!column.parts.every(part => part in values)) return given;
  return { ...values, [column.name]: joinedText(column.parts.map(part => cellOf(values[part]))) };
}

/** The values of a step; undefined if it has none, or not all by name but those that are known. */
function valuesOf(
  given: unknown,
  names: readonly string[] | undefined,
  isKnown: (column: number) => boolean,
): ArrayLike<unknown> | undefined {
  if (typeof given === 'number') return [given];
  if (Array.isArray(given) || ArrayBuffer.isView(given)) return given as unknown as ArrayLike<unknown>;
  if (typeof given !== 'object' || given === null) return undefined;
  const values: Readonly<Record<string, unknown>> = { ...given };
  const hasAll = names?.every((name, column) => name in values || isKnown(column));
  return hasAll ? names?.map(name => values[name]) : undefined;
}

type Column = Partial<ValueReaders['columns'][number]>;

function isHole(value: unknown, column: Column | undefined): boolean {
  return isMissing(value) || column?.isMissing?.(cellOf(value)) === true;
}

/** A value as a cell of a table would have it. */
function cellOf(value: unknown): string {
  if (isMissing(value)) return '';
  return value instanceof Date ? value.toISOString() : String(value).trim();
}

function isMissing(value: unknown): boolean {
  return value === null || value === undefined || Number.isNaN(value);
}

function textsOf({ vocabulary }: DataRecord, place: string): Vocabulary {
  if (vocabulary) return vocabulary;
  throw unfit(`${place} is a text`, { expected: 'numbers: this model has no vocabulary' });
}

/** Returns the result of `read`, which refuses unknown symbols. */
function known<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof UnknownSymbol)) throw error;
    const { problem } = error;
    throw damagedErrors([{ ...problem, message: `${place}: ${problem.message}` }]);
  }
}

function unfit(message: string, more: Pick<Diagnostic, 'expected' | 'got'> = {}): UserError {
  return damagedError('data/given-values', message, { ...more });
}
