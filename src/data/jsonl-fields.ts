/** Reads the fields of a JSON record: steps, labels, numbers and names. */

import { counted } from '../util/words.js';
import type { Problems } from './core/problems.js';
import type { FloatList } from './core/values.js';
import type { JsonRecord, RecordLine } from './formats/json-lines.js';
import type { JsonlConfig } from './jsonl.js';
import { symbolsOf, UnknownSymbol } from './vocabulary.js';

/** Maximum number of characters that a message shows of a value. */
const MAX_SHOWN = 60;

/** An invalid value and what was expected instead. */
export class Unfit extends Error {
  readonly code: string;
  /** What the message says about the value: by default, its beginning. */
  readonly got: string | undefined;

  constructor(
    readonly expected: string,
    readonly value: unknown,
    { code = 'data/jsonl-value', got }: { readonly code?: string; readonly got?: string } = {},
  ) {
    super(expected);
    this.code = code;
    this.got = got;
  }
}

/**
 * Reads a field of a record; an invalid or missing value is added to `problems` at its position.
 */
export function attemptField<T>(
  record: JsonRecord,
  name: string,
  { problems, line }: { readonly problems: Problems; readonly line: RecordLine },
  read: (value: unknown) => T,
): T | undefined {
  try {
    if (Object.hasOwn(record, name)) return read(record[name]);
    throw new Unfit('this field in every record', undefined, { code: 'data/jsonl-missing-field' });
  } catch (error) {
    const field = `field ${JSON.stringify(name)}`;
    if (error instanceof UnknownSymbol) {
      const { problem } = error;
      problems.add({ ...problem, message: `${field}: ${problem.message}`, ...line.place(name) });
      return undefined;
    }
    if (!(error instanceof Unfit)) throw error;
    const { code, expected, value, got } = error;
    const isEmpty = value === '' || (Array.isArray(value) && value.length === 0);
    problems.add({
      code,
      message:
        value === undefined
          ? `the record has no ${field}`
          : `${field} ${isEmpty ? 'is empty' : 'has an invalid value'}`,
      ...line.place(name),
      expected,
      ...(value !== undefined && !isEmpty && { got: got ?? words(value) }),
    });
    return undefined;
  }
}

interface Steps {
  /** F, set by the first step if not known yet. */
  readonly shape: { features?: number };
  /** The code of a symbol's text. */
  codeOf(text: string): number;
  readonly out: FloatList;
}

/** Appends the steps of a sequence to `steps.out` and returns their count. */
export function addSteps(value: unknown, config: JsonlConfig, steps: Steps): number {
  const count = config.input_kind === 'number' ? addNumbers(value, steps) : addSymbols(value, config, steps);
  if (count === 0) throw new Unfit('at least one step', value);
  return count;
}

function addNumbers(value: unknown, { shape, out }: Steps): number {
  if (!Array.isArray(value)) throw new Unfit('a list with the numbers of each step', value);
  for (const step of value) {
    const numbers = Array.isArray(step) ? step : [step];
    shape.features ??= numbers.length;
    if (numbers.length !== shape.features || numbers.length === 0)
      throw new Unfit(`${counted(Math.max(1, shape.features), 'number')} a step`, step);
    for (const number of numbers) out.push(finite(number));
  }
  return value.length;
}

function addSymbols(
  value: unknown,
  { input_kind, level = 'character' }: JsonlConfig,
  { codeOf, out }: Steps,
): number {
  if (input_kind === 'text') {
    if (typeof value !== 'string') throw new Unfit('a string', value);
    let count = 0;
    for (const symbol of symbolsOf(value, level)) {
      out.push(codeOf(symbol));
      count++;
    }
    return count;
  }
  if (!Array.isArray(value)) throw new Unfit('a list with the symbol of each step', value);
  for (const symbol of value) out.push(codeOf(textOf(symbol, 'a list of strings, numbers or booleans')));
  return value.length;
}

/** The beginning of a value as JSON. */
function words(value: unknown): string {
  // JSON has no infinity, which `1e999` is read as
  if (typeof value === 'number') return String(value);
  let text: string;
  try {
    // quotes tell a text from the number that it spells
    text = JSON.stringify(value);
  } catch (error) {
    // `JSON.parse` reads deeper nesting than `JSON.stringify` writes
    if (!(error instanceof RangeError)) throw error;
    return 'a value that is nested too deeply';
  }
  if (text.length <= MAX_SHOWN) return text;
  return `${text.slice(0, MAX_SHOWN)}…${typeof value === 'string' ? '"' : ''}`;
}

export function finite(value: unknown): number {
  const number = typeof value === 'number' ? Math.fround(value) : Number.NaN;
  if (Number.isFinite(number)) return number;
  throw new Unfit('finite numbers', value, { code: 'data/not-finite' });
}

/** The text of a class label, without surrounding white space, as in a table. */
export function labelOf(value: unknown): string {
  return textOf(value, 'a class: a string, a number or a boolean').trim();
}

/**
 * The text of a symbol or name.
 * @param expected what the field takes, for an invalid value
 */
export function textOf(value: unknown, expected = 'a string, a number or a boolean'): string {
  if (typeof value === 'string') return value;
  // JSON.parse has rounded it, maybe to the same number as another one
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    throw new Unfit('a string, since a number of this size loses digits', value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new Unfit(expected, value);
}
