/** JSON values, numbers that JSON cannot represent, and JSON files validated with their schemas. */
import { validateAgainst } from '../config/schema/validate.js';
import { damagedError } from '../util/errors.js';
import { isAbsent, readText } from './files.js';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** Name of a number that JSON cannot represent, stored next to its `null`. */
export type NonFinite = 'nan' | 'inf' | '-inf';

export function nonFiniteName(value: number): NonFinite | undefined {
  if (Number.isFinite(value)) return undefined;
  if (Number.isNaN(value)) return 'nan';
  return value > 0 ? 'inf' : '-inf';
}

/**
 * A copy of `value` in which every number `x: NaN` has become `x: null, x_nonfinite: "nan"`
 * (likewise infinities), at any depth. Inside a list, such a number becomes its name, because a
 * list has no second key.
 */
export function spellNonFinite(value: object): JsonObject {
  const spelled: [string, Json][] = [];
  for (const [key, entry] of Object.entries(value)) {
    const name = typeof entry === 'number' ? nonFiniteName(entry) : undefined;
    if (name !== undefined) spelled.push([key, null], [`${key}_nonfinite`, name]);
    else if (entry !== undefined) spelled.push([key, spellValue(entry)]);
  }
  return Object.fromEntries(spelled);
}

function spellValue(value: unknown): Json {
  if (Array.isArray(value)) return value.map(spellValue);
  if (typeof value === 'object' && value !== null) return spellNonFinite(value);
  if (typeof value === 'number') return nonFiniteName(value) ?? value;
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
  throw new TypeError(`JSON cannot hold a ${typeof value}`);
}

/** The numbers of a record that `spellNonFinite` wrote, including those that are not finite. */
export function unspellNumbers(record: JsonObject): Record<string, number> {
  const numbers: Record<string, number> = {};
  for (const [key, value] of Object.entries(record)) {
    if (typeof value === 'number') numbers[key] = value;
    const number = value === null ? NON_FINITE.get(record[`${key}_nonfinite`]) : undefined;
    if (number !== undefined) numbers[key] = number;
  }
  return numbers;
}

const NON_FINITE: ReadonlyMap<unknown, number> = new Map([
  ['nan', Number.NaN],
  ['inf', Number.POSITIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
]);

type Schema =
  | 'summary'
  | 'manifest'
  | 'evaluation'
  | 'explanation'
  | 'confidence'
  | 'notes'
  | 'checkpoints'
  | 'baseline'
  | 'sweep-plan'
  | 'out-of-fold';

/** Reads a file and validates it with the schema that describes `T`; undefined if it is missing. */
export function readJson<T>(path: string, schema: Schema): T | undefined {
  return isAbsent(path) ? undefined : parseValid<T>(path, readText(path, { follow: false }), schema);
}

/** Throws (exit 5) if the text of `file` is not valid against the schema that describes `T`. */
export function parseValid<T>(file: string, text: string, schema: Schema): T {
  const value = parseJson(file, text);
  const [wrong] = validateAgainst(schema, value);
  if (wrong === undefined) return value as T;
  const message = `this is not a valid ${schema} file: ${wrong.instancePath} ${wrong.message}`;
  throw damagedError('run/damaged', message, { file });
}

/** Far more than any file or request of cellrun has. */
const MAX_DEPTH = 32;

/** `JSON.parse` reads deeper nesting than other functions can walk through. */
export function isTooDeep(value: unknown, levels = MAX_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some(entry => isTooDeep(entry, levels - 1));
}

/** Throws (exit 5) with the place if the text of `file` is not JSON. It may be confidential. */
export function parseJson(file: string, text: string): unknown {
  const value = parsed(file, text);
  if (!isTooDeep(value)) return value;
  const expected = `at most ${MAX_DEPTH} levels`;
  throw damagedError('run/damaged', 'the nesting is too deep', { file, expected });
}

function parsed(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof SyntaxError ? error.message : '';
    const end = reason.includes('end of JSON') ? text.length - 1 : undefined;
    const [, at = end] = /at position (\d+)/.exec(reason) ?? [];
    const lines = text.slice(0, Number(at ?? 0)).split('\n');
    const place = { line: lines.length, column: lines[lines.length - 1].length + 1 };
    throw damagedError('run/damaged', 'this is not JSON', { file, ...(at !== undefined && place) });
  }
}
