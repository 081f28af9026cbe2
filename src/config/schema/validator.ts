/**
 * Validates values against the part of JSON Schema (draft 7) that our schemas use, with the
 * `discriminator` of OpenAPI. A schema becomes nested functions, not generated source code: pages
 * with a strict content security policy run it too, and a program that starts compiles only the
 * schemas that it uses. Errors have the form of those of Ajv, which the tests compare them with.
 */
import { hasType, isRecord, type Schema, wholeSchema } from './schema.js';

/** What a value violates. */
export interface SchemaError {
  /** The keyword of the schema: `type`, `required`, `oneOf`. */
  readonly keyword: string;
  /** JSON pointer to the value: `/gates/0/min`. */
  readonly instancePath: string;
  /** JSON pointer to the keyword: `#/properties/gates/items/type`. */
  readonly schemaPath: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Ends a sentence that begins with the name of the value: `must be >= 1`. */
  readonly message: string;
  /** The schema with the keyword. */
  readonly parentSchema: Schema | boolean;
  readonly data: unknown;
}

/** Where a value and its schema are, from the root; built only for errors. */
interface Place {
  readonly instance: string;
  readonly schema: string;
}

/** Collects errors. Without one, a check stops at the first error. */
type Errors = SchemaError[] | undefined;

/** Returns whether a value is valid. */
type Check = (value: unknown, errors: Errors, at: Place) => boolean;

const ROOT: Place = { instance: '', schema: '#' };

/** All errors of `value` against `schemas/NAME.schema.json`; empty if it is valid. */
export function validateAgainst(name: string, value: unknown): readonly SchemaError[] {
  const check = checkOf(wholeSchema(name));
  // a valid value, the usual case, needs no places
  if (check(value, undefined, ROOT)) return [];
  const errors: SchemaError[] = [];
  check(value, errors, ROOT);
  return errors;
}

const checks = new WeakMap<Schema, Check>();

/** Compiles the schema when a value first reaches it: most values reach a few of the branches. */
function checkOf(schema: Schema | boolean): Check {
  if (typeof schema === 'boolean') return schema ? () => true : nothing;
  const known = checks.get(schema);
  if (known) return known;
  let compiled: Check | undefined;
  const check: Check = (value, errors, at) => {
    compiled ??= compile(schema);
    return compiled(value, errors, at);
  };
  checks.set(schema, check);
  return check;
}

const nothing: Check = (data, errors, at) =>
  fails(errors, at, false, { keyword: 'false schema', data, message: 'boolean schema is false' });

function fails(
  errors: Errors,
  { instance, schema }: Place,
  parentSchema: Schema | boolean,
  { keyword, params = {}, ...error }: Failure,
): false {
  const schemaPath = `${schema}/${keyword}`;
  errors?.push({ keyword, instancePath: instance, schemaPath, params, parentSchema, ...error });
  return false;
}

type Failure = Pick<SchemaError, 'keyword' | 'data' | 'message'> & Partial<Pick<SchemaError, 'params'>>;

/** Runs all checks if errors are collected, otherwise up to the first that fails. */
function all(list: readonly Check[]): Check {
  if (list.length === 1) return list[0];
  return (value, errors, at) => {
    let valid = true;
    for (const check of list) {
      if (check(value, errors, at)) continue;
      if (errors === undefined) return false;
      valid = false;
    }
    return valid;
  };
}

function compile(schema: Schema): Check {
  const parts = Object.entries(KEYWORDS).flatMap(([keyword, make]) =>
    keyword in schema ? (make(schema) ?? []) : [],
  );
  return parts.length === 0 ? () => true : all(parts);
}

/** A check of the values of one type; others pass. */
function rule<T>(
  isOfType: (value: unknown) => value is T,
  schema: Schema,
  keyword: keyof Schema,
  message: string,
  holds: (value: T) => boolean,
  paramsOf?: (value: T) => SchemaError['params'],
): Check {
  return (data, errors, at) =>
    !isOfType(data) ||
    holds(data) ||
    fails(errors, at, schema, { keyword, data, message, ...(paramsOf && { params: paramsOf(data) }) });
}

const isNumber = (value: unknown): value is number => typeof value === 'number';
const isString = (value: unknown): value is string => typeof value === 'string';
const isList = (value: unknown): value is unknown[] => Array.isArray(value);
const isAnything = (_value: unknown): _value is unknown => true;

