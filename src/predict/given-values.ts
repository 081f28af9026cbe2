/**
 * Checks steps and sequences passed by a program, and converts them to the form that readers
 * return.
 */
import {
  encodeText,
  type NewSequence,
  type ReadSequence,
  type SequenceInput,
  symbolReader,
  UnknownSymbol,
  type Vocabulary,
} from '../data/index.js';
import { inWords } from '../util/arguments.js';
import { type Diagnostic, damagedError } from '../util/errors.js';
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
  /** Absent if symbols have no texts. */
  readonly vocabulary?: Vocabulary;
}

/** Converts the sequence at position `index`. */
export function givenSequence(given: SequenceValues, index: number, form: StepForm): ReadSequence {
  const place = `sequence ${index}`;
  if (!isSequence(given))
    return { problems: [unfit(`${place} is not a sequence`, { expected: A_SEQUENCE, got: inWords(given) })] };
  const { steps: listed, id, times } = typeof given === 'object' && 'steps' in given ? given : alone(given);
  const named = id !== undefined && { id };
  const problems: Diagnostic[] = [];
  const isText = typeof listed === 'string';
  if (isText && !form.vocabulary) return { problems: [unfit(`${place} is a text`, NO_TEXTS)], ...named };
  let steps: readonly StepValues[];
  try {
    steps = isText && form.vocabulary ? encodeText(listed, form.vocabulary) : (listed as typeof steps);
  } catch (error) {
    return { problems: [unknownSymbol(error, place)], ...named };
  }
  if (steps.length === 0) problems.push(unfit(`${place} has no steps`));
  if (times !== undefined && times.length !== steps.length) {
    const counts = { expected: counted(steps.length, 'time'), got: counted(times.length, 'time') };
    problems.push(unfit(`${place} has a different number of times and steps`, counts));
  }
  const width = form.input.kind === 'number' ? form.input.size : 1;
  const values = new Float32Array(steps.length * width);
  for (const [step, one] of steps.entries()) {
    const wrong = writeStep(one, form, values.subarray(step * width), `${place}, step ${step}`);
    if (wrong) problems.push(wrong);
    if (problems.length > 0) break;
  }
  if (problems.length > 0) return { problems, ...named };
  const sequence: NewSequence = { length: steps.length, values, ...named, ...(times && { times }) };
  return sequence;
}

const A_SEQUENCE = 'a list of steps, a text, or an object with `steps`';

/** Callers in JavaScript may hand over anything. */
function isSequence(given: unknown): boolean {
  if (typeof given !== 'object' || given === null) return typeof given === 'string';
  const steps = 'steps' in given ? given.steps : given;
  return typeof steps === 'string' || Array.isArray(steps) || ArrayBuffer.isView(steps);
}

function alone(steps: string | readonly StepValues[]) {
  return { steps, id: undefined, times: undefined };
}

/** Maximum number of features that a message lists. */
const MAX_NAMED = 30;

const NO_TEXTS = { expected: 'numbers: this model has no vocabulary' };

/**
 * Converts one step to its numbers.
 * @param place name of the step for messages
 * @throws UserError (exit 5) if the step does not fit the model
 */
export function givenStep(given: StepValues, form: StepForm, place: string): Float32Array {
  const values = new Float32Array(form.input.kind === 'number' ? form.input.size : 1);
  const wrong = writeStep(given, form, values, place);
  if (wrong) throw damagedError(wrong);
  return values;
}

/** Writes a step to the start of `out`; returns a problem if it is invalid. */
function writeStep(
  given: StepValues,
  { input, featureNames, vocabulary }: StepForm,
  out: Float32Array,
  place: string,
): Diagnostic | undefined {
  if (typeof given === 'string') {
    if (vocabulary === undefined) return unfit(`${place} is a text`, NO_TEXTS);
    try {
      out[0] = symbolReader(vocabulary)(given);
      return undefined;
    } catch (error) {
      return unknownSymbol(error, place);
    }
  }
  if (input.kind === 'symbol') {
    if (typeof given === 'number' && Number.isInteger(given) && given >= 0 && given < input.count) {
      out[0] = given;
      return undefined;
    }
    const expected = `an integer from 0 to ${input.count - 1}`;
    return unfit(`${place} is not a symbol of the model`, { expected, got: inWords(given) });
  }
  if (typeof given !== 'number' && (typeof given !== 'object' || given === null))
    return unfit(`${place} is not a step`, { expected: 'numbers', got: inWords(given) });
  if (typeof given === 'object' && !isList(given) && featureNames) {
    const missing = featureNames.filter(name => !Object.hasOwn(given, name));
    if (missing.length > 0)
      return unfit(`${place} has no ${missing.slice(0, MAX_NAMED).join(', ')}`, {
        expected: `an object with ${featureNames.slice(0, MAX_NAMED).join(', ')}`,
        got: Object.keys(given).slice(0, MAX_NAMED).join(', '),
      });
  }
  const numbers = numbersOf(given, featureNames);
  if (numbers.length !== input.size) {
    const expected = `${counted(input.size, 'number')}${featureNames ? `, or an object with ${featureNames.join(', ')}` : ''}`;
    return unfit(`${place} does not fit the model`, { expected, got: counted(numbers.length, 'number') });
  }
  for (let f = 0; f < input.size; f++) {
    const value = numbers[f];
    // other values may not convert: a bigint throws
    out[f] = typeof value === 'number' ? value : Number.NaN;
    if (Number.isFinite(out[f])) continue;
    const name = featureNames?.[f] ?? `feature ${f}`;
    return unfit(`${place}: ${name} is not a finite float32 number`, { got: inWords(value) });
  }
  return undefined;
}

function numbersOf(
  given: Exclude<StepValues, string>,
  featureNames: readonly string[] | undefined,
): ArrayLike<number> {
  if (typeof given === 'number') return [given];
  if (isList(given)) return given;
  return (featureNames ?? []).map(name => given[name]);
}

function isList(
  given: readonly number[] | Float32Array | Readonly<Record<string, number>>,
): given is readonly number[] | Float32Array {
  return Array.isArray(given) || ArrayBuffer.isView(given);
}

function unknownSymbol(error: unknown, place: string): Diagnostic {
  if (!(error instanceof UnknownSymbol)) throw error;
  const { problem } = error;
  return { ...problem, message: `${place}: ${problem.message}` };
}

function unfit(message: string, more: Pick<Diagnostic, 'expected' | 'got'> = {}): Diagnostic {
  return { code: 'data/given-values', message, ...more };
}
