/** Questions to the experiment's schema: what may stand at a path, given what the config says so far. */
import { readSchema } from './schema.js';
import type { Path } from './tree.js';

/** The part of JSON Schema that our schemas use. */
export interface Schema {
  readonly $ref?: string;
  readonly title?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema | boolean>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly discriminator?: { readonly propertyName: string };
  readonly definitions?: Readonly<Record<string, Schema>>;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly 'x-path'?: boolean;
  /** A `pattern` in words. */
  readonly 'x-form'?: string;
  readonly 'x-default'?: string;
  readonly 'x-aliases'?: readonly string[];
}

let root: Schema | undefined;

/** The whole schema of a config. */
export function experimentSchema(): Schema {
  root ??= readSchema('experiment') as Schema;
  return root;
}

/** Follows a reference into `definitions`. */
export function dereference(schema: Schema): Schema {
  if (schema.$ref === undefined) return schema;
  const name = schema.$ref.replace('#/definitions/', '');
  const target = experimentSchema().definitions?.[name];
  if (target === undefined) throw new Error(`the schema has no definition ${name}`);
  return dereference(target);
}

export interface Branch {
  /** The tag's value, such as `adam`. */
  readonly tag: string;
  readonly schema: Schema;
}

/** The branches of a union told apart by a tag; undefined for any other schema. */
export function branchesOf(schema: Schema): { key: string; branches: readonly Branch[] } | undefined {
  const key = schema.discriminator?.propertyName;
  if (key === undefined || schema.oneOf === undefined) return undefined;
  const branches = schema.oneOf.map(dereference).map(branch => {
    const tag = branch.properties?.[key];
    return { tag: String(typeof tag === 'object' ? tag.const : undefined), schema: branch };
  });
  return { key, branches };
}

/** Resolves references and unions by what the value says; undefined where it fits no branch. */
export function narrow(schema: Schema, value: unknown): Schema | undefined {
  const target = dereference(schema);
  const union = branchesOf(target);
  if (union !== undefined) {
    const tag = isRecord(value) ? value[union.key] : undefined;
    return union.branches.find(branch => branch.tag === tag)?.schema;
  }
  if (target.oneOf !== undefined) return target.oneOf.map(dereference).find(branch => hasType(branch, value));
  return target;
}

/** Whether a value has the JSON type that a schema without `oneOf` asks for. */
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

/** The properties of an object schema, references resolved. */
export function propertiesOf(schema: Schema): ReadonlyMap<string, Schema> {
  const found = new Map<string, Schema>();
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    if (typeof property === 'object') found.set(key, dereference(property));
  }
  return found;
}

/**
 * The schema at a path, narrowed on the way by the values of `config`. Where these don't narrow a union, the first
 * branch that knows the next key. Undefined for an unknown key.
 */
export function schemaAt(path: Path, config: unknown): Schema | undefined {
  let schema: Schema | undefined = dereference(experimentSchema());
  let value: unknown = config;
  for (const step of path) {
    schema = stepInto(schema, step, value);
    if (schema === undefined) return undefined;
    value =
      isRecord(value) || Array.isArray(value) ? (value as Record<string | number, unknown>)[step] : undefined;
  }
  return schema;
}

function stepInto(schema: Schema, step: string | number, value: unknown): Schema | undefined {
  const narrowed = narrow(schema, value);
  const candidates = [
    ...(narrowed === undefined ? [] : [narrowed]),
    ...(schema.oneOf ?? []).map(dereference),
  ];
  if (candidates.length === 0) candidates.push(schema);
  for (const candidate of candidates) {
    if (candidate.items !== undefined && /^\d+$/.test(String(step))) return dereference(candidate.items);
    const property = propertiesOf(candidate).get(String(step));
    if (property !== undefined) return property;
  }
  return undefined;
}

/** One key of the schema, wherever it stands. */
export interface KnownKey {
  /** Keys from the root, `gates` items without their index. */
  readonly path: readonly string[];
  readonly schema: Schema;
  /** The tags on the way that this key depends on, such as `kind: sgd`. */
  readonly branch?: { readonly key: string; readonly tag: string };
}

let keys: readonly KnownKey[] | undefined;

/** Every key that any config may have. */
export function allKeys(): readonly KnownKey[] {
  keys ??= collect(dereference(experimentSchema()), []);
  return keys;
}

function collect(schema: Schema, path: readonly string[], branch?: KnownKey['branch']): KnownKey[] {
  const found: KnownKey[] = [];
  for (const [key, property] of propertiesOf(schema)) {
    const here = [...path, key];
    found.push({ path: here, schema: property, ...(branch === undefined ? {} : { branch }) });
    found.push(...collect(property, here, branch));
  }
  if (schema.items !== undefined) found.push(...collect(dereference(schema.items), path, branch));
  const union = branchesOf(schema);
  for (const { tag, schema: inner } of union?.branches ?? []) {
    found.push(...collect(inner, path, { key: union?.key ?? '', tag }));
  }
  if (union === undefined) {
    for (const inner of schema.oneOf ?? []) found.push(...collect(dereference(inner), path, branch));
  }
  return found;
}
