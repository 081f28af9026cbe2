/** JSON values, numbers that JSON cannot represent, and JSON files validated with their schemas. */
import { validateAgainst } from '../config/schema/schema.js';
import { damagedError } from '../util/errors.js';
import { isAbsent, readText } from './files.js';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** The message that `what` is not JSON. The text there may be confidential. */
export function notJson(what: string, error: unknown): string {
  const told = error instanceof SyntaxError ? error.message : '';
  const [where] = /at position \d+( \(line \d+ column \d+\))?/.exec(told) ?? [];
  return `${what} is not JSON${where === undefined ? '' : `, ${where}`}`;
}

/** Where `JSON.parse` failed in `text`, as far as its error says so. */
export function placeInJson(text: string, error: unknown): { line?: number; column?: number } {
  const told = error instanceof SyntaxError ? error.message : '';
  const end = told.includes('end of JSON') ? text.length - 1 : undefined;
  const [, at = end] = /at position (\d+)/.exec(told) ?? [];
  if (at === undefined) return {};
  const lines = text.slice(0, Number(at)).split('\n');
  return { line: lines.length, column: lines[lines.length - 1].length + 1 };
}

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
    const number = value === null ? nonFinite(record[`${key}_nonfinite`]) : undefined;
    if (number !== undefined) numbers[key] = number;
  }
  return numbers;
}

export function nonFinite(name: unknown): number | undefined {
  return NON_FINITE.get(name);
}

const NON_FINITE: ReadonlyMap<unknown, number> = new Map([
  ['nan', Number.NaN],
  ['inf', Number.POSITIVE_INFINITY],
  ['-inf', Number.NEGATIVE_INFINITY],
]);

/** Reads a file and validates it with the schema that describes `T`; undefined if it is missing. */
export function readJson<T>(
  path: string,
  schema: 'summary' | 'manifest' | 'evaluation' | 'notes' | 'checkpoints',
): T | undefined {
  if (isAbsent(path)) return undefined;
  const text = readText(path, { follow: false });
  const damaged = (message: string) => damagedError({ code: 'run/damaged', message, file: path });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(notJson('this', error));
  }
  const [wrong] = validateAgainst(schema, value);
  if (wrong) throw damaged(`this is not the ${schema} of a run: ${wrong.instancePath} ${wrong.message}`);
  return value as T;
}