/** Code points: what JSON Schema counts. */
const lengthOf = (text: string): number => {
  let pairs = 0;
  for (let i = 0; i < text.length - 1; i++) {
    const isPair = (text.charCodeAt(i) & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00;
    if (isPair) pairs++;
  }
  return text.length - pairs;
};

const amount = (most: boolean, count: number, what: string) =>
  `must NOT have ${most ? 'more' : 'fewer'} than ${count} ${what}`;

/** By keyword, in the order of the checks; undefined if another keyword checks it. */
const KEYWORDS: Readonly<Record<string, (schema: Schema) => Check | undefined>> = {
  type(schema) {
    const { type = [] } = schema;
    const message = `must be ${[type].flat().join()}`;
    return rule(isAnything, schema, 'type', message, value => hasType(schema, value) && !isOdd(value));
  },
  maximum: bound('maximum', '<=', (value, limit) => value <= limit),
  minimum: bound('minimum', '>=', (value, limit) => value >= limit),
  exclusiveMaximum: bound('exclusiveMaximum', '<', (value, limit) => value < limit),
  exclusiveMinimum: bound('exclusiveMinimum', '>', (value, limit) => value > limit),
  maxLength: size('maxLength', isString, lengthOf, 'characters'),
  minLength: size('minLength', isString, lengthOf, 'characters'),
  pattern(schema) {
    const { pattern = '' } = schema;
    const expression = new RegExp(pattern, 'u');
    const message = `must match pattern "${pattern}"`;
    return rule(isString, schema, 'pattern', message, value => expression.test(value));
  },
  const(schema) {
    return rule(isAnything, schema, 'const', 'must be equal to constant', value => value === schema.const);
  },
  enum(schema) {
    const values = new Set(schema.enum);
    const message = 'must be equal to one of the allowed values';
    return rule(isAnything, schema, 'enum', message, value => values.has(value));
  },
  oneOf: schema => (schema.discriminator === undefined ? oneOf(schema) : undefined),
  allOf(schema) {
    return all((schema.allOf ?? []).map((part, i) => below(checkOf(part), 'allOf', i)));
  },
  if: condition,
  maxItems: size('maxItems', isList, list => list.length, 'items'),
  minItems: size('minItems', isList, list => list.length, 'items'),
  uniqueItems(schema) {
    const isUnique = (list: unknown[]) =>
      new Set(list.map(item => JSON.stringify(item))).size === list.length;
    return rule(isList, schema, 'uniqueItems', 'must NOT have duplicate items', isUnique);
  },
  items(schema) {
    const check = checkOf(schema.items ?? true);
    return (list, errors, at) => !isList(list) || eachValue(list.entries(), check, errors, at, 'items');
  },
  maxProperties: size('maxProperties', isRecord, value => Object.keys(value).length, 'properties'),
  minProperties: size('minProperties', isRecord, value => Object.keys(value).length, 'properties'),
  required(schema) {
    const checks = (schema.required ?? []).map(key =>
      rule(
        isRecord,
        schema,
        'required',
        `must have required property '${key}'`,
        value => isGiven(value, key),
        () => ({ missingProperty: key }),
      ),
    );
    return checks.length === 0 ? undefined : all(checks);
  },
  additionalProperties,
  properties(schema) {
    const checks = Object.entries(schema.properties ?? {}).map(([key, property]): Check => {
      const check = checkOf(property);
      return (value, errors, at) =>
        !isRecord(value) ||
        !isGiven(value, key) ||
        check(value[key], errors, errors ? placeOf(at, ['properties', key], key) : at);
    });
    return checks.length === 0 ? undefined : all(checks);
  },
  patternProperties(schema) {
    const checks = Object.entries(schema.patternProperties ?? {}).map(([pattern, property]): Check => {
      const expression = new RegExp(pattern, 'u');
      const check = checkOf(property);
      return (value, errors, at) =>
        !isRecord(value) ||
        eachValue(
          Object.entries(value).filter(([key]) => expression.test(key)),
          check,
          errors,
          at,
          'patternProperties',
          pattern,
        );
    });
    return all(checks);
  },
  discriminator,
};

/** JSON has no such numbers. */
function isOdd(value: unknown): boolean {
  return typeof value === 'number' && !Number.isFinite(value);
}

function isGiven(value: Readonly<Record<string, unknown>>, key: string): boolean {
  return Object.hasOwn(value, key) && value[key] !== undefined;
}

function bound(keyword: BoundKey, sign: string, holds: (value: number, limit: number) => boolean) {
  return (schema: Schema): Check => {
    const limit = Number(schema[keyword]);
    return rule(isNumber, schema, keyword, `must be ${sign} ${limit}`, value => holds(value, limit));
  };
}

type BoundKey = 'maximum' | 'minimum' | 'exclusiveMaximum' | 'exclusiveMinimum';

function size<T>(
  keyword: 'maxLength' | 'minLength' | 'maxItems' | 'minItems' | 'maxProperties' | 'minProperties',
  isOfType: (value: unknown) => value is T,
  sizeOf: (value: T) => number,
  what: string,
) {
  const isMost = keyword.startsWith('max');
  return (schema: Schema): Check => {
    const limit = Number(schema[keyword]);
    const holds = (value: T) => (isMost ? sizeOf(value) <= limit : sizeOf(value) >= limit);
    return rule(isOfType, schema, keyword, amount(isMost, limit, what), holds);
  };
}

const escaped = (key: string | number) => String(key).replaceAll('~', '~0').replaceAll('/', '~1');

function placeOf(
  { instance, schema }: Place,
  steps: readonly (string | number)[],
  key?: string | number,
): Place {
  return {
    instance: key === undefined ? instance : `${instance}/${escaped(key)}`,
    schema: `${schema}/${steps.map(step => escaped(step)).join('/')}`,
  };
}

/** The same value against a part of the schema. */
function below(check: Check, ...steps: readonly (string | number)[]): Check {
  return (value, errors, at) => check(value, errors, errors ? placeOf(at, steps) : at);
}

function eachValue(
  entries: Iterable<readonly [string | number, unknown]>,
  check: Check,
  errors: Errors,
  at: Place,
  ...steps: readonly string[]
): boolean {
  let valid = true;
  for (const [key, value] of entries) {
    if (check(value, errors, errors ? placeOf(at, steps, key) : at)) continue;
    if (errors === undefined) return false;
    valid = false;
  }
  return valid;
}

function oneOf(schema: Schema): Check {
  const branches = (schema.oneOf ?? []).map((branch, i) => below(checkOf(branch), 'oneOf', i));
  return (data, errors, at) => {
    const inside: Errors = errors && [];
    const valid = branches.filter(branch => branch(data, inside, at)).length;
    if (valid === 1) return true;
    // errors of the branches say more than that two of them match
    if (valid === 0) errors?.push(...(inside ?? []));
    return fails(errors, at, schema, {
      keyword: 'oneOf',
      data,
      message: 'must match exactly one schema in oneOf',
    });
  };
}

/** The branch that the tag selects. */
function discriminator(schema: Schema): Check {
  const { discriminator: { propertyName: key } = { propertyName: '' }, oneOf: branches = [] } = schema;
  const byTag = new Map<unknown, Check>();
  branches.forEach((branch, i) => {
    const tag = branch.properties?.[key];
    if (typeof tag !== 'object') return;
    for (const value of tag.enum ?? [tag.const]) byTag.set(value, below(checkOf(branch), 'oneOf', i));
  });
  return (data, errors, at) => {
    if (!isRecord(data)) return true;
    const tag = isGiven(data, key) ? data[key] : undefined;
    const branch = byTag.get(tag);
    if (branch) return branch(data, errors, at);
    const message = isString(tag) ? `value of tag "${key}" must be in oneOf` : `tag "${key}" must be string`;
    return fails(errors, at, schema, { keyword: 'discriminator', data, message, params: { tag: key } });
  };
}

function condition(schema: Schema): Check {
  const holds = checkOf(schema.if ?? true);
  const part = (keyword: 'then' | 'else') => below(checkOf(schema[keyword] ?? true), keyword);
  const [then, otherwise] = [part('then'), part('else')];
  return (data, errors, at) => {
    const isTrue = holds(data, undefined, at);
    if ((isTrue ? then : otherwise)(data, errors, at)) return true;
    const failingKeyword = isTrue ? 'then' : 'else';
    const message = `must match "${failingKeyword}" schema`;
    return fails(errors, at, schema, { keyword: 'if', data, message, params: { failingKeyword } });
  };
}

function additionalProperties(schema: Schema): Check {
  const { additionalProperties: others = true, properties = {}, patternProperties = {} } = schema;
  const patterns = Object.keys(patternProperties).map(pattern => new RegExp(pattern, 'u'));
  const known = new Set(Object.keys(properties));
  const isOther = (key: string) => !known.has(key) && !patterns.some(pattern => pattern.test(key));
  const check = checkOf(others);
  return (data, errors, at) => {
    if (!isRecord(data)) return true;
    if (others !== false) {
      const found = Object.entries(data).filter(([key]) => isOther(key));
      return eachValue(found, check, errors, at, 'additionalProperties');
    }
    let valid = true;
    for (const key in data) {
      if (!isOther(key)) continue;
      const message = 'must NOT have additional properties';
      const params = { additionalProperty: key };
      valid = fails(errors, at, schema, { keyword: 'additionalProperties', data, message, params });
      if (errors === undefined) return false;
    }
    return valid;
  };
}
