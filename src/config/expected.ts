/** Describes in words which values a schema allows. */
import { branchesOf, type Schema } from './schema/walk.js';

/** One value of a type, and several. */
const NOUNS: Readonly<Partial<Record<string, readonly [one: string, several: string]>>> = {
  string: ['a string', 'strings'],
  integer: ['an integer', 'integers'],
  number: ['a number', 'numbers'],
  boolean: ['true or false', 'values'],
  array: ['a list', 'values'],
  object: ['a mapping', 'mappings'],
};

/** `an integer from 1 to 64`, `adam | sgd`, `a list of 2 numbers`. */
export function describeExpected(schema: Schema): string {
  if (schema.const !== undefined) return choice(schema.const);
  if (schema['x-form'] !== undefined) return schema['x-form'];
  if (schema.enum !== undefined) return schema.enum.map(choice).join(' | ');
  const union = branchesOf(schema);
  if (union !== undefined)
    return `a mapping with \`${union.key}\`: ${union.branches.map(branch => branch.tag).join(' | ')}`;
  if (schema.oneOf !== undefined) return schema.oneOf.map(describeExpected).join(', or ');
  const [noun] = NOUNS[String(schema.type)] ?? ['a value'];
  if (schema.type === 'array') return `${noun} of ${describeItems(schema)}`;
  if (schema.type === 'object') return `${noun}${describeKeys(schema)}`;
  return `${noun}${describeBounds(schema)}`;
}

/** Control characters, such as the tab of `delimiter`, would be invisible. */
function choice(value: unknown): string {
  const text = String(value);
  return /\p{Cc}/u.test(text) ? JSON.stringify(text) : text;
}

function describeItems({ minItems = 0, maxItems, items = {} }: Schema): string {
  const [, nouns] = NOUNS[String(items.type)] ?? ['', 'values'];
  return minItems === maxItems ? `${minItems} ${nouns}${describeBounds(items)}` : nouns;
}

/** The required keys of a mapping, else all of a few. */
function describeKeys({ required = [], properties = {} }: Schema): string {
  const all = Object.keys(properties);
  const [keys, word] = required.length > 0 ? [required, ' and '] : [all.length > 4 ? [] : all, ' or '];
  return keys.length === 0 ? '' : ` with ${keys.map(key => `\`${key}\``).join(word)}`;
}

/** ` from 1 to 64`, ` above 0, at most 1000`; empty without bounds. */
function describeBounds({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema): string {
  if (minimum !== undefined && maximum !== undefined) {
    if (maximum === Number.MAX_SAFE_INTEGER) return `, at least ${minimum} and below 2^53`;
    return Math.abs(maximum) >= 1e300 ? '' : ` from ${minimum} to ${maximum}`;
  }
  const bounds = {
    'at least': minimum,
    above: exclusiveMinimum,
    'at most': maximum,
    below: exclusiveMaximum,
  };
  const parts = Object.entries(bounds).flatMap(([word, bound]) =>
    bound === undefined ? [] : `${word} ${bound}`,
  );
  return parts.length === 0 ? '' : `, ${parts.join(' and ')}`;
}
