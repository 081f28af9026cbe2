/** Runs a model step by step; each prediction uses the steps so far. Also generates text. */
import {
  type DataRecord,
  dataWidth,
  type Elapsed,
  encodeText,
  type ReadSequence,
  type SampleReader,
  StepPreparer,
  sampleReader,
  symbolReader,
  UnknownSymbol,
  type Vocabulary,
} from '../data/index.js';
import { KernelMachine } from '../engine/linked-executable.js';
import { lossOf } from '../math/losses/index.js';
import { predictedClass } from '../math/metrics/metric.js';
import { type DeclaredInput, declaredInputs, widthOf } from '../math/model/inputs.js';
import { stepInData } from '../math/model/spec.js';
import { carriedStates } from '../math/model/walk.js';
import { probabilityOf, Readout } from '../train/evaluator.js';
import { allocateShards, ShardComputer, type ShardJob, type ShardMemory } from '../train/shards.js';
import { inWords } from '../util/arguments.js';
import { type Diagnostic, damagedError, damagedErrors, UserError, usageError } from '../util/errors.js';
import { RandomStream } from '../util/random.js';
import { counted } from '../util/words.js';
import type { OpenedModel } from './open.js';
import { type Prediction, type PredictionForm, predictionOf, symbolsPrediction } from './predictions.js';
import { newTargets } from './predictor.js';

/** A sequence whose steps are passed one by one. Sessions of one model are independent. */
export interface Session<A extends Prediction = Prediction> {
  /**
   * Adds the next step and returns the model's prediction for the sequence so far; of a model with
   * the loss `ctc`, the symbol that begins at the step, if one does. Steps are processed in the
   * order of the calls, even if these are not awaited.
   * @throws UserError (exit 5) if the step does not fit the model; the sequence continues without
   *   it
   */
  step(values: StepValues): Promise<A>;
  /**
   * Of a model of recordings: adds samples, and returns the prediction at each step that these
   * complete, as `step` does. Its `time` is the end of the step, in seconds.
   * @throws UserError (exit 2) if the model does not read recordings
   * @throws UserError (exit 5) if a sample is not a finite number; none of `samples` is added then
   */
  push(samples: Samples): Promise<A[]>;
  /** Ends a recording: returns the predictions at its last steps, and starts a new sequence. */
  end(): Promise<A[]>;
  /** Starts a new sequence; pending steps belong to the old one. */
  reset(): void;
}

/** Samples of one channel: integers of 16 bits, or numbers from -1 to 1. */
export type Samples = Int16Array | Float32Array | Float64Array | readonly number[];

export interface SessionOptions {
  /**
   * Samples per second that `push` takes, at most 1048576. Default: those of the training data, to
   * which others are converted.
   */
  readonly rate?: number;
}

/** Where a session is. */
interface Progress {
  readonly states: ReadonlyMap<string, Float32Array>;
  /** The likeliest class at the last step, of a model with the loss `ctc`. */
  likeliest?: number;
}

/** What is known of a step, besides its values. */
interface StepFacts {
  readonly symbol?: string | undefined;
  readonly time?: string | undefined;
}

const WHOLE = '`predict` with whole sequences';

export class StepModel {
  private readonly computer: ShardComputer;
  private readonly job: ShardJob;
  /** Memory of the current step; allocated once, since kernel memory is never freed. */
  private readonly memory: ShardMemory;
  private readonly readout: Readout;
  /** Inputs of the model that are features of a step. */
  private readonly features: readonly DeclaredInput[];
  /** Of samples, if the model reads recordings. */
  private readonly samples: SampleReader | undefined;
  private last: Promise<unknown> = Promise.resolve();

  /**
   * @internal Use `Model.session`.
   * @throws UserError (exit 2) if a layer is bidirectional, or the model has a decoder
   */
  constructor(
    private readonly model: OpenedModel,
    private readonly form: PredictionForm,
  ) {
    const { run, pool } = model;
    const { layers, decoder, steps } = run.spec;
    const expected = WHOLE;
    if (decoder) {
      const message = 'a decoder reads the whole sequence first, so the model cannot run step by step';
      throw usageError('model/decoder', message, { expected });
    }
    this.samples = sampleReader(model.experiment.dataset, model.data);
    if (steps?.repeat || (steps && !this.samples)) throw otherSteps();
    if (layers.some(({ settings }) => settings.bidirectional)) {
      const message = 'a bidirectional model reads sequences from both ends, so it cannot run step by step';
      throw usageError('model/bidirectional', message, { expected });
    }
    const shape = { batch: 1, sequenceLength: 1, variableLength: false, training: false };
    const spec = { ...run.spec, carriesState: true, carriesPool: true };
    this.job = { backend: run.backend, spec, loss: run.loss, shape, withGradient: false };
    const [[memory]] = allocateShards(this.job, { shards: 1, slots: 1 }, pool.engine.heap);
    this.memory = memory;
    this.computer = new ShardComputer(new KernelMachine(pool.engine), this.job);
    const declared = declaredInputs(spec, lossOf(run.loss), shape);
    this.features = declared.filter(({ role }) => role === 'features');
    this.readout = new Readout(run.loss, newTargets(model, 1, [{}]));
  }

