import type { Schema } from '../../src/config/schema/schema.js';

/** Lists missing annotations of the key at `path`: description, example, bounds of a number. */
export function unexplained({ path, schema }: { path: readonly string[]; schema: Schema }): string[] {
  const isNumber = schema.type === 'number' || schema.type === 'integer';
  const low = schema.minimum ?? schema.exclusiveMinimum;
  const high = schema.maximum ?? schema.exclusiveMaximum;
  const missing = [
    !schema.description && 'a description',
    (schema.examples ?? []).length === 0 && 'an example',
    isNumber && (low === undefined || high === undefined) && 'bounds',
  ].filter(what => what !== false);
  return missing.map(what => `${path.join('.')} lacks ${what}`);
}

/** True if all objects in a schema, including itself, allow only the keys that they name. */
export function isClosed(schema: unknown): boolean {
  if (typeof schema !== 'object' || schema === null) return true;
  const { type, properties, additionalProperties, oneOf } = schema as Schema;
  // of a union, the alternatives are closed
  const isPlain = type === 'object' && properties !== undefined && oneOf === undefined;
  // a condition may forbid keys of an object that is closed elsewhere
  const onlyForbids = Object.values(properties ?? {}).every(one => one === false);
  const isOpen = isPlain && !onlyForbids && additionalProperties !== false;
  return !isOpen && Object.values(schema).every(isClosed);
}
