/** File paths in a config, which the schema marks with `x-path`. */
import { experimentSchema, isRecord, narrow, propertiesOf, type Schema } from './schema/walk.js';
import type { Path } from './yaml/tree.js';

/** A copy of the config with every path replaced by `change`. */
export function mapPaths<T>(config: T, change: (path: string, at: Path) => string): T {
  return walk(experimentSchema(), config, [], change) as T;
}

function walk(schema: Schema, value: unknown, at: Path, change: (path: string, at: Path) => string): unknown {
  if (schema['x-path'] === true && typeof value === 'string') return change(value, at);
  const { items } = schema;
  if (Array.isArray(value) && items !== undefined)
    return value.map((item, index) => walk(items, item, [...at, index], change));
  const properties = propertiesOf(narrow(schema, value) ?? {});
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).map(([key, inner]) => {
    const property = properties.get(key);
    return [key, property === undefined ? inner : walk(property, inner, [...at, key], change)];
  });
  return Object.fromEntries(entries);
}
