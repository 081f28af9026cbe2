/** Reads the JSON Schemas of configs and other files, and queries them. */
import { fs, join } from '../../host/index.js';
import { packageRoot } from '../../util/root.js';
import type { Path } from '../yaml/tree.js';

const whole = new Map<string, Schema>();

export function readSchema(name: string): object {
  return JSON.parse(fs.readFileSync(join(packageRoot, 'schemas', `${name}.schema.json`), 'utf8')) as object;
}

/**
 * The schema with all references to `definitions` resolved, so that it can be walked and matches
 * the paths in the errors of a validation.
 */
export function wholeSchema(name: string): Schema {
  const resolved = whole.get(name) ?? resolvedSchema(name);
  whole.set(name, resolved);
  return resolved;
}

function resolvedSchema(name: string): Schema {
  const { definitions = {}, ...schema } = readSchema(name) as Readonly<Record<string, object>>;
  const known = new Map<string, object>();
  const definition = (name: string): object => {
    const found =
      known.get(name) ?? (follow((definitions as Readonly<Record<string, object>>)[name]) as object);
    known.set(name, found);
    return found;
  };
  const follow = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(follow);
    if (typeof part !== 'object' || part === null) return part;
    const { $ref, ...beside } = part as { readonly $ref?: string };
    const local = Object.entries(beside).map(([key, value]) => [key, follow(value)] as const);
    if ($ref === undefined) return Object.fromEntries(local);
    const named = definition($ref.replace('#/definitions/', ''));
    return local.length === 0 ? named : { ...named, ...Object.fromEntries(local) };
  };
  return follow(schema) as Schema;
}

/** The part of JSON Schema that our schemas use, references followed. */
export interface Schema {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema | boolean>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  /** A schema if keys are free, such as those of a sweep's parameters. */
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly if?: Schema;
  readonly then?: Schema;
  readonly else?: Schema;
  readonly discriminator?: { readonly propertyName: string };
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly 'x-path'?: boolean;
  readonly pattern?: string;
  /** A `pattern`, or an `enum` of many values, in words. */
  readonly 'x-form'?: string;
  readonly 'x-default'?: string;
  /** True if the run chooses the default. The resolved config then lacks the key. */
  readonly 'x-run-default'?: boolean;
  readonly 'x-aliases'?: readonly string[];
  /** Sibling keys that are not inherited from an extended config if this key is set. */
  readonly 'x-excludes'?: readonly string[];
}

export function experimentSchema(): Schema {
  return wholeSchema('experiment');
}

export function sweepSchema(): Schema {
  return wholeSchema('sweep');
}

export interface Branch {
  readonly tag: string;
  readonly schema: Schema;
}

/** The branches of a tagged union; undefined for any other schema. */
export function branchesOf(schema: Schema): { key: string; branches: readonly Branch[] } | undefined {
  const key = schema.discriminator?.propertyName;
  if (key === undefined || schema.oneOf === undefined) return undefined;
  const branches = schema.oneOf.flatMap(branch => {
    const tag = branch.properties?.[key];
    const tags = typeof tag === 'object' ? (tag.enum ?? [tag.const]) : [undefined];
    return tags.map(value => ({ tag: String(value), schema: branch }));
  });
  return { key, branches };
}

/** Like `branchesOf`, also if the union is one of several forms, such as a string or a mapping. */
export function taggedWithin(schema: Schema): ReturnType<typeof branchesOf> {
  return branchesOf(schema) ?? schema.oneOf?.map(branchesOf).find(union => union !== undefined);
}

/** Resolves unions by the value. Returns undefined if it matches no branch. */
export function narrow(schema: Schema, value: unknown): Schema | undefined {
  const union = branchesOf(schema);
  if (union !== undefined) {
    const tag = isRecord(value) ? value[union.key] : undefined;
    return union.branches.find(branch => branch.tag === tag)?.schema;
  }
  if (schema.oneOf === undefined) return schema;
  const form = formFor(schema.oneOf, value);
  return form === undefined ? undefined : narrow(form, value);
}

/**
 * The alternative of an untagged union that matches a value: among those of its type, the first
 * whose required keys it has, or else the last. Undefined if none has its type.
 */
export function formFor(forms: readonly Schema[], value: unknown): Schema | undefined {
  const typed = forms.filter(form => hasType(form, value));
  return typed.find(form => hasRequired(form, value)) ?? typed.at(-1);
}

function hasRequired({ required = [], properties = {} }: Schema, value: unknown): boolean {
  return required.every(key => {
    const property = properties[key];
    const given = isRecord(value) ? value[key] : undefined;
    return given !== undefined && (typeof property !== 'object' || hasType(property, given));
  });
}

/**
 * Keys that determine the branch of a union: tags, and the required keys of untagged alternatives.
 */
export function decidingKeys(schema: Schema): readonly string[] {
  const union = branchesOf(schema);
  if (union !== undefined) return [union.key];
  return (schema.oneOf ?? []).flatMap(form =>
    form.oneOf === undefined ? (form.required ?? []) : decidingKeys(form),
  );
}

/** The branch that a mapping chooses by one of its keys, if any. */
export function decidedBranch(schema: Schema, value: unknown): Schema | undefined {
  const isDecided = decidingKeys(schema).some(key => valueAt(value, [key]) !== undefined);
  return isDecided ? narrow(schema, value) : undefined;
}

