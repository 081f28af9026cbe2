/** Explains the keys and values of configs, and compares two configs. */
import { usageError } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import { describeExpected } from './expected.js';
import type { LoadedExperiment } from './load.js';
import { allKeys, flatValues, isRecord, type Schema, schemaAt, valueAt } from './schema/walk.js';

export interface ExplainedValue {
  readonly key: string;
  readonly value: unknown;
  /** `FILE:LINE:COL`, `--set` or `default`. */
  readonly origin: string;
}

export interface ExplainedKey {
  readonly key: string;
  readonly description: string;
  readonly expected: string;
  /** In words if it depends on other keys; absent if the key has none. */
  readonly default?: unknown;
  readonly examples: readonly unknown[];
  /** The key's value, or the values below it; empty if it is not set. */
  readonly values: readonly ExplainedValue[];
}

export function explainValues(loaded: LoadedExperiment): readonly ExplainedValue[] {
  return leaves(loaded, loaded.experiment, []);
}

export function explainKey(loaded: LoadedExperiment, key: string): ExplainedKey {
  const path = key.replace(/\[(\d+)\]/g, '.$1').split('.');
  const schema = schemaAt(path, loaded.experiment);
  if (schema === undefined || key === 'extends') throw unknownKey(key);
  const value = valueAt(loaded.experiment, path);
  return {
    key: path.join('.'),
    description: schema.description ?? 'An item of a list.',
    expected: describeExpected(schema),
    ...defaultOf(schema),
    examples: schema.examples ?? [],
    values: value === undefined ? [] : leaves(loaded, value, path),
  };
}

function defaultOf(schema: Schema): { default?: unknown } {
  const value = schema['x-default'] ?? schema.default;
  return value === undefined || (isRecord(value) && Object.keys(value).length === 0)
    ? {}
    : { default: value };
}

function leaves(loaded: LoadedExperiment, value: unknown, path: readonly string[]): ExplainedValue[] {
  return flatValues(value, path).map(([key, inner]) => ({ key, value: inner, origin: loaded.origin(key) }));
}

function unknownKey(key: string): Error {
  const known = [...new Set(allKeys().map(({ path }) => path.join('.')))].filter(path => path !== 'extends');
  const suggestion = nearest(key, known) ?? known.find(path => path.endsWith(`.${key}`));
  return usageError({
    code: 'config/unknown-key',
    message: `a config has no key \`${key}\``,
    ...(suggestion === undefined ? {} : { suggestion }),
  });
}

export interface ConfigDifference {
  readonly key: string;
  readonly a?: Omit<ExplainedValue, 'key'>;
  readonly b?: Omit<ExplainedValue, 'key'>;
}

/** Sorted by key. `1e-2` equals `0.01`, and defaults are filled in. */
export function configDifferences(a: LoadedExperiment, b: LoadedExperiment): readonly ConfigDifference[] {
  const [inA, inB] = [valuesByKey(a), valuesByKey(b)];
  const keys = [...new Set([...inA.keys(), ...inB.keys()])].sort((one, other) =>
    // items of lists by number, `gates.10` after `gates.9`
    one.localeCompare(other, 'en', { numeric: true }),
  );
  return keys
    .map((key): ConfigDifference => {
      const [before, after] = [valueIn(inA, inB, key), valueIn(inB, inA, key)];
      return { key, ...(before && { a: before }), ...(after && { b: after }) };
    })
    .filter(difference => JSON.stringify(difference.a?.value) !== JSON.stringify(difference.b?.value));
}

type Values = ReadonlyMap<string, ExplainedValue>;

function valuesByKey(loaded: LoadedExperiment): Values {
  return new Map(explainValues(loaded).map(explained => [explained.key, explained]));
}

/** An empty list has no value if the other side has items: then the items differ. */
function valueIn(own: Values, other: Values, key: string): ConfigDifference['a'] {
  const found = own.get(key);
  if (found === undefined) return undefined;
  const isEmpty = Array.isArray(found.value) && found.value.length === 0;
  if (isEmpty && [...other.keys()].some(longer => longer.startsWith(`${key}.`))) return undefined;
  return { value: found.value, origin: found.origin };
}
