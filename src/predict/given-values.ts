/**
 * Checks steps and sequences passed by a program, and converts them to the form that readers
 * return.
 */
import {
  encodeText,
  inputWidth,
  type ReadSequence,
  type SequenceInput,
  symbolReader,
  UnknownSymbol,
  type Vocabulary,
} from '../data/index.js';
import { inWords } from '../util/arguments.js';
import { type Diagnostic, damagedError, UserError } from '../util/errors.js';
import { counted } from '../util/words.js';

/**
 * One step of a sequence in the units of the data: F numbers, in order or (if the data name the
 * features) by feature name. For a model of symbols, one symbol: its number from 0, or its text. A
 * text that is not in the vocabulary is refused, unless training had unknown symbols: then it is
 * read as one.
 */
export type StepValues =
  | readonly number[]
  | Float32Array
  | Readonly<Record<string, number>>
  | number
  | string;

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

/** Form of a step, and names of the features. */
export interface StepForm {
  readonly input: SequenceInput;
  readonly featureNames?: readonly string[];
  readonly vocabulary?: Vocabulary;
}

export function givenSequence(given: SequenceValues, index: number, form: StepForm): ReadSequence {
  const place = `sequence ${index}`;
  const isObject = typeof given === 'object' && given !== null && 'steps' in given;
  const { steps: listed, id, times } = isObject ? given : { steps: given, id: undefined, times: undefined };
  const named = id !== undefined && { id };
  try {
    const steps = stepsOf(listed, form, place);
    if (times !== undefined && times.length !== steps.length) {
      const counts = { expected: counted(steps.length, 'time'), got: counted(times.length, 'time') };
      throw unfit(`${place} has a different number of times and steps`, counts);
    }
    const width = inputWidth(form.input);
    const values = new Float32Array(steps.length * width);
    steps.forEach((step, i) => {
      writeStep(step, form, values.subarray(i * width), `${place}, step ${i}`);
    });
    return { length: steps.length, values, ...named, ...(times && { times }) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { problems: error.diagnostics, ...named };
  }
}

/** Callers in JavaScript may hand over anything. */
function stepsOf(given: unknown, { vocabulary }: StepForm, place: string): readonly StepValues[] {
  const isText = typeof given === 'string';
  if (!isText && !Array.isArray(given) && !ArrayBuffer.isView(given)) {
    const expected = 'a list of steps, a text, or an object with `steps`';
    throw unfit(`${place} is not a sequence`, { expected, got: inWords(given) });
  }
  const steps = isText
    ? known(place, () => encodeText(given, textsOf(vocabulary, place)))
    : (given as readonly StepValues[]);
  if (steps.length === 0) throw unfit(`${place} has no steps`);
  return steps;
}

/**
 * Converts one step to its numbers.
 * @param place name of the step for messages
 */
export function givenStep(given: StepValues, form: StepForm, place: string): Float32Array {
  const values = new Float32Array(inputWidth(form.input));
  writeStep(given, form, values, place);
  return values;
}

/** Maximum number of features that a message lists. */
const MAX_NAMED = 30;

/** Writes a step to the start of `out`. */
function writeStep(given: StepValues, form: StepForm, out: Float32Array, place: string): void {
  const { input, featureNames, vocabulary } = form;
  if (typeof given === 'string') {
    out[0] = known(place, () => symbolReader(textsOf(vocabulary, place))(given));
    return;
  }
  const numbers = numbersOf(given, featureNames);
  const isSymbol = input.kind === 'symbol';
  if (numbers?.length !== inputWidth(input) || (isSymbol && !isSymbolOf(numbers[0], input.count))) {
    const names = featureNames ? `, or an object with ${featureNames.slice(0, MAX_NAMED).join(', ')}` : '';
    throw unfit(`${place} does not fit the model`, {
      expected: isSymbol ? `an integer from 0 to ${input.count - 1}` : counted(input.size, 'number') + names,
      got: numbers && !isSymbol ? counted(numbers.length, 'number') : inWords(given),
    });
  }
  for (let f = 0; f < numbers.length; f++) {
    const value = numbers[f];
    // other values may not convert: a bigint throws
    out[f] = typeof value === 'number' ? value : Number.NaN;
    if (Number.isFinite(out[f])) continue;
    const name = featureNames?.[f] ?? `feature ${f}`;
    throw unfit(`${place}: ${name} is not a finite float32 number`, { got: inWords(value) });
  }
}

/** The numbers of a step; undefined if it has none, or not all by name. */
function numbersOf(given: unknown, names: readonly string[] | undefined): ArrayLike<number> | undefined {
  if (typeof given === 'number') return [given];
  if (Array.isArray(given) || ArrayBuffer.isView(given)) return given as unknown as ArrayLike<number>;
  if (typeof given !== 'object' || given === null) return undefined;
  const values: Readonly<Record<string, number>> = { ...given };
  return names?.every(name => name in values) ? names.map(name => values[name]) : undefined;
}

function isSymbolOf(value: number, count: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < count;
}

function textsOf(vocabulary: Vocabulary | undefined, place: string): Vocabulary {
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
    throw damagedError({ ...problem, message: `${place}: ${problem.message}` });
  }
}

function unfit(message: string, more: Pick<Diagnostic, 'expected' | 'got'> = {}): UserError {
  return damagedError({ code: 'data/given-values', message, ...more });
}
