/** Explains the keys and values of configs, and compares two configs. */
import { usageError } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import type { LoadedExperiment } from './load.js';
import { allKeys, flatValues, isRecord, schemaAt, valueAt } from './schema/schema.js';
import { describeExpected } from './schema-errors.js';

export interface ExplainedValue {
  readonly key: string;
  readonly value: unknown;
  /** `FILE:LINE:COL`, `--set` or `default`. */
  readonly origin: string;
}

/** The value at `path`, or the values below it. */
export function explainValues(
  { experiment, origin }: LoadedExperiment,
  path: readonly string[] = [],
): readonly ExplainedValue[] {
  const value = valueAt(experiment, path);
  if (value === undefined) return [];
  return flatValues(value, path).map(([key, value]) => ({ key, value, origin: origin(key) }));
}

export type ExplainedKey = ReturnType<typeof explainKey>;

/** `values` is empty if the key is not set; its default may be in words, or absent. */
export function explainKey(loaded: LoadedExperiment, key: string) {
  const path = key.replace(/\[(\d+)\]/g, '.$1').split('.');
  const schema = schemaAt(path, loaded.experiment);
  if (schema === undefined || key === 'extends') {
    const known = new Set(allKeys().map(({ path }) => path.join('.')));
    known.delete('extends');
    const suggestion = nearest(key, [...known]) ?? [...known].find(path => path.endsWith(`.${key}`));
    const message = `a config has no key \`${key}\``;
    throw usageError('config/unknown-key', message, { suggestion });
  }
  const given: unknown = schema['x-default'] ?? schema.default;
  const isEmpty = given === undefined || (isRecord(given) && Object.keys(given).length === 0);
  return {
    key: path.join('.'),
    description: schema.description ?? 'An item of a list.',
    expected: describeExpected(schema),
    ...(!isEmpty && { default: given }),
    examples: schema.examples ?? [],
    values: explainValues(loaded, path),
  };
}

export type ConfigDifference = ReturnType<typeof configDifferences>[number];

/** Sorted by key. `1e-2` equals `0.01`, and defaults are filled in. */
export function configDifferences(a: LoadedExperiment, b: LoadedExperiment) {
  const [inA, inB] = [a, b].map(
    config => new Map(explainValues(config).map(({ key, ...value }) => [key, value])),
  );
  const keys = [...new Set([...inA.keys(), ...inB.keys()])].sort((key, other) =>
    // items of lists by number, `gates.10` after `gates.9`
    key.localeCompare(other, 'en', { numeric: true }),
  );
  return keys
    .map(key => ({ key, a: valueIn(inA, inB, key), b: valueIn(inB, inA, key) }))
    .filter(({ a, b }) => JSON.stringify(a?.value) !== JSON.stringify(b?.value));
}

type Values = ReadonlyMap<string, Omit<ExplainedValue, 'key'>>;

/** An empty list has no value if the other side has items: then the items differ. */
function valueIn(values: Values, other: Values, key: string) {
  const found = values.get(key);
  const isEmpty = Array.isArray(found?.value) && found.value.length === 0;
  return isEmpty && [...other.keys()].some(longer => longer.startsWith(`${key}.`)) ? undefined : found;
}
