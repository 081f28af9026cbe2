/**
 * Keys added after the first release (`x-unhashed-default`). At their defaults they do not change
 * the hash of a config, so that older runs belong to the same experiment.
 */
import { experimentSchema, isRecord, narrow, propertiesOf, type Schema, schemaAt } from '../schema/walk.js';

/** A copy of a config without younger keys at their defaults. */
export function withoutYoungerDefaults(config: unknown): unknown {
  return walk(experimentSchema(), config, (value, younger) => {
    const kept = Object.entries(value).filter(([key, inner]) => {
      const property = younger.get(key);
      return property === undefined || JSON.stringify(inner) !== JSON.stringify(property.default);
    });
    return Object.fromEntries(kept);
  });
}

/**
 * A copy of a config, perhaps of another version, with missing younger keys set to their defaults.
 */
export function withYoungerDefaults<T>(config: T): T {
  return walk(experimentSchema(), config, (value, younger) => {
    const lacking = [...younger].filter(([key]) => value[key] === undefined);
    return {
      ...value,
      ...Object.fromEntries(lacking.map(([key, { default: otherwise }]) => [key, otherwise])),
    };
  }) as T;
}

/** The default of a younger key, by its path; undefined for other keys. */
export function youngerDefault(path: string): unknown {
  const schema = schemaAt(path.split('.'), undefined);
  return schema?.['x-unhashed-default'] === true ? schema.default : undefined;
}

type Younger = ReadonlyMap<string, Schema>;

function walk(
  schema: Schema,
  value: unknown,
  change: (value: Readonly<Record<string, unknown>>, younger: Younger) => Readonly<Record<string, unknown>>,
): unknown {
  const { items } = schema;
  if (Array.isArray(value) && items !== undefined) return value.map(item => walk(items, item, change));
  if (!isRecord(value)) return value;
  const properties = propertiesOf(narrow(schema, value) ?? {});
  const younger = new Map([...properties].filter(([, property]) => property['x-unhashed-default'] === true));
  const entries = Object.entries(value).map(([key, inner]) => [
    key,
    walk(properties.get(key) ?? {}, inner, change),
  ]);
  return change(Object.fromEntries(entries), younger);
}
