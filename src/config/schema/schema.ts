/** Validates configs, log events, summaries and other files against their JSON Schemas. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { ErrorObject, ValidateFunction } from 'ajv';
import { packageRoot, programFile } from '../../util/root.js';
import { compileValidator } from './compiler.js';

export type SchemaError = ErrorObject;

const require = createRequire(import.meta.url);
const compiled = new Map<string, ValidateFunction>();
const quick = new Map<string, ((value: unknown) => boolean) | undefined>();
const whole = new Map<string, object>();

/** Reads `schemas/NAME.schema.json` of the package. */
export function readSchema(name: string): object {
  return JSON.parse(schemaText(name)) as object;
}

function schemaText(name: string): string {
  return readFileSync(join(packageRoot, 'schemas', `${name}.schema.json`), 'utf8');
}

/**
 * The schema with all references to `definitions` resolved and `unevaluatedProperties` replaced by
 * `closedForm`, so that it can be walked and matches the paths in the validator's errors.
 * References must not form cycles.
 */
export function wholeSchema(name: string): object {
  const known = whole.get(name);
  if (known !== undefined) return known;
  const resolved = resolvedSchema(name, 'complete');
  whole.set(name, resolved);
  return resolved;
}

/**
 * How alternatives of an object repeat its common properties. `complete`: with their schemas, for
 * walking an alternative. `lean`: only by name, so that the validator compiles them once, outside
 * the alternatives.
 */
type Alternatives = 'complete' | 'lean';

function resolvedSchema(name: string, alternatives: Alternatives): object {
  const { definitions = {}, ...schema } = readSchema(name) as Readonly<Record<string, object>>;
  return followReferences(schema, definitions as Readonly<Record<string, object>>, alternatives) as object;
}

function followReferences(
  part: unknown,
  definitions: Readonly<Record<string, object>>,
  alternatives: Alternatives,
): unknown {
  const follow = (inner: unknown): unknown => followReferences(inner, definitions, alternatives);
  if (Array.isArray(part)) return part.map(follow);
  if (typeof part !== 'object' || part === null) return part;
  if ('$ref' in part && typeof part.$ref === 'string') {
    const { $ref, ...beside } = part;
    const name = $ref.replace('#/definitions/', '');
    if (!(name in definitions)) throw new Error(`the schema has no definition ${name}`);
    return follow({ ...definitions[name], ...beside });
  }
  const entries = Object.entries(part).map(([key, value]) => [key, follow(value)]);
  const followed: ComposedSchema = Object.fromEntries(entries);
  return followed.unevaluatedProperties === false ? closedForm(followed, alternatives) : followed;
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

/** Merges two schemas; the properties of `inner` come first. */
function composed(outer: ComposedSchema, inner: ComposedSchema): ComposedSchema {
  return {
    ...outer,
    ...inner,
    properties: { ...inner.properties, ...outer.properties },
    required: [...new Set([...(inner.required ?? []), ...(outer.required ?? [])])],
  };
}

/**
 * The validator of `schemas/NAME.schema.json` that reports all errors. Compiled by the build, or
 * here if the schema has changed since. Cached per process.
 */
export function compileSchema(name: string): ValidateFunction {
  const known = compiled.get(name);
  if (known !== undefined) return known;
  const validate = builtValidator(name, 'complete') ?? compileValidator(schemaToValidate(name));
  compiled.set(name, validate);
  return validate;
}

/** All errors of `value` against `schemas/NAME.schema.json`; empty if it is valid. */
export function validateAgainst(name: string, value: unknown): readonly SchemaError[] {
  if (quickValidator(name)?.(value)) return [];
  const validate = compileSchema(name);
  return validate(value) ? [] : [...(validate.errors ?? [])];
}

/**
 * The schema to compile a validator from: `wholeSchema` without parts that would be compiled twice.
 */
export function schemaToValidate(name: string): object {
  return resolvedSchema(name, 'lean');
}

/**
 * The file of a schema's validator, a CommonJS module written by the build. `complete` reports all
 * errors; `quick` only returns false if there is one.
 */
export function validatorFile(name: string, form: 'complete' | 'quick' = 'complete'): string {
  const file = form === 'complete' ? `${name}.cjs` : `${name}.quick.cjs`;
  return programFile(`config/validators/${file}`);
}

/** SHA-256 (hex) of the schema's file. Detects validators compiled from another version of it. */
export function schemaHash(name: string): string {
  return createHash('sha256').update(schemaText(name)).digest('hex');
}

interface ValidatorModule {
  readonly validate: ValidateFunction;
  readonly schemaHash: string;
}

/** Undefined if only `tsc` was run, or if the schema has changed since the build. */
function builtValidator(name: string, form: 'complete' | 'quick'): ValidateFunction | undefined {
  const file = validatorFile(name, form);
  if (!existsSync(file)) return undefined;
  const built = require(file) as ValidatorModule;
  return built.schemaHash === schemaHash(name) ? built.validate : undefined;
}

/**
 * A validator that returns true only for valid values, but may return false for some of them.
 * Including loading, it takes a tenth of the time of `compileSchema`. Undefined if the build has
 * none for this version of the schema.
 */
export function quickValidator(name: string): ((value: unknown) => boolean) | undefined {
  if (!quick.has(name)) {
    const validate = builtValidator(name, 'quick');
    quick.set(name, validate && (value => validate(value) && !hasInheritedName(value)));
  }
  return quick.get(name);
}

/** True if there is a key such as `constructor`, which ajv takes for an evaluated one. */
function hasInheritedName(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(
    ([key, inner]) => (!Array.isArray(value) && key in Object.prototype) || hasInheritedName(inner),
  );
}
