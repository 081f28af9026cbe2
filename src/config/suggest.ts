/** Guesses the key, kind or value that the user meant. */
import { nearest, normalize } from '../util/nearest.js';
import { allKeys, type Branch, branchesOf, type KnownKey, type Schema, taggedWithin } from './schema/walk.js';
import type { Node } from './yaml/tree.js';

/** The key meant by an unknown key: an alias from other tools, or a similar spelling. */
export function meantKey(word: string, properties: ReadonlyMap<string, Schema>): string | undefined {
  const given = normalize(word);
  for (const [key, schema] of properties) {
    if ((schema['x-aliases'] ?? []).some(alias => normalize(alias) === given)) return key;
  }
  return nearest(word, [...properties.keys()]);
}

/**
 * The branch of a union meant by a tag: a name from PyTorch or another library, or a similar
 * spelling.
 */
export function meantTag(word: string, branches: readonly Branch[]): string | undefined {
  // `torch.optim.lr_scheduler.StepLR`, `nn.MSELoss`
  const name = word.slice(word.lastIndexOf('.') + 1);
  const given = normalize(name);
  const aliased = branches.find(({ schema }) =>
    (schema['x-aliases'] ?? []).some(alias => normalize(alias) === given),
  );
  return (
    aliased?.tag ??
    nearest(
      name,
      branches.map(({ tag }) => tag),
    )
  );
}

/**
 * Keys anywhere in the schema with this name or this alias, whichever is less nested; if there are
 * none, with a similar spelling.
 */
export function findElsewhere(word: string, root: Schema): readonly KnownKey[] {
  const given = normalize(word);
  const keys = allKeys(root);
  const name = (key: KnownKey): string => key.path[key.path.length - 1];
  const same = keys.filter(key => normalize(name(key)) === given);
  const aliased = keys.filter(key =>
    (key.schema['x-aliases'] ?? []).some(alias => normalize(alias) === given),
  );
  const depth = (found: readonly KnownKey[]): number => Math.min(...found.map(({ path }) => path.length));
  const known = depth(aliased) < depth(same) ? aliased : same;
  if (known.length > 0) return known;
  // many kinds share a key
  const near = nearest(word, [...new Set(keys.map(name))]);
  return near === undefined ? [] : keys.filter(key => name(key) === near);
}

const BOOLEAN_WORDS: ReadonlyMap<string, string> = new Map([
  ['yes', 'true'],
  ['on', 'true'],
  ['y', 'true'],
  ['no', 'false'],
  ['off', 'false'],
  ['n', 'false'],
]);

/**
 * Suggests a value of the right type or choice.
 * @param asked the part of the schema that the value violates
 * @param whole the schema of the value, which may be a union around `asked`
 */
export function suggestValue(node: Node, asked: Schema, whole: Schema): string | undefined {
  if (node.kind !== 'scalar') return node.kind === 'map' ? undefined : listHint(node, asked);
  const { value, written } = node;
  const choices = (asked.enum ?? []).map(String);
  if (choices.length > 0) return typeof value === 'string' ? nearest(value, choices) : undefined;
  const tags = branchesOf(whole) ?? (hasWords(whole) ? undefined : taggedWithin(whole));
  if (tags !== undefined) {
    if (typeof value !== 'string') return undefined;
    const tag = meantTag(value, tags.branches);
    return tag === undefined ? undefined : `{ ${tags.key}: ${tag} }`;
  }
  if (asked.oneOf !== undefined) {
    const words = asked.oneOf.flatMap(branch => branch.enum ?? []).map(String);
    return typeof value === 'string' ? nearest(value, words) : mappingHint(asked.oneOf, written);
  }
  if (typeof value === 'number' && asked.type === 'object') return unitHint(whole, value, written);
  if (value === null) return undefined;
  if (asked.type === 'string' && typeof value !== 'string') return `"${written}"`;
  if (asked.type === 'array') return (asked.minItems ?? 0) > 1 ? undefined : `[${written}]`;
  if (typeof value !== 'string') return undefined;
  if (asked.pattern !== undefined) {
    const hint = nameHint(value);
    return hint !== undefined && new RegExp(asked.pattern).test(hint) ? hint : undefined;
  }
  if (asked.type === 'boolean')
    return BOOLEAN_WORDS.get(value.toLowerCase()) ?? nearest(value, ['true', 'false']);
  if (asked.type === 'number' || asked.type === 'integer') return numberHint(value);
  return undefined;
}

function hasWords({ oneOf = [] }: Schema): boolean {
  return oneOf.some(form => form.enum !== undefined);
}

function listHint(node: Node, asked: Schema): string | undefined {
  const single = node.kind === 'list' && node.items.length === 1 ? node.items[0] : undefined;
  const scalar = asked.type !== 'array' && asked.type !== 'object' && single?.kind === 'scalar';
  return scalar ? single.written : undefined;
}

/** For a bare number instead of a mapping with a unit: suggests the first unit. */
function mappingHint(branches: readonly Schema[], written: string): string | undefined {
  const unit = branches.flatMap(branch => Object.keys(branch.properties ?? {}))[0];
  return unit === undefined ? undefined : `{ ${unit}: ${written} }`;
}

/**
 * For a bare number instead of a mapping: suggests the first key of the schema's examples that
 * accepts it, such as `{ epochs: 5 }` or `{ fraction: 0.1 }`.
 */
function unitHint(
  { properties = {}, examples = [] }: Schema,
  value: number,
  written: string,
): string | undefined {
  const keys = examples.flatMap(example => Object.keys(Object(example)));
  const fitting = keys.find(key => {
    const property = properties[key];
    return typeof property === 'object' && accepts(property, value);
  });
  return fitting === undefined ? undefined : `{ ${fitting}: ${written} }`;
}

function accepts(schema: Schema, value: number): boolean {
  const { type, minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema;
  return (
    (type === 'number' || (type === 'integer' && Number.isInteger(value))) &&
    !(minimum !== undefined && value < minimum) &&
    !(maximum !== undefined && value > maximum) &&
    !(exclusiveMinimum !== undefined && value <= exclusiveMinimum) &&
    !(exclusiveMaximum !== undefined && value >= exclusiveMaximum)
  );
}

/** The name without characters that are not allowed. */
function nameHint(name: string): string | undefined {
  const allowed = name
    .slice(0, 200)
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/\.{2,}/g, '.');
  const hint = allowed
    .replace(/^[^A-Za-z0-9]+/, '')
    .replace(/-+$/, '')
    .slice(0, 100);
  return hint === '' ? undefined : hint;
}

/** 0.999 for 99.9, without the rounding error of the division. */
export function fromPercent(percentage: number): number {
  return Number((percentage / 100).toPrecision(15));
}

/** Suggests a number for one written with quotes, separators, a decimal comma or a percent sign. */
function numberHint(text: string): string | undefined {
  const plain = text.trim().replace(/(\d)[_ ](?=\d)/g, '$1');
  const percent = /^([\d.]+)\s*%$/.exec(plain);
  if (percent !== null) return String(fromPercent(Number(percent[1])));
  const point = /^[-+]?\d+,\d+$/.test(plain) ? plain.replace(',', '.') : plain;
  return point !== '' && Number.isFinite(Number(point)) ? point : undefined;
}
