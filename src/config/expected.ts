/** Describes in words which values a schema allows. */
import { branchesOf, type Schema } from './schema/walk.js';

const NOUNS: Readonly<Record<string, string>> = {
  string: 'a string',
  integer: 'an integer',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
};

/** `an integer from 1 to 64`, `adam | sgd`, `a list of 2 numbers`. */
export function describeExpected(schema: Schema): string {
  if (schema.const !== undefined) return choice(schema.const);
  if (schema['x-form'] !== undefined) return schema['x-form'];
  if (schema.enum !== undefined) return schema.enum.map(choice).join(' | ');
  const union = branchesOf(schema);
  if (union !== undefined) {
    return `a mapping with \`${union.key}\`: ${union.branches.map(branch => branch.tag).join(' | ')}`;
  }
  if (schema.oneOf !== undefined) {
    return schema.oneOf.map(describeForm).join(', or ');
  }
  if (schema.type === 'array') return describeList(schema);
  if (schema.type === 'object') return describeMapping(schema);
  return `${NOUNS[String(schema.type)] ?? 'a value'}${describeBounds(schema)}`;
}

/** Control characters, such as the tab of `delimiter`, would be invisible. */
function choice(value: unknown): string {
  const text = String(value);
  return /\p{Cc}/u.test(text) ? JSON.stringify(text) : text;
}

/** One of several forms. Mappings are distinguished by their required keys. */
function describeForm(schema: Schema): string {
  const { type, required = [] } = schema;
  return type === 'object' && schema.oneOf === undefined && required.length > 0
    ? `a mapping with ${required.map(key => `\`${key}\``).join(' and ')}`
    : describeExpected(schema);
}

const PLURALS: Readonly<Record<string, string>> = {
  object: 'mappings',
  string: 'strings',
  number: 'numbers',
  integer: 'integers',
};

function describeList(schema: Schema): string {
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema;
  const item = schema.items ?? {};
  const items = PLURALS[String(item.type)] ?? 'values';
  return minItems === maxItems
    ? `a list of ${minItems} ${items}${describeBounds(item)}`
    : `a list of ${items}`;
}

function describeMapping(schema: Schema): string {
  const { required = [], properties = {} } = schema;
  const all = Object.keys(properties);
  if (all.length === 0 || all.length > 4) return 'a mapping';
  const keys = required.length > 0 ? required : all;
  return `a mapping with ${keys.map(key => `\`${key}\``).join(required.length > 0 ? ' and ' : ' or ')}`;
}

/** ` from 1 to 64`, ` above 0, at most 1000`; empty without bounds. */
export function describeBounds(schema: Schema): string {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  if (minimum !== undefined && maximum !== undefined) {
    if (maximum === Number.MAX_SAFE_INTEGER) return `, at least ${minimum} and below 2^53`;
    return Math.abs(maximum) >= 1e300 ? '' : ` from ${minimum} to ${maximum}`;
  }
  const parts: string[] = [];
  if (minimum !== undefined) parts.push(`at least ${minimum}`);
  if (exclusiveMinimum !== undefined) parts.push(`above ${exclusiveMinimum}`);
  if (maximum !== undefined) parts.push(`at most ${maximum}`);
  if (exclusiveMaximum !== undefined) parts.push(`below ${exclusiveMaximum}`);
  return parts.length === 0 ? '' : `, ${parts.join(' and ')}`;
}