  session({ rate }: SessionOptions = {}): Session {
    if (rate !== undefined) this.recordings();
    const { stack = 1 } = this.model.run.spec.steps ?? {};
    let progress = this.begin();
    let taken = 0;
    const reader = new StepReader(this.model);
    const preparer = new StepPreparer(this.model);
    const rows: Float32Array[] = [];
    const listen = () => this.samples?.listen(row => rows.push(preparer.step(row)), rate);
    let recording = listen();
    const compute = (values: Float32Array, more: StepFacts): Promise<Prediction> => {
      const of = progress;
      const step = taken++;
      return this.inOrder(() => this.compute(of, step, values, more));
    };
    /** Predicts at the complete steps of the recording; if it has ended, also at the last one. */
    const heard = (hasEnded: boolean): Promise<Prediction[]> => {
      const predictions: Promise<Prediction>[] = [];
      while (rows.length >= (hasEnded ? 1 : stack)) {
        const read = rows.splice(0, stack);
        // the same number of padding steps as in a batch: zeros
        const values = new Float32Array(stack * read[0].length);
        read.forEach((row, i) => void values.set(row, i * row.length));
        const end = this.recordings().endOf(taken * stack + read.length - 1);
        predictions.push(compute(values, { time: String(Number(end.toFixed(6))) }));
      }
      return Promise.all(predictions);
    };
    const reset = (): void => {
      progress = this.begin();
      reader.restart();
      preparer.restart();
      rows.length = 0;
      recording = listen();
      taken = 0;
    };
    return {
      step: async given => {
        if (stack > 1) throw otherSteps();
        const values = reader.read(given, `step ${taken}`);
        return compute(preparer.step(values), { symbol: this.symbolOf(given, values) });
      },
      push: async samples => {
        this.recordings();
        recording?.push(numbersOf(samples));
        return heard(false);
      },
      end: async () => {
        this.recordings();
        recording?.end();
        const predictions = heard(true);
        reset();
        return predictions;
      },
      reset,
    };
  }

  private recordings(): SampleReader {
    if (this.samples) return this.samples;
    throw usageError('model/no-recordings', 'the model does not read recordings, so it takes no samples', {
      expected: '`step` with the values of each step',
    });
  }

  /** Runs computations one after another: kernels of one program must not run concurrently. */
  private inOrder<T>(compute: () => Promise<T>): Promise<T> {
    const result = this.last.then(compute);
    this.last = result.catch(() => {});
    return result;
  }

  private begin(): Progress {
    const states = carriedStates(this.job.spec).map(
      ({ name, size, start }) => [name, new Float32Array(size).fill(start)] as const,
    );
    return { states: new Map(states) };
  }

  private symbolOf(given: StepValues, [number]: Float32Array): string | undefined {
    if (!this.form.hasSymbols) return undefined;
    return typeof given === 'string' ? given : this.model.data.vocabulary?.symbols[number];
  }

  private async compute(
    progress: Progress,
    step: number,
    values: Float32Array,
    more: StepFacts,
  ): Promise<Prediction> {
    const { batch, carried, predictions } = this.memory;
    const { inputs } = batch;
    for (const input of this.features) {
      const { name, first = 0 } = input;
      inputs[name].set(values.subarray(first, first + widthOf(input)));
    }
    for (const [name, state] of progress.states) carried.before[name].set(state);
    if (inputs.pool) {
      // mean of t outputs = (mean of t - 1 outputs) * (t - 1) / t + last output / t
      inputs.pool[0] = 1 / (step + 1);
      for (const [name, pooled] of Object.entries(carried.before)) {
        if (!name.startsWith('pool.')) continue;
        for (let i = 0; i < pooled.length; i++) pooled[i] = (pooled[i] * step) / (step + 1);
      }
    }
    await this.computer.compute(this.model.pool.parameters, this.memory);
    for (const [name, state] of progress.states) state.set(carried.before[name]);
    if (this.form.kind === 'sequence') return this.symbolAt(step, predictions, progress, more);
    return predictionOf(this.form, this.readout, { step, ...more, outputs: predictions, at: 0 });
  }

