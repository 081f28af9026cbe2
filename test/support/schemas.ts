/** What every schema of ours owes its readers. */
import type { Schema } from '../../src/config/schema-walk.js';

/** What is missing at a key that stands at `path`: a description, an example, the bounds of a number. */
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

/** Whether every object in a schema, itself included, takes no other keys than it names. */
export function isClosed(schema: unknown): boolean {
  if (typeof schema !== 'object' || schema === null) return true;
  const { type, properties, additionalProperties } = schema as Schema;
  const isOpen = type === 'object' && properties !== undefined && additionalProperties !== false;
  return !isOpen && Object.values(schema).every(isClosed);
}
