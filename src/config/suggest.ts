/** Guesses the key, kind or value that the user meant. */
import { nearest, normalize } from '../util/nearest.js';
import {
  allKeys,
  type Branch,
  branchesOf,
  hasType,
  type KnownKey,
  type Schema,
  taggedWithin,
} from './schema/walk.js';
import type { Node } from './yaml/tree.js';

function hasAlias({ 'x-aliases': aliases = [] }: Schema, word: string): boolean {
  return aliases.some(alias => normalize(alias) === normalize(word));
}

/** The key meant by an unknown key: an alias from other tools, or a similar spelling. */
export function meantKey(word: string, properties: ReadonlyMap<string, Schema>): string | undefined {
  const aliased = [...properties].find(([, schema]) => hasAlias(schema, word));
  return aliased?.[0] ?? nearest(word, [...properties.keys()]);
}

/** The branch meant by a tag: a name from PyTorch or another library, or a similar spelling. */
export function meantTag(word: string, branches: readonly Branch[]): string | undefined {
  // `torch.optim.lr_scheduler.StepLR`, `nn.MSELoss`
  const name = word.slice(word.lastIndexOf('.') + 1);
  const tags = branches.map(({ tag }) => tag);
  return branches.find(({ schema }) => hasAlias(schema, name))?.tag ?? nearest(name, tags);
}

/**
 * Keys anywhere in the schema with this name or this alias, whichever is less nested; if there are
 * none, with a similar spelling.
 */
export function findElsewhere(word: string, root?: Schema): readonly KnownKey[] {
  const keys = allKeys(root);
  const name = (key: KnownKey): string => key.path[key.path.length - 1];
  const same = keys.filter(key => normalize(name(key)) === normalize(word));
  const aliased = keys.filter(key => hasAlias(key.schema, word));
  const depth = (found: readonly KnownKey[]): number => Math.min(...found.map(({ path }) => path.length));
  const known = depth(aliased) < depth(same) ? aliased : same;
  if (known.length > 0) return known;
  // many kinds share a key
  const near = nearest(word, [...new Set(keys.map(name))]);
  return near === undefined ? [] : keys.filter(key => name(key) === near);
}

const WORDS: readonly (readonly [RegExp, string])[] = [
  [/^(yes|on|y)$/i, 'true'],
  [/^(no|off|n)$/i, 'false'],
];

/**
 * Suggests a value of the right type or choice.
 * @param asked the part of the schema that the value violates
 * @param whole the schema of the value, which may be a union around `asked`
 */
export function suggestValue(node: Node, asked: Schema, whole: Schema): string | undefined {
  const isScalarType = asked.type !== 'array' && asked.type !== 'object';
  if (node.kind === 'list' && node.items.length === 1 && node.items[0].kind === 'scalar' && isScalarType)
    return node.items[0].written;
  if (node.kind !== 'scalar' || node.value === null) return undefined;
  const { value, written } = node;
  const { oneOf: forms = [] } = asked;
  const words = (asked.enum ?? forms.flatMap(form => form.enum ?? [])).map(String);
  if (typeof value === 'string') {
    const hasWords = (whole.oneOf ?? []).some(form => form.enum !== undefined);
    const union = branchesOf(whole) ?? (hasWords ? undefined : taggedWithin(whole));
    if (union && words.length === 0) {
      const tag = meantTag(value, union.branches);
      return tag && `{ ${union.key}: ${tag} }`;
    }
    if (words.length > 0) return nearest(value, words);
    if (asked.type === 'boolean')
      return WORDS.find(([word]) => word.test(value))?.[1] ?? nearest(value, ['true', 'false']);
    return asked.type === 'number' || asked.type === 'integer' ? numberHint(value) : undefined;
  }
  if (asked.enum !== undefined) return undefined;
  // a bare number instead of a mapping with a unit
  for (const { properties = {}, examples = [] } of [...forms, asked]) {
    const keys = [...examples.flatMap(example => Object.keys(Object(example))), ...Object.keys(properties)];
    const unit = keys.find(key => typeof value === 'number' && accepts(properties[key], value));
    if (unit !== undefined) return `{ ${unit}: ${written} }`;
  }
  if (asked.type === 'string') return `"${written}"`;
  return asked.type === 'array' && (asked.minItems ?? 0) <= 1 ? `[${written}]` : undefined;
}

function accepts(schema: Schema | boolean | undefined, value: number): boolean {
  if (typeof schema !== 'object' || schema.type === undefined || !hasType(schema, value)) return false;
  const { minimum = value, maximum = value, exclusiveMinimum: above, exclusiveMaximum: below } = schema;
  const isWithin = (above === undefined || value > above) && (below === undefined || value < below);
  return isWithin && value >= minimum && value <= maximum;
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
  const point = plain.replace(/^([-+]?\d+),(\d+)$/, '$1.$2');
  return point !== '' && Number.isFinite(Number(point)) ? point : undefined;
}