  /** The symbol that begins at a step of the likeliest path, with its probability at the step. */
  private symbolAt(step: number, outputs: Float32Array, progress: Progress, { time }: StepFacts): Prediction {
    const blank = this.form.size;
    const { likeliest: before = blank } = progress;
    const likeliest = predictedClass(outputs);
    progress.likeliest = likeliest;
    const begins = likeliest !== before && likeliest !== blank;
    const logProbability = Math.log(probabilityOf(outputs, likeliest));
    const decoded = [{ symbols: begins ? [likeliest] : [], logProbability }];
    const prediction = symbolsPrediction(this.form, { outputs, decoded }, { time });
    const at = stepInData(this.form.steps, step);
    return { ...prediction, step: at, alignment: begins ? [at] : [] };
  }
}

function otherSteps(): UserError {
  const message = 'the steps of the model are not those of the data, so it cannot run step by step';
  return usageError('model/steps', message, { expected: WHOLE });
}

export const GENERATED_LENGTH = 500;

export interface GenerateOptions {
  /** Number of symbols to draw, 0 or more. Default: 500. */
  readonly length?: number | undefined;
  /**
   * Divisor of the outputs before the softmax: values below 1 make likely symbols more likely; 0
   * takes the most likely symbol (the first of equal ones). Default: 1.
   */
  readonly temperature?: number | undefined;
  /** Seed of the random draws. Default: 0. */
  readonly seed?: number | undefined;
}

/**
 * Continues the symbols of `prompt`, which are not yielded. Without a prompt, the first symbol is
 * drawn uniformly.
 * @param session a new session of a model whose classes are its input symbols, 0 to `symbols` - 1
 * @param excluded symbol that is never drawn: the one for unknown symbols has no text
 * @throws UserError (exit 5) if the model does not have a symbol of the prompt
 */
export async function* generateSymbols(
  session: Session,
  { symbols, excluded }: { readonly symbols: number; readonly excluded: number | undefined },
  prompt: readonly number[],
  { length = GENERATED_LENGTH, temperature = 1, seed = 0 }: GenerateOptions,
): AsyncGenerator<number> {
  const random = RandomStream.of(seed, 'predict/generate');
  let logits: Float32Array | undefined;
  for (const symbol of prompt) logits = await next(session, symbol);
  for (let made = 0; made < length; made++) {
    logits ??= new Float32Array(symbols);
    if (excluded !== undefined) logits[excluded] = Number.NEGATIVE_INFINITY;
    const symbol = drawClass(logits, temperature, random.uniform());
    yield symbol;
    if (made + 1 < length) logits = await next(session, symbol);
  }
}

async function next(session: Session, symbol: number): Promise<Float32Array> {
  const prediction = await session.step(symbol);
  if (prediction.kind === 'class') return prediction.logits;
  throw new Error('a language model predicts classes');
}

/**
 * Returns the first class k with P_0 + … + P_k > u, where P is the softmax of z / temperature.
 * @param logits z, `[C]`; with NaN, the result is meaningless
 * @param u uniform in [0, 1)
 */
export function drawClass(logits: Float32Array, temperature: number, u: number): number {
  const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (temperature === 0) return Math.max(0, logits.indexOf(most));
  const weights = Float64Array.from(logits, z => Math.exp((z - most) / temperature));
  const target = u * weights.reduce((a, b) => a + b, 0);
  let sum = 0;
  const found = weights.findIndex(weight => {
    sum += weight;
    return sum > target;
  });
  // rounding can make the target equal to the sum of all
  return found < 0 ? weights.findLastIndex(weight => weight > 0) : found;
}

/**
 * One step of a sequence in the units of the data: F numbers, in order or (if the data name the
 * features) by feature name. For a model of symbols, one symbol: its number from 0, or its text. A
 * text that is not in the vocabulary is refused, unless training had unknown symbols: then it is
 * read as one. NaN or null is a missing value, if `dataset.missing` of the run fills it. Static
 * features follow the others; only the first step needs them.
 */
