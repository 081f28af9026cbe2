/** Validates configs, log events, summaries and other files against their JSON Schemas. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { ErrorObject, ValidateFunction } from 'ajv';
import { packageRoot, programFile } from '../../util/root.js';

export type SchemaError = ErrorObject;

const require = createRequire(import.meta.url);
const whole = new Map<string, object>();

export function readSchema(name: string): object {
  return JSON.parse(readFileSync(join(packageRoot, 'schemas', `${name}.schema.json`), 'utf8')) as object;
}

/**
 * The schema with all references to `definitions` resolved and `unevaluatedProperties` replaced by
 * `closedForm`, so that it can be walked and matches the paths in the validator's errors.
 */
export function wholeSchema(name: string): object {
  const resolved = whole.get(name) ?? resolvedSchema(name, 'complete');
  whole.set(name, resolved);
  return resolved;
}

/**
 * The schema to compile a validator from: `wholeSchema` without parts that would be compiled twice.
 */
export function schemaToValidate(name: string): object {
  return resolvedSchema(name, 'lean');
}

/**
 * How alternatives of an object repeat its common properties. `complete`: with their schemas, for
 * walking an alternative. `lean`: only by name, so that the validator compiles them once, outside
 * the alternatives.
 */
type Alternatives = 'complete' | 'lean';

function resolvedSchema(name: string, alternatives: Alternatives): object {
  const { definitions = {}, ...schema } = readSchema(name) as Readonly<Record<string, ComposedSchema>>;
  const known = new Map<string, unknown>();
  const follow = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(follow);
    if (typeof part !== 'object' || part === null) return part;
    if ('$ref' in part) {
      const { $ref, ...beside } = part as { readonly $ref: string };
      const reference = $ref.replace('#/definitions/', '');
      const definition = (definitions as Readonly<Record<string, object>>)[reference];
      if (Object.keys(beside).length > 0) return follow({ ...definition, ...beside });
      if (!known.has(reference)) known.set(reference, follow(definition));
      return known.get(reference);
    }
    const entries = Object.entries(part).map(([key, value]) => [key, follow(value)]);
    const followed: ComposedSchema = Object.fromEntries(entries);
    return followed.unevaluatedProperties === false ? closedForm(followed, alternatives) : followed;
  };
  return follow(schema) as object;
}

/** A schema that may be composed with `allOf` and `oneOf`. */
interface ComposedSchema {
  readonly properties?: object;
  readonly required?: readonly string[];
  readonly allOf?: readonly ComposedSchema[];
  readonly oneOf?: readonly ComposedSchema[];
  readonly unevaluatedProperties?: boolean;
}

/**
 * Rewrites a closed object that is composed of several schemas as a union of objects that are each
 * closed. The validator's errors are then about the one alternative that a value matches.
 */
function closedForm(schema: ComposedSchema, alternatives: Alternatives, around: ComposedSchema = {}): object {
  const { unevaluatedProperties: _, allOf = [], ...own } = schema;
  const { properties, oneOf, ...whole } = [...allOf, own].reduce(composed);
  const { properties: all, required } = composed(around, { properties, required: whole.required });
  if (oneOf === undefined) return { ...whole, properties: all, required, additionalProperties: false };
  const isLean = alternatives === 'lean';
  const shared = isLean ? Object.fromEntries(Object.keys(all ?? {}).map(key => [key, true])) : all;
  const forms = oneOf.map(form => closedForm(form, alternatives, { properties: shared, required }));
  return { ...whole, ...(isLean && { properties: all }), oneOf: forms };
}

function composed(outer: ComposedSchema, inner: ComposedSchema): ComposedSchema {
  return {
    ...outer,
    ...inner,
    properties: { ...inner.properties, ...outer.properties },
    required: [...new Set([...(inner.required ?? []), ...(outer.required ?? [])])],
  };
}

/** All errors of `value` against `schemas/NAME.schema.json`; empty if it is valid. */
export function validateAgainst(name: string, value: unknown): readonly SchemaError[] {
  if (isValidQuickly(name, value)) return [];
  const validate = builtValidator(name);
  return validate(value) ? [] : [...(validate.errors ?? [])];
}

/**
 * True only for valid values, but may be false for some of them. Including loading, it takes a
 * tenth of the time of the complete validator.
 */
export function isValidQuickly(name: string, value: unknown): boolean {
  return builtValidator(name, 'quick')(value) && !hasInheritedName(value);
}

/**
 * The file of a schema's validator, a CommonJS module written by the build. `complete` reports all
 * errors; `quick` only returns false if there is one.
 */
export function validatorFile(name: string, form: 'complete' | 'quick' = 'complete'): string {
  const file = form === 'complete' ? `${name}.cjs` : `${name}.quick.cjs`;
  return programFile(`config/validators/${file}`);
}

export function builtValidator(name: string, form?: 'quick'): ValidateFunction {
  return require(validatorFile(name, form)) as ValidateFunction;
}

/** True if there is a key such as `constructor`, which ajv takes for an evaluated one. */
function hasInheritedName(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(
    ([key, inner]) => (!Array.isArray(value) && key in Object.prototype) || hasInheritedName(inner),
  );
}