/** True if a value has the JSON type of a schema without `oneOf`. */
export function hasType(schema: Schema, value: unknown): boolean {
  if (schema.type === undefined) return true;
  const types = typeof schema.type === 'string' ? [schema.type] : schema.type;
  return types.some(type => type === typeOf(value) || (type === 'number' && typeOf(value) === 'integer'));
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function propertiesOf(schema: Schema): ReadonlyMap<string, Schema> {
  const found = new Map<string, Schema>();
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    if (typeof property === 'object') found.set(key, property);
  }
  return found;
}

/**
 * The schema at a path, narrowed by the values of `config`. If these do not determine the branch of
 * a union, uses the first branch that has the next key. Undefined for an unknown key.
 */
export function schemaAt(path: Path, config: unknown, root = experimentSchema()): Schema | undefined {
  let schema: Schema | undefined = root;
  let value: unknown = config;
  for (const step of path) {
    schema = stepInto(schema, step, value);
    if (schema === undefined) return undefined;
    value = valueAt(value, [step]);
  }
  return schema;
}

export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (at, step) => (isRecord(at) || Array.isArray(at) ? Reflect.get(at, step) : undefined),
    value,
  );
}

/** The schema of a key or item, narrowed like in `schemaAt`. */
function stepInto(schema: Schema, step: string | number, value: unknown): Schema | undefined {
  for (const form of [narrow(schema, value) ?? [], formsOf(schema)].flat()) {
    const { items, additionalProperties: open } = form;
    if (items !== undefined && /^\d+$/.test(String(step))) return items;
    const property = propertiesOf(form).get(String(step)) ?? (typeof open === 'object' ? open : undefined);
    if (property !== undefined) return property;
  }
  return undefined;
}

/** The alternatives of a union, including nested ones; any other schema is its only alternative. */
export function formsOf(schema: Schema): readonly Schema[] {
  return schema.oneOf === undefined ? [schema] : schema.oneOf.flatMap(formsOf);
}

export interface KnownKey {
  /** Keys from the root, without indices of lists. */
  readonly path: readonly string[];
  readonly schema: Schema;
}

const keys = new WeakMap<Schema, readonly KnownKey[]>();

export function allKeys(root = experimentSchema()): readonly KnownKey[] {
  const known = keys.get(root) ?? collect(root, []);
  keys.set(root, known);
  return known;
}

function collect(schema: Schema, path: readonly string[]): KnownKey[] {
  const facts = [...propertiesOf(schema)].flatMap(([key, property]) => {
    const here = [...path, key];
    return [{ path: here, schema: property }, ...collect(property, here)];
  });
  const inner = [...(schema.items ? [schema.items] : []), ...(schema.oneOf ?? [])];
  return [...facts, ...inner.flatMap(part => collect(part, path))];
}

/**
 * Lists all values in `value` with their key paths, such as `gates.0.min`, in order. A list of
 * plain values, such as `betas`, counts as one value.
 * @param path of `value` itself
 */
export function flatValues(value: unknown, path: readonly string[] = []): [key: string, value: unknown][] {
  const inner = isRecord(value) ? Object.entries(value) : Array.isArray(value) ? [...value.entries()] : [];
  const isDeep = isRecord(value) || inner.some(([, item]) => typeof item === 'object');
  if (isDeep) return inner.flatMap(([key, item]) => flatValues(item, [...path, String(key)]));
  return [[path.join('.'), value]];
}

/**
 * A copy of a value with all values in it changed, from the outside in, with keys in the order of
 * the schema. `change` also gets an undefined value for each absent key.
 */
export function mapBySchema(
  schema: Schema,
  value: unknown,
  change: (schema: Schema, value: unknown, at: Path) => unknown,
  at: Path = [],
): unknown {
  const changed = change(schema, value, at);
  const { items, additionalProperties: open, ...target } = narrow(schema, changed) ?? {};
  if (Array.isArray(changed))
    return changed.map((item, i) => mapBySchema(items ?? {}, item, change, [...at, i]));
  if (!isRecord(changed)) return changed;
  const properties = propertiesOf(target);
  const keys = [...new Set([...properties.keys(), ...Object.keys(changed)])];
  const entries = keys.map(key => {
    const part = properties.get(key) ?? (typeof open === 'object' ? open : {});
    return [key, mapBySchema(part, changed[key], change, [...at, key])];
  });
  return Object.fromEntries(entries.filter(([, inner]) => inner !== undefined));
}

/** True for a key whose value, or a form of it, is a file path. */
export function isPathKey(key: Path): boolean {
  const schema = schemaAt(key, undefined);
  return schema !== undefined && formsOf(schema).some(form => form['x-path'] === true);
}

/** A copy of a config with every file path, which the schema marks with `x-path`, changed. */
export function mapPaths<T>(config: T, change: (path: string, at: Path) => string): T {
  return mapBySchema(experimentSchema(), config, (schema, value, at) =>
    typeof value === 'string' && narrow(schema, value)?.['x-path'] === true ? change(value, at) : value,
  ) as T;
}

export function pathsIn(config: unknown): (readonly [path: string, at: Path])[] {
  const found: (readonly [string, Path])[] = [];
  mapPaths(config, (path, at) => {
    found.push([path, at]);
    return path;
  });
  return found;
}
