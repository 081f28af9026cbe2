/**
 * JSON Schema validation of everything that has a schema: configs, log events, summaries, manifests.
 * The only importer of ajv, which is loaded on first use, so that a command that validates nothing doesn't pay.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Ajv, ErrorObject, ValidateFunction } from 'ajv';
import { packageRoot } from '../root.js';

export type SchemaError = ErrorObject;

const load = createRequire(import.meta.url);
const compiled = new Map<string, ValidateFunction>();
const whole = new Map<string, object>();
let shared: Ajv | undefined;

/** Our annotations: they guide people and the type generator, not validation. */
const ANNOTATIONS = ['x-path', 'x-form', 'x-default', 'x-aliases', 'x-unhashed-default'];

/** Reads `schemas/NAME.schema.json` of the package. */
export function readSchema(name: string): unknown {
  return JSON.parse(readFileSync(join(packageRoot, 'schemas', `${name}.schema.json`), 'utf8'));
}

/**
 * The same with every reference into its `definitions` followed, and with `unevaluatedProperties`
 * spelled out by `closedForm`, so that whoever walks it, and the paths in the validator's errors,
 * need not. References form no cycles.
 */
export function wholeSchema(name: string): object {
  const known = whole.get(name);
  if (known !== undefined) return known;
  const resolved = resolvedSchema(name, 'complete');
  whole.set(name, resolved);
  return resolved;
}

/**
 * How the alternatives of an object have the properties that it has whichever it is: `complete`
 * with their schemas, for whoever asks an alternative what it takes; `lean` as names alone, which
 * are judged once beside the alternatives, so that the validator compiles them once.
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

/** A schema that may be composed of others by `allOf` and `oneOf`. */
interface ComposedSchema {
  readonly properties?: object;
  readonly required?: readonly string[];
  readonly allOf?: readonly ComposedSchema[];
  readonly oneOf?: readonly ComposedSchema[];
  readonly unevaluatedProperties?: boolean;
}

/**
 * An object whose properties come from several schemas and that takes no others, as a union of
 * objects that are each closed by themselves. The validator's errors are then about the one
 * alternative that a value takes.
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

/** `inner` has the properties that come first. */
function composed(outer: ComposedSchema, inner: ComposedSchema): ComposedSchema {
  return {
    ...outer,
    ...inner,
    properties: { ...inner.properties, ...outer.properties },
    required: [...new Set([...(inner.required ?? []), ...(outer.required ?? [])])],
  };
}

/** The validator of `schemas/NAME.schema.json`, compiled once a process, reporting all errors. */
export function compileSchema(name: string): ValidateFunction {
  const known = compiled.get(name);
  if (known !== undefined) return known;
  const validate = ajv().compile(resolvedSchema(name, 'lean'));
  compiled.set(name, validate);
  return validate;
}

/** All violations of `schemas/NAME.schema.json` by `value`; empty where it is valid. */
export function validateAgainst(name: string, value: unknown): readonly SchemaError[] {
  const validate = compileSchema(name);
  return validate(value) ? [] : [...(validate.errors ?? [])];
}

function ajv(): Ajv {
  if (shared === undefined) {
    const library = load('ajv') as { Ajv: new (options: object) => Ajv };
    shared = new library.Ajv({
      strict: true,
      strictRequired: false,
      allErrors: true,
      discriminator: true,
      verbose: true,
      allowUnionTypes: true,
      // compiling is half of what a command's start costs: a test checks the schemas themselves, and most values are checked once
      validateSchema: false,
      code: { optimize: false },
    });
    shared.addVocabulary(ANNOTATIONS);
    // ISO time stamps in events; a check of the form only needs no further package.
    shared.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
  }
  return shared;
}
