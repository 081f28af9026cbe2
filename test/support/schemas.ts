/** What every schema of ours owes its readers. */
import type { Schema } from '../../src/config/schema/walk.js';

/**
 * What is missing at a key that stands at `path`: a description, an example, the bounds of a
 * number.
 */
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

/** Fields below `path` that nothing explains. */
export function undescribed(schema: Schema, path: string): string[] {
  const { properties = {}, items, oneOf = [] } = schema;
  const parts: (readonly [where: string, part: Schema])[] = [
    ...Object.entries(properties)
      .filter((entry): entry is [string, Schema] => typeof entry[1] === 'object' && !isTag(...entry))
      .map(([name, part]) => [`${path}.${name}`, part] as const),
    ...oneOf.map((part, i) => [`${path} ${i}`, part] as const),
    ...(items === undefined ? [] : [[`${path}[]`, items] as const]),
  ];
  return parts.flatMap(([where, part]) => [
    ...(part.description ? [] : [`${where} is not described`]),
    ...undescribed(part, where),
  ]);
}

/** What tells branches apart is explained by its branch. */
function isTag(name: string, field: Schema | boolean): boolean {
  return (name === 'event' || name === 'kind') && typeof field === 'object' && field.const !== undefined;
}
