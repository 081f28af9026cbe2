/** Checks the arguments of library calls, since JavaScript callers have no compiler to do so. */
import { type Diagnostic, usageErrors } from './errors.js';
import { nearest } from './nearest.js';

export interface Kind {
  /** Such as `a path`. */
  readonly expected: string;
  accepts(value: unknown): boolean;
}

export const path: Kind = { expected: 'a path', accepts: value => typeof value === 'string' && value !== '' };

export const text: Kind = { expected: 'a string', accepts: value => typeof value === 'string' };

export const texts: Kind = {
  expected: 'a list of strings',
  accepts: value => Array.isArray(value) && value.every(item => typeof item === 'string'),
};

export const flag: Kind = { expected: 'true or false', accepts: value => typeof value === 'boolean' };

export const callback: Kind = { expected: 'a function', accepts: value => typeof value === 'function' };

export const signal: Kind = { expected: 'an AbortSignal', accepts: value => value instanceof AbortSignal };

/** Values by key path. */
export const overrides: Kind = {
  expected: "an object such as { 'training.num_epochs': 3 }",
  accepts: isPlainObject,
};

export function integer(min: number, max = Number.POSITIVE_INFINITY): Kind {
  return {
    expected: `a whole number from ${min}${Number.isFinite(max) ? ` to ${max}` : ''}`,
    accepts: value => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
  };
}

export function oneOf(...names: readonly string[]): Kind {
  return { expected: `one of ${names.join(', ')}`, accepts: value => names.some(name => name === value) };
}

export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @param call the function, such as `run` */
export function checkArgument(call: string, name: string, value: unknown, kind: Kind): void {
  if (!kind.accepts(value)) throw usageErrors([wrong(call, name, value, kind)]);
}

export function checkOptions<O>(
  call: string,
  options: unknown,
  kinds: { readonly [K in keyof Required<O>]: Kind },
): asserts options is O {
  const expected = 'an object of options';
  if (!isPlainObject(options))
    throw usageErrors([wrong(call, 'options', options, { expected, accepts: isPlainObject })]);
  const known: ReadonlyMap<string, Kind> = new Map(Object.entries<Kind>(kinds));
  const problems = Object.entries(options).flatMap(([name, value]): Diagnostic[] => {
    const kind = known.get(name);
    if (kind === undefined) return [unknownOption(call, name, [...known.keys()])];
    return value === undefined || kind.accepts(value) ? [] : [wrong(call, name, value, kind)];
  });
  if (problems.length > 0) throw usageErrors(problems);
}

function wrong(call: string, name: string, value: unknown, { expected }: Kind): Diagnostic {
  const got = inWords(value);
  const message = `\`${name}\` must be ${expected}, not ${got}`;
  return { code: 'library/argument', message, file: `${call}()`, expected, got };
}

function unknownOption(call: string, name: string, names: readonly string[]): Diagnostic {
  const suggestion = nearest(name, names);
  const meant = suggestion === undefined ? '' : `; did you mean \`${suggestion}\`?`;
  return {
    code: 'library/unknown-option',
    message: `there is no option \`${name}\`${meant}`,
    file: `${call}()`,
    expected: names.length === 0 ? 'no options' : `one of ${names.join(', ')}`,
    suggestion,
  };
}

/** Describes a value of any type briefly, since it may be large. */
export function inWords(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60));
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
