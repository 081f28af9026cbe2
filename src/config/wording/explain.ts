/** What can be said about a key: its meaning and bounds from the schema, its value and origin from a config. */
import { usageError } from '../../util/errors.js';
import type { LoadedExperiment } from '../load.js';
import { flatValues } from '../merge/flat.js';
import { allKeys, isRecord, type Schema, schemaAt } from '../schema/walk.js';
import { describeExpected } from './expectation.js';
import { nearest } from './suggest.js';

export interface ExplainedValue {
  /** Key path such as `gates.0.min`. */
  readonly key: string;
  readonly value: unknown;
  /** `FILE:LINE:COL`, `--set` or `default`. */
  readonly origin: string;
}

export interface ExplainedKey {
  readonly key: string;
  readonly description: string;
  readonly expected: string;
  /** In words where it depends on other keys; absent where the key has none. */
  readonly default?: unknown;
  readonly examples: readonly unknown[];
  /** The key's value, or those below it; empty where it is not set. */
  readonly values: readonly ExplainedValue[];
}

/** Every value of a config and where it came from, in the schema's order. */
export function explainValues(loaded: LoadedExperiment): readonly ExplainedValue[] {
  return leaves(loaded, loaded.experiment, []);
}

/** @throws UserError (exit 2) for a key that no config can have here */
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

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, step) => {
    if (Array.isArray(at)) return at[Number(step)];
    return isRecord(at) ? at[step] : undefined;
  }, value);
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