export type StepValues =
  | readonly ColumnValue[]
  | Float32Array
  | Readonly<Record<string, ColumnValue>>
  | number
  | string;

/**
 * Value of a feature column in a step: a number; for a column with `encode`, also a word, a truth
 * value or a date. Null if it is missing.
 */
export type ColumnValue = number | string | boolean | Date | null;

/**
 * A sequence to predict: its steps, optionally with an id and times. A text is split into symbols
 * like the training data.
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
    };

/** Handling of sequences that cannot be read. */
export interface RejectionOptions {
  /**
   * Called for each sequence that cannot be read, with its problems and position in the input; the
   * others are predicted. Absent: the first such sequence ends the predictions with an error. A
   * model that carries states refuses it: others would start in the states of a skipped sequence.
   */
  readonly onRejected?: ((problems: readonly Diagnostic[], index: number) => void) | undefined;
}

/** @internal */
export function givenSequence(given: SequenceValues, index: number, model: OpenedModel): ReadSequence {
  const place = `sequence ${index}`;
  const isObject = typeof given === 'object' && given !== null && 'steps' in given;
  const { steps: listed, id, times } = isObject ? given : { steps: given, id: undefined, times: undefined };
  const named = id !== undefined && { id };
  try {
    const steps = stepsOf(listed, model, place);
    if (times !== undefined && times.length !== steps.length) {
      const counts = { expected: counted(steps.length, 'time'), got: counted(times.length, 'time') };
      throw unfit(`${place} has a different number of times and steps`, counts);
    }
    const width = dataWidth(model.data);
    const values = new Float32Array(steps.length * width);
    const reader = new StepReader(model);
    steps.forEach((step, i) => {
      values.set(reader.read(step, `${place}, step ${i}`), i * width);
    });
    const symbols = steps.every((step): step is string => typeof step === 'string') && { symbols: steps };
    return { length: steps.length, values, ...named, ...(times && { times }), ...symbols };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { problems: error.diagnostics, ...named };
  }
}

/** Callers in JavaScript may hand over anything. */
function numbersOf(given: unknown): Float64Array {
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

function stepsOf(given: unknown, { data }: OpenedModel, place: string): readonly StepValues[] {
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
class StepReader {
  private readonly width: number;
  private readonly elapsed: Elapsed | undefined;
  /** Values of static columns in the sequence, by column. */
  private readonly statics = new Map<number, unknown>();

  constructor(private readonly model: OpenedModel) {
    this.width = dataWidth(model.data);
    this.elapsed = model.readers?.elapsed?.();
  }

  /** The next step is the first of a sequence. */
  restart(): void {
    this.elapsed?.restart();
    this.statics.clear();
  }

  /** @param place names the step in messages */
  read(given: StepValues, place: string): Float32Array {
    const { data, readers } = this.model;
    if (typeof given === 'string' && data.vocabulary)
      return Float32Array.of(known(place, () => symbolReader(textsOf(data, place))(given)));
    const values = this.checked(given, place);
    const numbers: number[] = [];
    for (let f = 0; f < values.length; f++) {
      const { name = `feature ${f}`, reader, isStatic } = readers?.columns[f] ?? {};
      const what = `${place}: ${name}`;
      const value = isStatic ? this.staticValue(values[f], f, what) : values[f];
      if (reader) {
        const problem = reader.read(cellOf(value), number => numbers.push(number));
        if (problem) throw unfit(`${what}: ${problem({}).message}`, { got: inWords(value) });
      } else numbers.push(this.numberOf(value, numbers.length, what));
    }
    const exact = Float64Array.from(numbers);
    this.elapsed?.step(exact, 0);
    return Float32Array.from(exact);
  }

  /** The value of a static column: that of the first step which has one. */
  private staticValue(given: unknown, column: number, place: string): unknown {
    const known = this.statics.get(column);
    if (!isMissing(known) && isMissing(given)) return known;
    if (!isMissing(known) && cellOf(given) !== cellOf(known)) {
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
    const values = valuesOf(given, names, column => this.statics.has(column));
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

  /** @param column of the data */
  private numberOf(value: unknown, column: number, place: string): number {
    // other values may not convert: a bigint throws
    const number = typeof value === 'number' ? value : Number.NaN;
    const mayLack = this.model.data.preparation?.columns[column].fill !== undefined;
    if (Number.isFinite(Math.fround(number)) || (isMissing(value) && mayLack)) return number;
    throw unfit(`${place} is not a finite float32 number`, { got: inWords(value) });
  }
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
