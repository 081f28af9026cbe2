/** Steps and sequences that a program hands over, checked and made those that readers give. */
import type { NewSequence, ReadSequence, SequenceInput } from '../data/index.js';
import { type Diagnostic, damagedError } from '../errors.js';

/**
 * One step of a sequence in the units of the data: F numbers, or by the names of the features if the
 * data name them; of a model of symbols one symbol, from 0.
 */
export type StepValues = ArrayLike<number> | Readonly<Record<string, number>> | number;

/** A sequence to predict: its steps, alone or with what they are called. */
export type SequenceValues =
  | readonly StepValues[]
  | {
      readonly steps: readonly StepValues[];
      /** Comes back with the prediction. */
      readonly id?: string;
      /** One for each step; come back with the answers. */
      readonly times?: readonly string[];
    };

/** What steps are, and what the features are called. */
export interface StepForm {
  readonly input: SequenceInput;
  readonly featureNames?: readonly string[];
}

/** The sequence `given`, number `index` of those that are handed over. */
export function givenSequence(given: SequenceValues, index: number, form: StepForm): ReadSequence {
  const { steps, id, times } = 'steps' in given ? given : { steps: given, id: undefined, times: undefined };
  const place = `sequence ${index}`;
  const named = id !== undefined && { id };
  const problems: Diagnostic[] = [];
  if (steps.length === 0) problems.push(unfit(`${place} has no steps`));
  if (times !== undefined && times.length !== steps.length) {
    const counts = { expected: `${steps.length} times`, got: `${times.length} times` };
    problems.push(unfit(`${place} has not as many times as steps`, counts));
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

/** The numbers of one step. Throws exit 5 if they do not fit the model. */
export function givenStep(given: StepValues, form: StepForm, place: string): Float32Array {
  const values = new Float32Array(form.input.kind === 'number' ? form.input.size : 1);
  const wrong = writeStep(given, form, values, place);
  if (wrong) throw damagedError(wrong);
  return values;
}

/** Writes a step to the beginning of `out`; returns what is wrong with it. */
function writeStep(
  given: StepValues,
  { input, featureNames }: StepForm,
  out: Float32Array,
  place: string,
): Diagnostic | undefined {
  if (input.kind === 'symbol') {
    if (typeof given === 'number' && Number.isInteger(given) && given >= 0 && given < input.count) {
      out[0] = given;
      return undefined;
    }
    const expected = `an integer from 0 to ${input.count - 1}`;
    return unfit(`${place} is not a symbol of the model`, { expected, got: String(given) });
  }
  const numbers = numbersOf(given, featureNames);
  if (numbers.length !== input.size) {
    const expected = `${input.size} numbers${featureNames ? `, or an object with ${featureNames.join(', ')}` : ''}`;
    return unfit(`${place} does not fit the model`, { expected, got: `${numbers.length} numbers` });
  }
  for (let f = 0; f < input.size; f++) {
    const value = numbers[f];
    out[f] = value;
    if (typeof value === 'number' && Number.isFinite(out[f])) continue;
    const name = featureNames?.[f] ?? `feature ${f}`;
    return unfit(`${place}: ${name} is not a finite float32 number`, { got: String(value) });
  }
  return undefined;
}

function numbersOf(given: StepValues, featureNames: readonly string[] | undefined): ArrayLike<number> {
  if (typeof given === 'number') return [given];
  if (isList(given)) return given;
  return (featureNames ?? []).map(name => given[name]);
}

function isList(given: ArrayLike<number> | Readonly<Record<string, number>>): given is ArrayLike<number> {
  return Array.isArray(given) || ArrayBuffer.isView(given);
}

function unfit(message: string, more: Pick<Diagnostic, 'expected' | 'got'> = {}): Diagnostic {
  return { code: 'data/given-values', message, ...more };
}
